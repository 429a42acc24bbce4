// Sends the calls of a client: URL, headers, body, retries; and reads streams again.

import type { CallOptions, ClientOptions, ResponseInfo, ResumeOptions, StreamOptions } from './client.js'
import { type AnyEndpoint, filled } from './endpoint.js'
import type { Environment } from './environment.js'
import { EventStream, type StreamSource } from './event-stream.js'
import { Exchange, type Fetch } from './exchange.js'
import { GatewayError, invalid, parsed, refused, requestIdOf } from './gateway-error.js'
import { delayMs } from './retry-policy.js'

const EVENT_STREAM = 'text/event-stream'
const STREAMS = '/v1/streams'
/** How the id of a response begins; the rest is that of its stream. */
const RESPONSE = 'resp_'

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly query?: string
  readonly accept: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly statuses: readonly number[]
}

export class Caller {
  readonly #base: string
  readonly #fetch: Fetch
  readonly #maxRetries: number
  readonly #maxResumes: number
  readonly #timeout: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #onResponse: (response: ResponseInfo) => void
  readonly #environment: Environment

  constructor(options: ClientOptions, environment: Environment) {
    const { baseURL = 'http://127.0.0.1:8080', apiKey, timeout = 600_000 } = options
    this.#base = new URL(baseURL, globalThis.location?.href).href.replace(/\/+$/, '')
    // Not `globalThis.fetch` itself: browsers and Workers refuse it with another `this`.
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
    this.#maxRetries = options.maxRetries ?? 2
    this.#maxResumes = options.maxResumes ?? 8
    this.#timeout = timeout
    this.#headers = { ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }), ...options.headers }
    this.#onResponse = options.onResponse ?? (() => {})
    this.#environment = environment
  }

  call(endpoint: AnyEndpoint, values: unknown[]): Promise<unknown> {
    const rest = [...values]
    const parameters = endpoint.path.includes('{') ? (rest.shift() as Record<string, string>) : {}
    const request = endpoint.body || endpoint.query ? (rest.shift() as Record<string, unknown>) : undefined
    const options = (rest.shift() ?? {}) as StreamOptions
    const streamed = endpoint.kind === 'stream'
    const outgoing: Outgoing = {
      method: endpoint.method,
      path: filled(endpoint.path, parameters),
      accept: streamed ? EVENT_STREAM : 'application/json',
      headers: { ...(streamed ? headersOf(options, this.#maxResumes > 0) : {}), ...options.headers },
      statuses: endpoint.statuses,
      ...(endpoint.query ? { query: queryOf(request) } : {}),
      ...(endpoint.body ? { body: JSON.stringify({ ...request, ...options.extraBody, ...endpoint.implied }) } : {}),
    }
    // A background response goes on without a reader.
    const stopsOnLeaving = options.onDisconnect === undefined && request?.['background'] !== true
    return streamed ? this.#stream(outgoing, options, stopsOnLeaving) : this.#answer(outgoing, options.signal)
  }

  async stop(id: string, options: CallOptions): Promise<void> {
    const outgoing = { ...streamRequest('DELETE', id, options), accept: 'application/json', statuses: [200, 202, 204] }
    await this.#retried(options.signal, async (attempt) => {
      const [, exchange] = await this.#send(outgoing, options.signal, attempt)
      await exchange.text()
    })
  }

  resumed(given: string, options: ResumeOptions): Promise<EventStream<unknown>> {
    const { signal, after = 0 } = options
    const ofResponse = given.startsWith(RESPONSE)
    const id = ofResponse ? `req_${given.slice(RESPONSE.length)}` : given
    return this.#retried(signal, async (attempt) => {
      const [response, exchange] = await this.#resume(id, after, options, attempt)
      const settings = { resumable: this.#maxResumes > 0, stopsOnLeaving: !ofResponse, after, onProgress: undefined, id }
      return this.#begun(new EventStream(this.#source(options), exchange, response.headers, settings))
    })
  }

