// Streams of Penstock's TypeScript client that survive: cut at any byte and resumed, read again, and stopped.
import assert from 'node:assert/strict'

import { createClient } from '@penstock/client'

import { run } from './cases.mjs'

const { PENSTOCK_URL: baseURL, MODEL: model } = process.env
const TEXT = 'Paris is the capital of France.'
const GRACE = { onDisconnect: 'grace' }
const request = { model, messages: [{ role: 'user', content: 'What is the capital of France?' }] }
const endless = { model: 'gpt', messages: [{ role: 'user', content: 'Begin, and wait.' }] }
const client = createClient({ baseURL })
const textOf = { chat: (chunk) => chunk.text, chatCompletionStream: (chunk) => chunk.choices[0]?.delta.content }

async function collected(stream, name) {
  let text = ''
  for await (const chunk of stream) text += textOf[name](chunk) ?? ''
  return text
}

/** A client whose responses break after `length` bytes each; `methods` are the requests that it made. */
function cutAfter(length) {
  const methods = []
  const fetch = async (url, init) => {
    methods.push(init.method)
    const response = await globalThis.fetch(url, init)
    if (!response.ok) return response
    let left = length
    const cutting = new TransformStream({
      transform(bytes, controller) {
        controller.enqueue(bytes.subarray(0, left))
        left -= bytes.length
        if (left < 0) controller.error(new TypeError('cut'))
      },
    })
    return new Response(response.body.pipeThrough(cutting), response)
  }
  return { cut: createClient({ baseURL, fetch }), methods }
}

const cases = {}
for (const [name, most, step] of [
  ['chat', 120, 7],
  ['chatCompletionStream', 900, 41],
]) {
  cases[`${name}: cut again and again, after any number of bytes`] = async () => {
    // Shorter than one event, no attempt would get on.
    for (let length = name === 'chat' ? 40 : 300; length < most; length += step) {
      const { cut, methods } = cutAfter(length)
      assert.equal(await collected(await cut[name](request, GRACE), name), TEXT, `cut after ${length} bytes`)
      assert.ok(methods.length > 1 && methods.slice(1).every((method) => method === 'GET'), methods.join(' '))
    }
  }
  cases[`${name}: read on by another client from the position of the first`] = async () => {
    const stream = await client[name](request, GRACE)
    const first = textOf[name]((await stream.next()).value)
    stream.close()
    const again = await createClient({ baseURL }).resume(name, stream.id, { after: stream.received })
    assert.equal(first + (await collected(again, name)), TEXT)
    assert.equal(await collected(await client.resume(name, stream.id), name), TEXT)
  }
}

const streamed = { model, input: 'What is the capital of France?' }
const deltas = (events) => events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')

async function all(stream) {
  const events = []
  for await (const event of stream) events.push(event)
  return events
}

await run({
  ...cases,
  'responses: cut after any number of bytes, and read on': async () => {
    for (let length = 1500; length < 3600; length += 300) {
      const { cut, methods } = cutAfter(length)
      const events = await all(await cut.responseStream(streamed, GRACE))
      assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()], `cut after ${length} bytes`)
      assert.equal(deltas(events), TEXT)
      assert.ok(methods.length > 1 && methods.slice(1).every((method) => method === 'GET'), methods.join(' '))
    }
  },
  'responses: left in the background, and read on by the id of the response': async () => {
    const stream = await client.responseStream({ ...streamed, background: true })
    const { value: created } = await stream.next()
    await stream.return()
    const rest = await all(await client.resume('responseStream', created.response.id, { after: 1 }))
    assert.equal(deltas(rest), TEXT)
    assert.equal(rest[0].sequence_number, 1)
    const found = await client.storedResponse({ response_id: created.response.id })
    assert.equal(found.status, 'completed')
    const items = await client.responseInputItems({ response_id: found.id }, { limit: 1, order: 'asc' })
    assert.equal(items.data.length, 1)
    assert.equal((await client.deleteResponse({ response_id: found.id })).deleted, true)
    await assert.rejects(client.cancelResponse({ response_id: found.id }), { code: 'response_not_found', status: 404 })
  },
  'a stopped stream ends for its reader, and with an error for another one': async () => {
    const stream = await client.chat(endless)
    const other = await client.resume('chat', stream.id)
    assert.equal((await other.next()).value.text, 'Paris')
    await stream.stop()
    assert.equal(await collected(stream, 'chat'), 'Paris')
    await assert.rejects(collected(other, 'chat'), { code: 'stopped', requestId: stream.id })
    await assert.rejects(client.stop(stream.id), { code: 'stream_not_found', status: 404 })
  },
  'a stream that is not there': async () => {
    const id = `req_${'0'.repeat(24)}`
    await assert.rejects(client.resume('chat', id), { code: 'stream_not_found', retryable: false })
    await assert.rejects(client.stop(id), { code: 'stream_not_found' })
  },
  'a policy that the route does not allow': async () => {
    await assert.rejects(client.chat(request, { onDisconnect: 'grace=100000' }), {
      code: 'invalid_request',
      param: 'x-penstock-on-disconnect',
    })
  },
})
