// `createClient`: one function per endpoint of the contract, typed by endpoints.ts, and `stop` and `resume`.

import { Caller } from './caller.js'
import type { Progress } from './chunk-decoder.js'
import type { AnyEndpoint, Endpoint, StreamEndpoint } from './endpoint.js'
import { type Endpoints, endpoints } from './endpoints.js'
import { type Environment, RUNTIME } from './environment.js'
import type { EventStream } from './event-stream.js'
import type { Fetch } from './exchange.js'

export interface ClientOptions {
  /** The gateway, without `/v1`; in a browser also a path of the page's own origin. */
  baseURL?: string
  /** Sent as `authorization: Bearer …`. A public page must not contain one. */
  apiKey?: string | undefined
  /** In place of the runtime's own. */
  fetch?: Fetch | undefined
  /** Retries of a request before its first event; 0 switches them off. Default 2. */
  maxRetries?: number
  /** Attempts to resume a cut stream without a new event in between; 0 switches resuming off. Default 8: about 30 s. */
  maxResumes?: number
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
   * What a disconnect does, within what the route allows: end the provider call (`cancel`), wait for the client's return
   * (`grace`, `grace=SECONDS`), or run to the end (`detach`). With `grace` and `detach` a cut stream resumes by itself.
   * Without this option the request requires `grace`, and leaving the loop ends the provider call.
   */
  onDisconnect?: 'cancel' | 'grace' | 'detach' | `grace=${number}`
  /** Called while the request waits, with the reason; for the simple dialect (`chat`, `generate`). */
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
  /** End a stream's provider call. A stream that has ended, or that another key began, is a `stream_not_found`. */
  stop(id: string, options?: Omit<CallOptions, 'extraBody'>): Promise<void>
  /**
   * Read a stream again, in the dialect of the endpoint that began it. With the id of a stored response leaving the loop
   * does not end its provider call.
   */
  resume<Name extends StreamNames>(
    endpoint: Name,
    id: string,
    options?: ResumeOptions,
  ): Promise<EventStream<ChunkOf<Endpoints[Name]>>>
}

export type Client = { readonly [Name in keyof Endpoints]: Call<Endpoints[Name]> } & Streams

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
