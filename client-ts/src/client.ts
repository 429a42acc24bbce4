// `createClient`: one function per endpoint of the contract, typed by endpoints.ts, and `stop` and `resume`.

import type { Progress } from './chunk-decoder.js'
import { type AnyEndpoint, type Endpoint, filled, type StreamEndpoint } from './endpoint.js'
import { type Endpoints, endpoints } from './endpoints.js'
import { EventStream, type StreamSource } from './event-stream.js'
import { Exchange, type Fetch } from './exchange.js'
import { GatewayError, invalid, parsed, refused, requestIdOf } from './gateway-error.js'
import { delayMs } from './retry-policy.js'

const EVENT_STREAM = 'text/event-stream'
const STREAMS = '/v1/streams'

export interface ClientOptions {
  /** The gateway, without `/v1`; in a browser also a path of the page's own origin. */
  baseURL?: string
  /** Sent as `authorization: Bearer …`. A public page must not contain one. */
  apiKey?: string | undefined
  /** In place of the runtime's own. */
  fetch?: Fetch | undefined
  /** Retries of a request before its first event, and of each resume; 0 switches them off. Default 2. */
  maxRetries?: number
  /** Milliseconds of silence until an answer, and between two reads of it; 0 is no limit. Default 600 000. */
  timeout?: number
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>
  /** Called with each response, retried ones too. */
  onResponse?: (response: ResponseInfo) => void
}

/** A response as `onResponse` receives it; `attempt` counts from 0. */
export interface ResponseInfo {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly headers: Headers
  readonly requestId: string | undefined
  readonly attempt: number
}

export interface CallOptions {
  /** Ends the request; what it throws is the signal's reason. */
  signal?: AbortSignal | undefined
  headers?: Readonly<Record<string, string>>
  /** Further fields of the body, which the types do not have: a provider's own. */
  extraBody?: Readonly<Record<string, unknown>>
}

export interface StreamOptions extends CallOptions {
  /**
   * What a disconnect does, within what the route allows: end the provider call, wait for the client's return (`grace`,
   * `grace=SECONDS`), or run to the end (`detach`). With `grace` and `detach` a cut stream resumes by itself.
   */
  onDisconnect?: 'cancel' | 'grace' | 'detach' | `grace=${number}`
  /** Called while the request waits, with the reason. */
  onProgress?: (progress: Progress) => void
}

export interface ResumeOptions extends Omit<CallOptions, 'extraBody'> {
  /** Leave out this many events, as counted by `EventStream.received`. */
  after?: number
}

type Values<Parameters, Request> = [
  ...(Parameters extends void ? [] : [parameters: Parameters]),
  ...(Request extends void ? [] : [request: Request]),
]

/** The function of an endpoint. */
export type Call<E> =
  E extends StreamEndpoint<infer Request, infer Chunk, infer Parameters>
    ? (...values: [...Values<Parameters, Request>, options?: StreamOptions]) => Promise<EventStream<Chunk>>
    : E extends Endpoint<infer Request, infer Response, infer Parameters>
      ? (...values: [...Values<Parameters, Request>, options?: CallOptions]) => Promise<Response>
      : never

type StreamNames = { [Name in keyof Endpoints]: Endpoints[Name]['kind'] extends 'stream' ? Name : never }[keyof Endpoints]
type ChunkOf<E> = E extends StreamEndpoint<infer _Request, infer Chunk, infer _Parameters> ? Chunk : never

export interface Streams {
  /** End a stream's provider call. A stream that has ended, or that another key began, is a `not_found`. */
  stop(id: string, options?: Omit<CallOptions, 'extraBody'>): Promise<void>
  /** Read a stream again, in the dialect of the endpoint that began it. */
  resume<Name extends StreamNames>(
    endpoint: Name,
    id: string,
    options?: ResumeOptions,
  ): Promise<EventStream<ChunkOf<Endpoints[Name]>>>
}

export type Client = { readonly [Name in keyof Endpoints]: Call<Endpoints[Name]> } & Streams

/** What the client takes of its surroundings, apart from `fetch`; tests replace it. */
export interface Environment {
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
  /** Unix milliseconds. */
  now(): number
}

