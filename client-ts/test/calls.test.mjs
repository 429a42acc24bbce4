// Calls: what is sent, what an answer and a failure become, and when a request is sent again.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createClient, GatewayError } from '@penstock/client'
import { answer, collected, DONE, failure, scripted, SILENCE, text } from './scripted-gateway.mjs'

const CHAT = { messages: [{ role: 'user', content: 'Hi' }] }

test('a call sends method, URL, headers and the body with the implied fields', async () => {
  const { client, requests } = scripted([answer('{"id":"c"}')], { apiKey: 'sk-1', headers: { 'x-mine': '1' } })
  const request = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }
  const options = { extraBody: { top_k: 3 }, headers: { 'x-other': '2' } }
  assert.deepEqual(await client.chatCompletion(request, options), { id: 'c' })
  const [{ url, method, headers, body }] = requests
  assert.equal(url, 'http://gateway.test/base/v1/chat/completions')
  assert.equal(method, 'POST')
  assert.deepEqual(body, { ...request, top_k: 3, stream: false })
  assert.deepEqual(headers, {
    accept: 'application/json',
    authorization: 'Bearer sk-1',
    'content-type': 'application/json',
    'x-mine': '1',
    'x-other': '2',
  })
})

test('a call without a body sends none', async () => {
  const { client, requests } = scripted([answer('{"data":[]}')])
  await client.models()
  assert.equal(requests[0].method, 'GET')
  assert.equal(requests[0].body, undefined)
  assert.equal(requests[0].headers['content-type'], undefined)
})

test('readiness answers with 503 too', async () => {
  const { client } = scripted([answer('{"ready":false,"reason":"no"}', { status: 503 })])
  assert.deepEqual(await client.ready(), { ready: false, reason: 'no' })
})

test('an error response is one typed error', async () => {
  const body = JSON.stringify({ error: { message: 'no', type: 't', param: 'model', code: 'model_not_found' } })
  const { client } = scripted([answer(body, { status: 404, id: 'req_9' })])
  const error = await client.embed({ text: 'x' }).catch((caught) => caught)
  assert.ok(error instanceof GatewayError && error instanceof Error)
  const { code, message, status, param, retryable, requestId, retryAfter } = error
  assert.deepEqual(
    { code, message, status, param, retryable, requestId, retryAfter },
    {
      code: 'model_not_found',
      message: 'no',
      status: 404,
      param: 'model',
      retryable: false,
      requestId: 'req_9',
      retryAfter: undefined,
    },
  )
})

for (const [name, body, status, code] of [
  ['a page of a proxy', '<html>', 502, 'http_error'],
  ['an answer that is no JSON', 'hello', 200, 'invalid_response'],
  ['an answer that is no object', '3', 200, 'invalid_response'],
  ["Anthropic's error shape", '{"type":"error","error":{"type":"overloaded_error","message":"x"}}', 529, 'overloaded_error'],
]) {
  test(`${name} is ${code}`, async () => {
    const { client } = scripted([answer(body, { status })], { maxRetries: 0 })
    await assert.rejects(client.models(), { code, status })
  })
}

test('a stream that is another type of answer is invalid', async () => {
  const { client } = scripted([answer('<html>', { headers: { 'content-type': 'text/html' } })])
  await assert.rejects(client.chat(CHAT), { code: 'invalid_response', message: /text\/html/ })
})

test('retryable failures are retried with a growing pause', async () => {
  const broken = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })
  const { client, requests, pauses } = scripted([broken, failure('queue_full', 429), answer('{}')])
  await client.models()
  assert.equal(requests.length, 3)
  assert.deepEqual(pauses, [500, 1000])
})

test('the pause is what the gateway asks for', async () => {
  const date = new Date(1_800_000_007_000).toUTCString()
  const { client, pauses } = scripted(
    [
      failure('queue_full', 429, { 'retry-after-ms': '1250', 'retry-after': '9' }),
      failure('queue_full', 429, { 'retry-after': '2.5' }),
      failure('queue_full', 429, { 'retry-after': date }),
      answer('{}'),
    ],
    { maxRetries: 3 },
  )
  await client.models()
  assert.deepEqual(pauses, [1250, 2500, 7000])
})

