// The one error class of this client, and how a response or an event becomes one.

import { errors, type ErrorCode } from './contract.js'
import { retryAfter, shouldRetry } from './retry-policy.js'

/** Codes of failures without an answer of a gateway. */
export type ClientErrorCode =
  /** No server listens there, or the connection broke before an answer; in a browser also a refusal by CORS. */
  | 'gateway_unreachable'
  /** The stream ended without its last event: the answer is incomplete. */
  | 'stream_truncated'
  /** Nothing came for `timeout` milliseconds. */
  | 'timeout'
  /** An answer that is not a gateway's: a proxy's, or a wrong address. */
  | 'http_error'
  /** An answer of another type than the endpoint's. */
  | 'invalid_response'

interface Details {
  code: ErrorCode | ClientErrorCode | (string & {})
  status?: number | undefined
  param?: string | undefined
  retryable?: boolean
  requestId?: string | undefined
  retryAfter?: number | undefined
  cause?: unknown
}

/** The gateway refused, failed, or could not be understood. An abort is no `GatewayError`: the signal's reason is thrown. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  /** A code of docs/reference/errors.md, or a `ClientErrorCode`. */
  readonly code: ErrorCode | ClientErrorCode | (string & {})
  /** The HTTP status; 200 if the error came inside a stream; undefined without an answer. */
  readonly status: number | undefined
  /** The invalid field, if the error has one. */
  readonly param: string | undefined
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** The request's id in the logs of gateway and worker. */
  readonly requestId: string | undefined
  /** The pause that the gateway requires, in seconds. */
  readonly retryAfter: number | undefined

  constructor(message: string, details: Details) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.status = details.status
    this.param = details.param
    this.retryable = details.retryable ?? false
    this.requestId = details.requestId
    this.retryAfter = details.retryAfter
  }
}

/** The id of a request, from its response. */
export function requestIdOf(headers: Headers): string | undefined {
  return headers.get('x-request-id') ?? undefined
}

/** The error in a response that is not a success; `now` in Unix milliseconds. */
export function refused(status: number, headers: Headers, body: string, now: number): GatewayError {
  const details = {
    status,
    requestId: requestIdOf(headers),
    retryAfter: retryAfter(headers, now),
    retryable: shouldRetry(status, headers),
  }
  const found = errorIn(parsed(body))
  if (found === undefined) {
    const message = `HTTP ${status} with another body than a Penstock gateway's; a proxy's, or a wrong address?`
    return new GatewayError(message, { ...details, code: 'http_error' })
  }
  return new GatewayError(found.message, { ...details, code: found.code, param: found.param })
}

/** The error in an event's data, or undefined if the data is no error. */
export function failedInStream(data: unknown, requestId: string | undefined): GatewayError | undefined {
  const found = errorIn(data)
  if (found === undefined) return undefined
  const retryable = Object.hasOwn(errors, found.code) && errors[found.code as ErrorCode].retryable
  return new GatewayError(found.message, { code: found.code, status: 200, param: found.param, requestId, retryable })
}

export function invalid(message: string, requestId: string | undefined, cause?: unknown): GatewayError {
  return new GatewayError(message, { code: 'invalid_response', status: 200, requestId, cause })
}

export function truncated(message: string, requestId: string | undefined, cause?: unknown): GatewayError {
  return new GatewayError(message, { code: 'stream_truncated', status: 200, requestId, retryable: true, cause })
}

/** JSON, or undefined. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `{error: {message, code | type, param}}`, as each dialect has it; Anthropic's has a `type` in place of a `code`. */
function errorIn(data: unknown): { message: string; code: string; param: string | undefined } | undefined {
  const error = record(record(data)?.['error'])
  const code = error?.['code'] ?? error?.['type']
  if (error === undefined || typeof error['message'] !== 'string' || typeof code !== 'string') return undefined
  const param = error['param']
  return { message: error['message'], code, param: typeof param === 'string' ? param : undefined }
}

export function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
