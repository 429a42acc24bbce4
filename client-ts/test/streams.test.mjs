// Streams: events to chunks, the end, errors inside, resume and stop.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { answer, collected, DONE, failure, scripted, SILENCE, text } from './scripted-gateway.mjs'

const CHAT = { messages: [{ role: 'user', content: 'Hi' }] }
const RESET = new Error('reset')
const KEPT = { onDisconnect: 'grace' }

test('a stream yields its chunks and ends at [DONE]', async () => {
  const { client, requests } = scripted([answer([`${text('Hel')}: ping\n\n`, text('lo') + DONE])])
  const stream = await client.chat(CHAT)
  assert.equal(stream.id, 'req_1')
  assert.equal(await collected(stream), 'Hello')
  assert.equal(stream.received, 3)
  assert.equal(requests[0].headers.accept, 'text/event-stream')
  assert.equal(requests[0].headers['x-penstock-on-disconnect'], 'grace')
})

test('an error inside a stream follows the text before it', async () => {
  const error = JSON.stringify({ error: { message: 'lost', type: 'api_error', param: null, code: 'worker_lost' } })
  const body = `${text('a')}event: error\ndata: ${error}\n\n`
  const { client, requests } = scripted([answer([body])])
  const seen = []
  await assert.rejects(
    async () => {
      for await (const chunk of await client.chat(CHAT)) seen.push(chunk.text)
    },
    { code: 'worker_lost', status: 200, retryable: true, requestId: 'req_1' },
  )
  assert.deepEqual(seen, ['a'])
  assert.equal(requests.length, 1)
})

test('an error as the first event is thrown by the loop, and not retried', async () => {
  const error = JSON.stringify({ error: { message: 'x', type: 't', param: null, code: 'queue_timeout' } })
  const { client, requests } = scripted([answer([`data: ${error}\n\n`])])
  const stream = await client.chatCompletionStream({ model: 'm', messages: CHAT.messages })
  await assert.rejects(stream.next(), { code: 'queue_timeout' })
  assert.deepEqual(await stream.next(), { done: true, value: undefined })
  assert.equal(requests.length, 1)
})

test('a stream without its last event is truncated, also without a broken connection', async () => {
  const { client } = scripted([answer([text('a'), 'data: {"te'])], { maxResumes: 0 })
  await assert.rejects(collected(await client.chat(CHAT)), { code: 'stream_truncated', retryable: true })
})

test('an event that is no chunk is invalid', async () => {
  const { client } = scripted([answer(['data: hello\n\n'])])
  await assert.rejects(collected(await client.chat(CHAT)), { code: 'invalid_response' })
})

for (const last of ['message_stop', 'response.completed', 'response.incomplete']) {
  test(`${last} ends a dialect without [DONE]`, async () => {
    const event = (type) => `event: ${type}\ndata: ${JSON.stringify({ type })}\n\n`
    const { client } = scripted([answer([event('ping') + event(last)])])
    const types = []
    for await (const chunk of await client.chat(CHAT)) types.push(chunk.type)
    assert.deepEqual(types, ['ping', last])
  })
}

test('progress is reported while the request waits, and asked for', async () => {
  const { client, requests } = scripted([
    answer(['event: queued\ndata: {"position":2,"cause":"busy"}\n\n', `event: news\ndata: {}\n\n${text('a')}`, DONE]),
  ])
  const seen = []
  const stream = await client.chat(CHAT, { onProgress: (progress) => seen.push(progress) })
  assert.deepEqual(seen, [{ position: 2, cause: 'busy' }])
  assert.equal(await collected(stream), 'a')
  assert.equal(requests[0].headers['x-penstock-progress'], 'true')
  assert.equal(stream.received, 3) // the event of an unknown name, the chunk and the end
})

test('leaving the loop closes the connection', async () => {
  const { client, requests } = scripted([answer([text('a'), SILENCE])])
  for await (const _ of await client.chat(CHAT)) break
  assert.equal(requests[0].signal.aborted, true)
})

test('a cut stream that was begun with grace resumes after the events it had', async () => {
  const { client, requests, pauses } = scripted([
    answer([`${text('a')}: ping\n\n${text('b')}data: {"text":"cu`, RESET]),
    answer([text('c'), RESET]),
    answer([text('d'), DONE]),
  ])
  const stream = await client.chat(CHAT, { onDisconnect: 'grace=30' })
  assert.equal(await collected(stream), 'abcd')
  assert.deepEqual(
    requests.map(({ method, url }) => [method, url.replace('http://gateway.test/base', '')]),
    [
      ['POST', '/api/chat'],
      ['GET', '/v1/streams/req_1?after=2'],
      ['GET', '/v1/streams/req_1?after=3'],
    ],
  )
  assert.equal(requests[0].headers['x-penstock-on-disconnect'], 'grace=30')
  assert.equal(requests[1].headers.accept, 'text/event-stream')
  assert.deepEqual(pauses, [])
})

test('a stream that is cut before its first event is resumed, so that the provider is called once', async () => {
  const { client, requests } = scripted([answer([': ping\n\n', RESET]), answer([text('a'), DONE])])
  assert.equal(await collected(await client.chat(CHAT, { onDisconnect: 'detach' })), 'a')
  assert.deepEqual(requests.map(({ method }) => method), ['POST', 'GET'])
})

test('a timeout inside a kept stream resumes it', async () => {
  const { client } = scripted([answer([text('a'), SILENCE]), answer([text('b'), DONE])], { timeout: 5 })
  assert.equal(await collected(await client.chat(CHAT, KEPT)), 'ab')
})

