// The meaning of a stream's events: chunk, progress, end or error. Pure.

import { failedInStream, invalid, parsed, record, truncated } from './gateway-error.js'
import { EventTooLargeError, type ServerSentEvent, SseDecoder } from './sse-decoder.js'

/** One step of a stream; `progress` while the request waits, `end` once, after the last chunk. */
export type Step<Chunk> =
  | { readonly kind: 'chunk'; readonly chunk: Chunk }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'end' }

/** Why a request still waits. `position` in the queue counts from 1, null if it is not known. */
export interface Progress {
  readonly position: number | null
  readonly cause: string
}

/** The name of an event that reports a request's progress; it is no part of the answer, and is not repeated. */
const PROGRESS = 'queued'

/** The `type` of the last event in dialects without `[DONE]`: Anthropic's Messages and OpenAI's Responses. */
const LAST_TYPES: readonly unknown[] = [
  'message_stop',
  'response.completed',
  'response.failed',
  'response.incomplete',
  'response.cancelled',
]

/**
 * Feed bytes, then pop steps. Events are kept undecoded until popped: text that came in the same read as an error
 * reaches the caller before the error does.
 */
export class ChunkDecoder<Chunk> {
  /** Events popped so far, the position at which the stream is resumed. Comments and progress do not count. */
  received: number
  readonly #requestId: string | undefined
  #sse = new SseDecoder()
  #events: ServerSentEvent[] = []
  #next = 0
  #last = false

  constructor(requestId: string | undefined, received = 0) {
    this.#requestId = requestId
    this.received = received
  }

  /** Bytes, or undefined for the end of the body; throws `stream_truncated` if that comes too early. */
  feed(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) throw truncated('the stream ended before its last event', this.#requestId)
    try {
      const events = this.#sse.decode(bytes)
      this.#events = this.#next < this.#events.length ? [...this.#events.slice(this.#next), ...events] : events
      this.#next = 0
    } catch (error) {
      if (error instanceof EventTooLargeError) throw invalid(error.message, this.#requestId, error)
      throw error
    }
  }

  /** Discard the unfinished event of a connection that broke; whole events are kept. */
  reconnect(): void {
    this.#sse = new SseDecoder()
  }

  /** The events that a resumed stream must leave out: those popped, and those kept to be popped. */
  get position(): number {
    return this.received + this.#events.slice(this.#next).filter(({ event }) => event !== PROGRESS).length
  }

  /** The next step, undefined if more bytes are needed. Throws the `GatewayError` that the stream carries. */
  pop(): Step<Chunk> | undefined {
    if (this.#last) return { kind: 'end' }
    for (;;) {
      const event = this.#events[this.#next]
      if (event === undefined) return undefined
      this.#next += 1
      if (event.event !== PROGRESS) this.received += 1
      const step = this.#step(event)
      if (step !== undefined) return step
    }
  }

  #step({ event, data }: ServerSentEvent): Step<Chunk> | undefined {
    if (data === '[DONE]') {
      this.#last = true
      return { kind: 'end' }
    }
    const value = record(parsed(data))
    const type = value?.['type']
    if (event === 'error') throw failedInStream(value, this.#requestId) ?? this.#unreadable()
    if (event === PROGRESS) return value === undefined ? undefined : { kind: 'progress', progress: progressOf(value) }
    // Dialects with named events repeat the name in the data. Other names came after this was written.
    if (event !== 'message' && event !== type) return undefined
    if (value === undefined) throw this.#unreadable()
    // A chunk of OpenAI's may carry `error: null`; an object there is the dialect's error event.
    const failure = type === undefined || type === 'error' ? failedInStream(value, this.#requestId) : undefined
    if (failure !== undefined) throw failure
    if (LAST_TYPES.includes(type)) this.#last = true
    return { kind: 'chunk', chunk: value as Chunk }
  }

  #unreadable(): Error {
    return invalid('an event of the stream is neither a chunk nor an error', this.#requestId)
  }
}

function progressOf(value: Record<string, unknown>): Progress {
  const { position, cause } = value
  return { position: typeof position === 'number' ? position : null, cause: typeof cause === 'string' ? cause : '' }
}
