// An endpoint as a value that carries its types; endpoints.ts declares each of them from the contract.

declare const types: unique symbol

/** What the URL, the method and the body of a call are made of. `implied` are body fields that follow from the endpoint. */
interface Shape {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** A name in braces is replaced by the parameter of this name. */
  readonly path: string
  /** Whether the endpoint takes a request body. */
  readonly body: boolean
  /** Whether the fields of the request are the URL's query. */
  readonly query: boolean
  readonly implied: Readonly<Record<string, unknown>>
}

/** An endpoint that answers once, with JSON. `statuses` are those that come with a `Response`. */
export interface Endpoint<Request, Response, Parameters = void> extends Shape {
  readonly kind: 'answer'
  readonly statuses: readonly number[]
  readonly [types]?: { request: Request; response: Response; parameters: Parameters }
}

/** An endpoint that answers with server-sent events, each of them one `Chunk`. */
export interface StreamEndpoint<Request, Chunk, Parameters = void> extends Shape {
  readonly kind: 'stream'
  readonly statuses: readonly number[]
  readonly [types]?: { request: Request; chunk: Chunk; parameters: Parameters }
}

/** An endpoint of which only the request line and body matter. */
export type AnyEndpoint = Endpoint<unknown, unknown, unknown> | StreamEndpoint<unknown, unknown, unknown>

type Declared = Pick<Shape, 'method' | 'path'> & Partial<Shape> & { readonly statuses?: readonly number[] }

export function answer<Request, Response, Parameters = void>(
  declared: Declared,
): Endpoint<Request, Response, Parameters> {
  return { kind: 'answer', body: false, query: false, implied: {}, statuses: [200], ...declared }
}

export function stream<Request, Chunk, Parameters = void>(
  declared: Declared,
): StreamEndpoint<Request, Chunk, Parameters> {
  return { kind: 'stream', body: false, query: false, implied: {}, statuses: [200], ...declared }
}

/** The path with its parameters in place, each percent-encoded. */
export function filled(path: string, parameters: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name]
    // An empty segment would be the path of another endpoint, and so would `.` and `..`.
    if (typeof value !== 'string' || /^\.{0,2}$/.test(value)) throw new TypeError(`${name}: not a path segment`)
    return encodeURIComponent(value)
  })
}
