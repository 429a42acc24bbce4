// @anthropic-ai/sdk: messages, streams, tools, thinking, counts, models, errors.
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL: model } = process.env
const client = new Anthropic({ baseURL: PENSTOCK_URL, apiKey: 'not-needed', maxRetries: 0 })
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const TEXT = 'Paris is the capital of France.'
const ask = { model, max_tokens: 64, messages }
const weather = {
  name: 'weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

await run({
  async whole_message() {
    const message = await client.messages.create(ask)
    assert.equal(message.content[0].text, TEXT)
    assert.equal(message.stop_reason, 'end_turn')
    assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [11, 5])
    assert.ok(message._request_id)
  },
  async raw_stream() {
    let text = ''
    for await (const event of await client.messages.create({ ...ask, stream: true })) {
      if (event.type === 'content_block_delta') text += event.delta.text
    }
    assert.equal(text, TEXT)
  },
  async stream_helper() {
    const final = await client.messages.stream(ask).finalMessage()
    assert.equal(final.content[0].text, TEXT)
    assert.equal(final.usage.input_tokens, 11)
  },
  async tools_and_their_results() {
    const first = await client.messages.stream({ ...ask, tools: [weather] }).finalMessage()
    assert.equal(first.stop_reason, 'tool_use')
    assert.deepEqual(first.content[0].input, { city: 'Rome' })
    const result = { type: 'tool_result', tool_use_id: first.content[0].id, content: 'sunny' }
    const turns = [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: [result] }]
    const second = await client.messages.create({ ...ask, messages: turns, tools: [weather] })
    assert.equal(second.content[0].text, 'It is sunny in Rome.')
  },
  async thinking() {
    const thinking = { type: 'enabled', budget_tokens: 17000 }
    const message = await client.messages.stream({ ...ask, max_tokens: 20000, thinking }).finalMessage()
    assert.equal(message.content[0].thinking, 'Let me think.')
    assert.ok(message.content[0].signature)
    assert.equal(message.content[1].text, TEXT)
  },
  async count_of_tokens() {
    const { input_tokens } = await client.messages.countTokens({ model, messages })
    assert.ok(input_tokens > 0)
  },
  async models() {
    const names = []
    for await (const one of client.models.list()) names.push(one.id)
    assert.ok(names.includes(model))
  },
  async error_of_an_unknown_model() {
    await assert.rejects(client.messages.create({ ...ask, model: 'no-such-model' }), (error) => {
      assert.ok(error instanceof Anthropic.NotFoundError)
      assert.equal(error.error.error.type, 'not_found_error')
      assert.ok(error.requestID)
      return true
    })
  },
  async error_in_a_stream() {
    const broken = { ...ask, messages: [{ role: 'user', content: 'break off' }] }
    await assert.rejects(client.messages.stream(broken).finalMessage(), Anthropic.APIError)
  },
})
