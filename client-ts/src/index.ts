// The public names of @penstock/client.

export type { Progress } from './chunk-decoder.js'
export {
  type Call,
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type ResponseInfo,
  type ResumeOptions,
  type StreamOptions,
  type Streams,
} from './client.js'
export type * from './contract.js'
export type { Endpoint, StreamEndpoint } from './endpoint.js'
export { type Endpoints, endpoints } from './endpoints.js'
export type { Environment } from './environment.js'
export { EventStream } from './event-stream.js'
export type { Fetch } from './exchange.js'
export { type ClientErrorCode, GatewayError } from './gateway-error.js'
export { EVENT_LENGTH_MAX, EventTooLargeError, type ServerSentEvent, SseDecoder } from './sse-decoder.js'
