// The gateway's endpoints as this page uses them. A 401 opens the dialog for a key and repeats the request with it.

import { GatewayFailure } from './failure.js'

export const BASE = new URL('.', document.baseURI)
export const STREAM_HEADERS = { 'x-penstock-progress': 'true', 'x-penstock-on-disconnect': 'grace' }
export const CHAT_PATH = 'v1/chat/completions'
export const EMBEDDINGS_PATH = 'v1/embeddings'

export class Gateway {
  // `keys` has `current` (null without one) and `ask(message)`, which resolves to false if the dialog was left.
  constructor(keys) {
    this.keys = keys
  }

  async models() {
    return (await (await this.#send('GET', 'v1/models')).json()).data
  }

  begin(body, signal) {
    return this.#send('POST', CHAT_PATH, { body, headers: STREAM_HEADERS, signal })
  }

  // The rest of a stream after `count` events.
  readOn(id, count, signal) {
    return this.#send('GET', `v1/streams/${id}`, { headers: { 'last-event-id': String(count) }, signal })
  }

  stop(id) {
    return this.#send('DELETE', `v1/streams/${id}`)
  }

  async usage(id) {
    return (await this.#send('GET', `v1/streams/${id}/usage`)).json()
  }

  async embeddings(body) {
    const response = await this.#send('POST', EMBEDDINGS_PATH, { body })
    return { answer: await response.json(), requestId: response.headers.get('x-request-id') }
  }

  async #send(method, path, { body, headers = {}, signal } = {}) {
    for (;;) {
      const key = this.keys.current
      const response = await this.#fetch(method, path, {
        headers: {
          ...headers,
          ...(body && { 'content-type': 'application/json' }),
          ...(key && { authorization: `Bearer ${key}` }),
        },
        body: body && JSON.stringify(body),
        signal,
      })
      if (response.ok) return response
      const failure = await GatewayFailure.of(response)
      if (failure.status !== 401 || !(await this.keys.ask(key ? failure.message : ''))) throw failure
    }
  }

  async #fetch(method, path, options) {
    try {
      // No cookies: the key is the only credential. No redirect: it could lead to another origin.
      return await fetch(new URL(path, BASE), { method, credentials: 'omit', redirect: 'error', cache: 'no-store', ...options })
    } catch (error) {
      if (error.name === 'AbortError') throw error
      throw new GatewayFailure('gateway_unreachable', `the gateway at ${BASE.origin} did not answer`)
    }
  }
}
