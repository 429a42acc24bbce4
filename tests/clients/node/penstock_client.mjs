// Penstock's own TypeScript client, as npm packs it, against a gateway.
import assert from 'node:assert/strict'

import { createClient, GatewayError } from '@penstock/client'

import { run } from './cases.mjs'

const { PENSTOCK_URL: baseURL, MODEL: model, EMBEDDING_MODEL } = process.env
const client = createClient({ baseURL })
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const TEXT = 'Paris is the capital of France.'
const TOOLS = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]

async function collected(stream, textOf) {
  let text = ''
  for await (const chunk of stream) text += textOf(chunk) ?? ''
  return text
}

await run({
  'simple chat': async () => {
    const stream = await client.chat({ messages, model })
    assert.match(stream.id, /^req_/)
    assert.equal(await collected(stream, (chunk) => chunk.text), TEXT)
  },
  'simple generate': async () => {
    assert.equal(await collected(await client.generate({ prompt: 'France?', model }), (chunk) => chunk.text), TEXT)
  },
  'simple embed': async () => {
    assert.equal((await client.embed({ text: 'cat', model: EMBEDDING_MODEL })).dimensions, 3)
  },
  'chat completion': async () => {
    const completion = await client.chatCompletion({ model, messages })
    assert.equal(completion.choices[0].message.content, TEXT)
    assert.equal(completion.choices[0].finish_reason, 'stop')
  },
  'chat completion stream': async () => {
    const stream = await client.chatCompletionStream({ model, messages, stream_options: { include_usage: true } })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), TEXT)
    assert.equal(chunks.at(-1).usage.prompt_tokens, 11)
  },
  'tool calls in a stream': async () => {
    const stream = await client.chatCompletionStream({ model, messages, tools: TOOLS })
    const call = await collected(stream, (chunk) => chunk.choices[0].delta.tool_calls?.[0].function.arguments)
    assert.deepEqual(JSON.parse(call), { city: 'Rome' })
  },
  embeddings: async () => {
    const { data } = await client.embeddings({ model: EMBEDDING_MODEL, input: ['a', 'b'] })
    assert.deepEqual(data.map((each) => each.embedding), [[0, 0.5, -1], [1, 0.5, -1]])
  },
  'models, health and readiness': async () => {
    assert.ok((await client.models()).data.some((each) => each.id === model))
    assert.equal((await client.health()).status, 'ok')
    assert.equal((await client.ready()).ready, true)
  },
  'an unknown model': async () => {
    const error = await client.chat({ messages, model: 'nothing' }).catch((caught) => caught)
    assert.ok(error instanceof GatewayError)
    assert.deepEqual([error.code, error.status, error.retryable], ['model_not_found', 404, false])
    assert.match(error.requestId, /^req_/)
  },
  'an invalid field': async () => {
    await assert.rejects(client.chatCompletion({ model, messages, temperature: 9 }), {
      code: 'invalid_request',
      param: 'temperature',
    })
  },
  'a field of extraBody that the gateway refuses': async () => {
    await assert.rejects(client.chat({ messages, model }, { extraBody: { api_base: 'x' } }), { param: 'api_base' })
  },
  'an abort in the middle of a stream': async () => {
    const controller = new AbortController()
    const stream = await client.chat({ messages, model }, { signal: controller.signal })
    await assert.rejects(
      async () => {
        for await (const _ of stream) controller.abort()
      },
      { name: 'AbortError' },
    )
  },
  'a gateway that is not there': async () => {
    const nothing = createClient({ baseURL: 'http://127.0.0.1:9', maxRetries: 0 })
    await assert.rejects(nothing.models(), { code: 'gateway_unreachable' })
  },
})
