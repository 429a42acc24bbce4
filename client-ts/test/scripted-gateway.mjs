// A `fetch` whose answers are scripted, and an environment without real time, for the tests of the client.

import { createClient } from '@penstock/client'

const encoder = new TextEncoder()

/** A response with these headers; its body is a text, or pieces of a stream: texts, bytes, or an Error that breaks it. */
export function answer(body, { status = 200, headers = {}, id = 'req_1' } = {}) {
  const streamed = Array.isArray(body)
  return (_request, signal) =>
    new Response(streamed ? pieces(body, signal) : body, {
      status,
      headers: {
        'content-type': streamed ? 'text/event-stream' : 'application/json',
        'x-request-id': id,
        ...headers,
      },
    })
}

export function failure(code, status, headers = {}) {
  const error = { message: `${code} happened`, type: 'api_error', param: null, code }
  return answer(JSON.stringify({ error }), { status, headers })
}

/** A piece of a stream that never comes. */
export const SILENCE = Symbol('silence')

function pieces(body, signal) {
  const left = [...body]
  return new ReadableStream({
    start: (controller) => signal.addEventListener('abort', () => fail(controller, signal.reason)),
    pull: async (controller) => {
      const piece = left.shift()
      if (piece === undefined) controller.close()
      else if (piece === SILENCE) await new Promise(() => {})
      else if (piece instanceof Error) controller.error(piece)
      else controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece)
    },
  })
}

function fail(controller, reason) {
  try {
    controller.error(reason)
  } catch {
    // The body has ended already.
  }
}

/** A client whose requests get `answers` in order; `requests` and `pauses` (milliseconds) are what it did. */
export function scripted(answers, options = {}) {
  const left = [...answers]
  const requests = []
  const pauses = []
  const fetch = async (url, init) => {
    const request = { url, ...init, body: init.body === undefined ? undefined : JSON.parse(init.body) }
    requests.push(request)
    init.signal.throwIfAborted()
    const next = left.shift()
    if (next === undefined) throw new Error(`no answer is left for ${init.method} ${url}`)
    if (next instanceof Error) throw next
    return next(request, init.signal)
  }
  const environment = {
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      pauses.push(ms)
    },
    random: () => 0,
    now: () => 1_800_000_000_000,
  }
  const client = createClient({ baseURL: 'http://gateway.test/base/', fetch, ...options }, environment)
  return { client, requests, pauses, left }
}

export const text = (value) => `data: ${JSON.stringify({ text: value })}\n\n`
export const DONE = 'data: [DONE]\n\n'

export async function collected(stream) {
  let whole = ''
  for await (const chunk of stream) whole += chunk.text
  return whole
}
