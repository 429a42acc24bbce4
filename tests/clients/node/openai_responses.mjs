// openai-node's Responses API: whole answers, streams, tools, stored responses.
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { run } from './cases.mjs'

const { PENSTOCK_URL: url, MODEL: model } = process.env
const TEXT = 'Paris is the capital of France.'
const input = 'What is the capital of France?'
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'not-needed', maxRetries: 0 })
const tools = [
  { type: 'function', name: 'weather', strict: true, parameters: { type: 'object', properties: {}, additionalProperties: false } },
]

await run({
  async wholeAnswer() {
    const answer = await client.responses.create({ model, input })
    assert.equal(answer.output_text, TEXT)
    assert.equal(answer.status, 'completed')
  },
  async stream() {
    const events = []
    for await (const event of await client.responses.create({ model, input, stream: true })) events.push(event)
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()])
    const deltas = events.filter((event) => event.type === 'response.output_text.delta')
    assert.equal(deltas.map((event) => event.delta).join(''), TEXT)
    assert.equal(events.at(-1).type, 'response.completed')
  },
  async streamHelper() {
    const answer = await client.responses.stream({ model, input }).finalResponse()
    assert.equal(answer.output_text, TEXT)
  },
  async toolRoundTrip() {
    const first = await client.responses.create({ model, input: 'weather?', tools })
    const [call] = first.output
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'sunny' }
    const second = await client.responses.create({ model, input: [output], tools, previous_response_id: first.id })
    assert.equal(second.output_text, 'It is sunny in Rome.')
  },
  async parse() {
    const format = zodTextFormat(z.object({ name: z.string(), people: z.number().int() }), 'city')
    const answer = await client.responses.parse({ model, input: 'A city?', text: { format } })
    assert.deepEqual(answer.output_parsed, { name: 'Rome', people: 7 })
  },
  async backgroundStreamReadOn() {
    const events = []
    const stream = await client.responses.create({ model, input, background: true, stream: true })
    for await (const event of stream) {
      events.push(event)
      if (events.length === 5) break
    }
    const id = events[0].response.id
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 4 })) events.push(event)
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()])
    assert.equal(events.at(-1).response.output_text ?? events.at(-1).response.output[0].content[0].text, TEXT)
  },
  async background() {
    let answer = await client.responses.create({ model, input, background: true })
    const deadline = Date.now() + 20_000
    while (['queued', 'in_progress'].includes(answer.status)) {
      assert.ok(Date.now() < deadline)
      answer = await client.responses.retrieve(answer.id)
    }
    assert.equal(answer.output_text, TEXT)
  },
  async hostedTool() {
    const request = client.responses.create({ model, input, tools: [{ type: 'web_search' }] })
    await assert.rejects(request, (error) => error.status === 400 && error.message.includes('web_search'))
  },
})