  #stream(outgoing: Outgoing, options: StreamOptions, stopsOnLeaving: boolean): Promise<EventStream<unknown>> {
    const resumable = this.#maxResumes > 0 && options.onDisconnect !== 'cancel'
    return this.#retried(options.signal, async (attempt) => {
      const [response, exchange] = await this.#send(outgoing, options.signal, attempt)
      checkIsStream(response, exchange)
      const settings = { resumable, stopsOnLeaving, after: 0, onProgress: options.onProgress }
      return this.#begun(new EventStream(this.#source(options), exchange, response.headers, settings))
    })
  }

  async #begun<Chunk>(stream: EventStream<Chunk>): Promise<EventStream<Chunk>> {
    try {
      await stream.begin()
    } catch (error) {
      stream.close()
      throw error
    }
    return stream
  }

  #answer(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#retried(signal, async (attempt) => {
      const [response, exchange] = await this.#send(outgoing, signal, attempt)
      const value = parsed(await exchange.text())
      if (typeof value !== 'object' || value === null) {
        throw invalid(`${outgoing.path} did not answer with a JSON object`, requestIdOf(response.headers))
      }
      return value
    })
  }

  #source(options: CallOptions): StreamSource {
    return {
      resume: async (id, after) => (await this.#resume(id, after, options, 0))[1],
      delayMs: (attempt, retryAfter) =>
        delayMs(attempt, { retryable: true, retryAfter }, this.#maxResumes - 1, this.#environment.random()),
      sleep: (ms) => this.#environment.sleep(ms, options.signal),
      stop: (id) => this.stop(id, {}),
    }
  }

  async #resume(id: string, after: number, options: CallOptions, attempt: number): Promise<[Response, Exchange]> {
    const outgoing: Outgoing = {
      ...streamRequest('GET', id, options),
      query: `?after=${after}`,
      accept: EVENT_STREAM,
      statuses: [200],
    }
    const [response, exchange] = await this.#send(outgoing, options.signal, attempt)
    checkIsStream(response, exchange)
    return [response, exchange]
  }

  async #retried<T>(signal: AbortSignal | undefined, once: (attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await once(attempt)
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        const delay = delayMs(attempt, error, this.#maxRetries, this.#environment.random())
        if (delay === undefined) throw error
        await this.#environment.sleep(delay, signal)
      }
    }
  }

  /** A response with an answer, its body unread. Throws `GatewayError`, or the signal's reason. */
  async #send(outgoing: Outgoing, signal: AbortSignal | undefined, attempt: number): Promise<[Response, Exchange]> {
    const { method, path, body } = outgoing
    const exchange = new Exchange(this.#timeout, signal)
    const headers = {
      accept: outgoing.accept,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...this.#headers,
      ...outgoing.headers,
    }
    const url = this.#base + path + (outgoing.query ?? '')
    const response = await exchange.send(this.#fetch, url, { method, headers, ...(body === undefined ? {} : { body }) })
    const { requestId } = exchange
    this.#onResponse({ method, path, status: response.status, headers: response.headers, requestId, attempt })
    if (outgoing.statuses.includes(response.status)) return [response, exchange]
    throw refused(response.status, response.headers, await exchange.text(), this.#environment.now())
  }
}

/** The fields that have a value, as the query of a URL. */
function queryOf(request: Readonly<Record<string, unknown>> | undefined): string {
  const given = Object.entries(request ?? {}).filter(([, value]) => value !== undefined && value !== null)
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return query === '' ? '' : `?${query}`
}

function streamRequest(method: string, id: string, options: CallOptions): Pick<Outgoing, 'method' | 'path' | 'headers'> {
  return { method, path: filled(`${STREAMS}/{id}`, { id }), headers: options.headers ?? {} }
}

/** By default a client that resumes requests the longest grace that the route allows. */
function headersOf(options: StreamOptions, resumes: boolean): Record<string, string> {
  const onDisconnect = options.onDisconnect ?? (resumes ? 'grace' : undefined)
  return {
    ...(onDisconnect === undefined ? {} : { 'x-penstock-on-disconnect': onDisconnect }),
    ...(options.onProgress === undefined ? {} : { 'x-penstock-progress': 'true' }),
  }
}

/** Throws unless the response is an event stream; a login page read as one would seem cut off. */
function checkIsStream(response: Response, exchange: Exchange): void {
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith(EVENT_STREAM)) return
  exchange.close()
  throw invalid(`expected ${EVENT_STREAM}, got ${type || 'no content type'}`, exchange.requestId)
}
