// openai-node: chat, streams, tools, structured output, embeddings, errors.
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL: model, EMBEDDING_MODEL } = process.env
const client = new OpenAI({ baseURL: `${PENSTOCK_URL}/v1`, apiKey: 'not-needed', maxRetries: 0 })
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const TEXT = 'Paris is the capital of France.'
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parse: JSON.parse,
    function: ({ city }) => `sunny in ${city}`,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

await run({
  async whole_answer() {
    const answer = await client.chat.completions.create({ model, messages })
    assert.equal(answer.choices[0].message.content, TEXT)
    assert.equal(answer.usage.total_tokens, 16)
  },
  async stream() {
    let text = ''
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      text += chunk.choices[0].delta.content ?? ''
    }
    assert.equal(text, TEXT)
  },
  async stream_helper() {
    const final = await client.chat.completions.stream({ model, messages }).finalChatCompletion()
    assert.equal(final.choices[0].message.content, TEXT)
  },
  async run_tools() {
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather] })
    assert.equal(await runner.finalContent(), 'It is sunny in Rome.')
  },
  async run_tools_streamed() {
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather], stream: true })
    assert.equal(await runner.finalContent(), 'It is sunny in Rome.')
  },
  async parse() {
    const City = z.object({ name: z.string(), people: z.number().int() })
    const format = zodResponseFormat(City, 'city')
    const answer = await client.chat.completions.parse({ model, messages, response_format: format })
    assert.deepEqual(answer.choices[0].message.parsed, { name: 'Rome', people: 7 })
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model: EMBEDDING_MODEL, input: ['a', 'b'] })
    assert.deepEqual(answer.data.map((item) => item.embedding), [[0, 0.5, -1], [1, 0.5, -1]])
  },
  async error_of_an_unknown_model() {
    await assert.rejects(client.chat.completions.create({ model: 'no-such-model', messages }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError)
      assert.equal(error.code, 'model_not_found')
      return true
    })
  },
  async abort() {
    const stream = await client.chat.completions.create({ model, messages, stream: true })
    stream.controller.abort()
  },
})