test('resuming goes on over failures with a pause, and ends after maxResumes attempts without a new event', async () => {
  const gone = new TypeError('fetch failed')
  const start = answer([text('a'), RESET])
  const works = scripted([start, gone, failure('overloaded', 503), answer([DONE])])
  assert.equal(await collected(await works.client.chat(CHAT, KEPT)), 'a')
  assert.deepEqual(works.pauses, [500, 1000])
  const cut = answer([RESET])
  const fails = scripted([start, cut, gone, cut], { maxResumes: 3 })
  await assert.rejects(collected(await fails.client.chat(CHAT, KEPT)), { code: 'stream_truncated' })
  assert.deepEqual(fails.pauses, [500, 1000])
  assert.equal(fails.left.length, 0)
})

test('a stream that is not kept any more is truncated', async () => {
  const { client } = scripted([answer([text('a'), RESET]), failure('not_found', 404)])
  await assert.rejects(collected(await client.chat(CHAT, KEPT)), { code: 'stream_truncated' })
})

test('a refusal to resume is thrown', async () => {
  const { client } = scripted([answer([text('a'), RESET]), failure('invalid_api_key', 401)])
  await assert.rejects(collected(await client.chat(CHAT, KEPT)), { code: 'invalid_api_key' })
})

test('no stream is resumed with cancel, or with maxResumes 0', async () => {
  for (const [options, settings] of [[{ onDisconnect: 'cancel' }], [{}, { maxResumes: 0 }], [KEPT, { maxResumes: 0 }]]) {
    const { client, requests } = scripted([answer([text('a'), RESET])], settings)
    await assert.rejects(collected(await client.chat(CHAT, options)), { code: 'stream_truncated' })
    assert.equal(requests.length, 1)
    assert.equal(requests[0].headers['x-penstock-on-disconnect'], options.onDisconnect)
  }
})

test('a stream without a policy resumes, and leaving its loop or aborting it ends the provider call', async () => {
  const resumed = scripted([answer([text('a'), RESET]), answer([text('b'), DONE])])
  assert.equal(await collected(await resumed.client.chat(CHAT)), 'ab')
  const left = scripted([answer([text('a'), SILENCE]), answer('{"deleted":true}')])
  for await (const _ of await left.client.chat(CHAT)) break
  assert.deepEqual(left.requests.map(({ method }) => method), ['POST', 'DELETE'])
  const aborted = scripted([answer([text('a'), SILENCE]), answer('{"deleted":true}')])
  const controller = new AbortController()
  const stream = await aborted.client.chat(CHAT, { signal: controller.signal })
  await stream.next()
  controller.abort()
  await assert.rejects(stream.next(), { name: 'AbortError' })
  assert.deepEqual(aborted.requests.map(({ method }) => method), ['POST', 'DELETE'])
})

test('leaving the loop of a stream with a policy is a disconnect, and of one that has ended nothing', async () => {
  for (const [options, pieces] of [[KEPT, [text('a'), SILENCE]], [{ onDisconnect: 'cancel' }, [text('a'), SILENCE]]]) {
    const { client, requests } = scripted([answer(pieces)])
    for await (const _ of await client.chat(CHAT, options)) break
    assert.deepEqual(requests.map(({ method }) => method), ['POST'])
  }
  const { client, requests } = scripted([answer([text('a'), DONE])])
  const stream = await client.chat(CHAT)
  assert.equal(await collected(stream), 'a')
  await stream.return()
  assert.equal(requests.length, 1)
})

test('resume reads a stream of another process from its position', async () => {
  const { client, requests } = scripted([answer([text('c'), RESET], { id: 'req_2' }), answer([text('d'), DONE])])
  const stream = await client.resume('chat', 'req_1', { after: 2 })
  assert.equal(stream.id, 'req_1')
  assert.equal(await collected(stream), 'cd')
  assert.equal(stream.received, 5)
  assert.deepEqual(requests.map(({ url }) => url.slice(-18)), ['ams/req_1?after=2', 'ams/req_1?after=3'].map((u) => `e${u}`))
})

const STOPPED = `event: error\ndata: ${JSON.stringify({ error: { message: 'x', type: 't', code: 'stopped' } })}\n\n`

test('stop deletes the stream, and its reader gets what has come', async () => {
  const { client, requests } = scripted([answer([text('a'), text('b') + STOPPED]), answer('{"deleted":true}')])
  const stream = await client.chat(CHAT)
  await stream.stop()
  assert.deepEqual([requests[1].method, requests[1].url], ['DELETE', 'http://gateway.test/base/v1/streams/req_1'])
  assert.equal(await collected(stream), 'ab')
})

test('a stream that another client stops ends with an error', async () => {
  const { client } = scripted([answer([text('a'), STOPPED])])
  await assert.rejects(collected(await client.chat(CHAT)), { code: 'stopped', retryable: false })
})

test('a stream without an id cannot be stopped, nor resumed', async () => {
  const anonymous = () => {
    const response = answer([text('a'), RESET])(undefined, new AbortController().signal)
    response.headers.delete('x-request-id')
    return response
  }
  const { client, requests } = scripted([anonymous])
  const stream = await client.chat(CHAT, KEPT)
  await assert.rejects(stream.stop(), { code: 'invalid_response' })
  await assert.rejects(collected(stream), { code: 'stream_truncated' })
  assert.equal(requests.length, 1)
})

test('stop of a stream that is not there is not_found, and an id cannot leave its path', async () => {
  const { client, requests } = scripted([failure('not_found', 404)])
  await assert.rejects(client.stop('a/b?c'), { code: 'not_found' })
  assert.equal(requests[0].url, 'http://gateway.test/base/v1/streams/a%2Fb%3Fc')
  for (const id of ['', '.', '..']) await assert.rejects(client.stop(id), TypeError)
})