test('a pause of more than two minutes is refused, and the error has it', async () => {
  const { client, pauses } = scripted([failure('rate_limit_exceeded', 429, { 'retry-after': '121' })])
  await assert.rejects(client.models(), { code: 'rate_limit_exceeded', retryAfter: 121, retryable: true })
  assert.deepEqual(pauses, [])
})

for (const [status, header, requests] of [
  [400, undefined, 1],
  [400, 'true', 3],
  [500, undefined, 3],
  [500, 'false', 1],
  [409, undefined, 3],
]) {
  test(`${status} with x-should-retry ${header} is sent ${requests} times`, async () => {
    const given = failure('conflict', status, header === undefined ? {} : { 'x-should-retry': header })
    const run = scripted([given, given, given])
    await assert.rejects(run.client.models(), { status })
    assert.equal(run.requests.length, requests)
  })
}

test('no answer is gateway_unreachable, without the credentials of the URL', async () => {
  const { client } = scripted([new TypeError('failed')], { baseURL: 'http://u:secret@gateway.test', maxRetries: 0 })
  const error = await client.models().catch((caught) => caught)
  assert.equal(error.code, 'gateway_unreachable')
  assert.equal(error.retryable, true)
  assert.ok(!error.message.includes('secret'))
})

test('silence is a timeout, which is not retried', async () => {
  const run = scripted([answer([SILENCE])], { timeout: 5, maxResumes: 0 })
  await assert.rejects(run.client.chat(CHAT), { code: 'timeout', retryable: false })
  assert.equal(run.requests.length, 1)
})

test('an abort throws the reason of the signal, before and during the answer', async () => {
  const reason = new Error('enough')
  const before = scripted([])
  await assert.rejects(before.client.models({ signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const run = scripted([answer([text('a'), SILENCE])], { maxResumes: 0 })
  const stream = await run.client.chat(CHAT, { signal: controller.signal })
  await assert.rejects(async () => {
    for await (const _ of stream) controller.abort(reason)
  }, reason)
  assert.equal(run.requests.length, 1)
})

test('an abort is thrown before chunks that have come already', async () => {
  const controller = new AbortController()
  const { client } = scripted([answer([text('a') + text('b') + DONE])])
  const seen = []
  await assert.rejects(
    async () => {
      for await (const { text } of await client.chat(CHAT, { signal: controller.signal })) {
        seen.push(text)
        controller.abort()
      }
    },
    { name: 'AbortError' },
  )
  assert.deepEqual(seen, ['a'])
})

test('an abort ends the pause before a retry', async () => {
  const controller = new AbortController()
  const unavailable = new Response('', { status: 503 })
  const client = createClient({ fetch: async () => (queueMicrotask(() => controller.abort()), unavailable.clone()) })
  await assert.rejects(client.models({ signal: controller.signal }), { name: 'AbortError' })
})

test('onResponse receives every response, retried ones too', async () => {
  const seen = []
  const { client } = scripted([failure('queue_full', 429), answer('{}', { id: 'req_2' })], {
    onResponse: ({ method, path, status, requestId, attempt }) => seen.push([method, path, status, requestId, attempt]),
  })
  await client.models()
  assert.deepEqual(seen, [
    ['GET', '/v1/models', 429, 'req_1', 0],
    ['GET', '/v1/models', 200, 'req_2', 1],
  ])
})

test('a wrong base URL is refused when the client is created', () => {
  assert.throws(() => createClient({ baseURL: 'not a url' }), TypeError)
})

test('a stream is retried before its first event, and never after it', async () => {
  const before = scripted([answer([': ping\n\n', new Error('reset')]), answer([text('a'), DONE])], { maxResumes: 0 })
  assert.equal(await collected(await before.client.chat(CHAT)), 'a')
  const after = scripted([answer([text('a'), new Error('reset')])], { maxResumes: 0 })
  const stream = await after.client.chat(CHAT)
  await assert.rejects(collected(stream), { code: 'stream_truncated', requestId: 'req_1' })
  assert.equal(after.requests.length, 1)
})