/** A client of the gateway at `baseURL`; create one and share it. Nothing has to be closed. */
export function createClient(options: ClientOptions = {}, environment: Environment = RUNTIME): Client {
  const caller = new Caller(options, environment)
  const calls = Object.entries(endpoints).map(([name, endpoint]) => [
    name,
    (...values: unknown[]) => caller.call(endpoint as AnyEndpoint, values),
  ])
  return {
    ...Object.fromEntries(calls),
    stop: (id: string, given: CallOptions = {}) => caller.stop(id, given),
    resume: (_name: StreamNames, id: string, given: ResumeOptions = {}) => caller.resumed(id, given),
  } as Client
}

const RUNTIME: Environment = {
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    }),
  random: () => Math.random(),
  now: () => Date.now(),
}

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly query?: string
  readonly accept: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly statuses: readonly number[]
}

class Caller {
  readonly #base: string
  readonly #fetch: Fetch
  readonly #maxRetries: number
  readonly #timeout: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #onResponse: (response: ResponseInfo) => void
  readonly #environment: Environment

  constructor(options: ClientOptions, environment: Environment) {
    const { baseURL = 'http://127.0.0.1:8080', apiKey, maxRetries = 2, timeout = 600_000 } = options
    this.#base = new URL(baseURL, globalThis.location?.href).href.replace(/\/+$/, '')
    // Not `globalThis.fetch` itself: browsers and Workers refuse it with another `this`.
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
    this.#maxRetries = maxRetries
    this.#timeout = timeout
    this.#headers = { ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }), ...options.headers }
    this.#onResponse = options.onResponse ?? (() => {})
    this.#environment = environment
  }

  call(endpoint: AnyEndpoint, values: unknown[]): Promise<unknown> {
    const rest = [...values]
    const parameters = endpoint.path.includes('{') ? (rest.shift() as Record<string, string>) : {}
    const request = endpoint.body ? (rest.shift() as object) : undefined
    const options = (rest.shift() ?? {}) as StreamOptions
    const streamed = endpoint.kind === 'stream'
    const outgoing: Outgoing = {
      method: endpoint.method,
      path: filled(endpoint.path, parameters),
      accept: streamed ? EVENT_STREAM : 'application/json',
      headers: { ...headersOf(options), ...options.headers },
      statuses: endpoint.statuses,
      ...(request === undefined
        ? {}
        : { body: JSON.stringify({ ...request, ...options.extraBody, ...endpoint.implied }) }),
    }
    return streamed ? this.#stream(outgoing, options) : this.#answer(outgoing, options.signal)
  }

  async stop(id: string, options: CallOptions): Promise<void> {
    const outgoing = { ...streamRequest('DELETE', id, options), accept: 'application/json', statuses: [200, 202, 204] }
    await this.#retried(options.signal, async (attempt) => {
      const [, exchange] = await this.#send(outgoing, options.signal, attempt)
      await exchange.text()
    })
  }

  resumed(id: string, options: ResumeOptions): Promise<EventStream<unknown>> {
    const { signal, after = 0 } = options
    return this.#retried(signal, async (attempt) => {
      const [response, exchange] = await this.#resume(id, after, options, attempt)
      const settings = { resumable: true, after, onProgress: undefined, id }
      return this.#begun(new EventStream(this.#source(options), exchange, response.headers, settings))
    })
  }

  #stream(outgoing: Outgoing, options: StreamOptions): Promise<EventStream<unknown>> {
    const resumable = options.onDisconnect !== undefined && options.onDisconnect !== 'cancel'
    return this.#retried(options.signal, async (attempt) => {
      const [response, exchange] = await this.#send(outgoing, options.signal, attempt)
      checkIsStream(response, exchange)
      const settings = { resumable, after: 0, onProgress: options.onProgress }
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
      delayMs: (attempt, failure) => delayMs(attempt, failure, this.#maxRetries, this.#environment.random()),
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

function streamRequest(method: string, id: string, options: CallOptions): Pick<Outgoing, 'method' | 'path' | 'headers'> {
  return { method, path: filled(`${STREAMS}/{id}`, { id }), headers: options.headers ?? {} }
}

function headersOf(options: StreamOptions): Record<string, string> {
  return {
    ...(options.onDisconnect === undefined ? {} : { 'x-penstock-on-disconnect': options.onDisconnect }),
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
