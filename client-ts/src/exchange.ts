// One HTTP request and its response, with a time limit for silence; failures of `fetch` become `GatewayError`s.

import { GatewayError, requestIdOf, truncated } from './gateway-error.js'

export type Fetch = (input: string, init: RequestInit) => Promise<Response>

/** The end of an exchange that its caller has closed; never shown to the caller. */
const CLOSED = Symbol('closed')

export class Exchange {
  readonly #controller = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number
  readonly #onAbort: () => void
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #timedOut = false
  requestId: string | undefined

  /** `timeoutMs` bounds the silence until the response, and between two reads; 0 is no limit. */
  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.#signal = signal
    this.#onAbort = () => this.#controller.abort(signal?.reason)
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Throws `gateway_unreachable`, `timeout`, or the signal's reason. */
  async send(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
    try {
      const response = await this.#limited(fetch(url, { ...init, signal: this.#controller.signal }))
      this.requestId = requestIdOf(response.headers)
      this.#reader = response.body?.getReader()
      return response
    } catch (error) {
      this.close()
      this.throwIfAborted()
      const origin = new URL(url).origin
      if (this.#timedOut) throw this.#timeout(`no answer from ${origin}`, undefined, error)
      throw new GatewayError(`no answer from ${origin}: ${reasonOf(error)}`, {
        code: 'gateway_unreachable',
        retryable: true,
        cause: error,
      })
    }
  }

  /** The next bytes of the body, undefined at its end. Throws `stream_truncated`, `timeout`, or the signal's reason. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#reader === undefined) return undefined
    try {
      const { value } = await this.#limited(this.#reader.read())
      if (value === undefined) this.close()
      return value
    } catch (error) {
      this.close()
      this.throwIfAborted()
      if (this.#timedOut) throw this.#timeout('no more of the answer', 200, error)
      throw truncated(`the connection broke inside the answer: ${reasonOf(error)}`, this.requestId, error)
    }
  }

  /** Throws the signal's reason after an abort, also while bytes that have been read are left. */
  throwIfAborted(): void {
    if (this.#signal?.aborted) throw this.#signal.reason
  }

  /** The whole body as text. */
  async text(): Promise<string> {
    const decoder = new TextDecoder()
    let text = ''
    for (let bytes = await this.read(); bytes !== undefined; bytes = await this.read()) {
      text += decoder.decode(bytes, { stream: true })
    }
    return text + decoder.decode()
  }

  /** End the exchange; a body that was not read to its end is a disconnect for the gateway. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#controller.abort(CLOSED)
  }

  async #limited<T>(step: Promise<T>): Promise<T> {
    if (this.#timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timedOut = true
        this.#controller.abort(CLOSED)
      }, this.#timeoutMs)
    }
    try {
      return await step
    } finally {
      clearTimeout(this.#timer)
    }
  }

  #timeout(what: string, status: number | undefined, cause: unknown): GatewayError {
    const message = `${what} within ${this.#timeoutMs} ms`
    return new GatewayError(message, { code: 'timeout', status, requestId: this.requestId, cause })
  }
}

/** The reason of a failed `fetch`; Node has it in `cause`, browsers give none. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? `${error.message} (${cause.message})` : error.message
}
