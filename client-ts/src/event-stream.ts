// A streamed answer: an async iterable of typed chunks that resumes itself after a cut, where it may.

import { ChunkDecoder, type Progress, type Step } from './chunk-decoder.js'
import type { Exchange } from './exchange.js'
import { GatewayError, invalid } from './gateway-error.js'

/** What a stream needs of its client. */
export interface StreamSource {
  /** A new exchange that leaves out the first `after` events. Throws `GatewayError`. */
  resume(id: string, after: number): Promise<Exchange>
  /** Milliseconds to wait before another attempt to resume, undefined to stop trying; `retryAfter` in seconds. */
  delayMs(attempt: number, retryAfter: number | undefined): number | undefined
  sleep(ms: number): Promise<void>
  stop(id: string): Promise<void>
}

/**
 * The chunks of one answer, each once. The iteration ends only if the answer is complete, otherwise it throws a
 * `GatewayError`. Leaving the loop ends the provider call, unless the request has `onDisconnect: 'grace'` or
 * `'detach'`: then it is a disconnect. `stop` ends it always.
 */
export class EventStream<Chunk> implements AsyncIterableIterator<Chunk> {
  /** `x-request-id`, the stream's public id: with it any process can resume or stop the stream. */
  readonly id: string | undefined
  /** The first response's headers, as `x-penstock-ignored`. */
  readonly headers: Headers
  readonly #source: StreamSource
  readonly #resumable: boolean
  readonly #stopsOnLeaving: boolean
  readonly #onProgress: ((progress: Progress) => void) | undefined
  readonly #decoder: ChunkDecoder<Chunk>
  #exchange: Exchange
  #first: Step<Chunk> | { readonly kind: 'error'; readonly error: unknown } | undefined
  #closed = false
  /** Whether this reader has stopped the stream. */
  #stopped = false
  /** The position at the last attempt to resume, and the attempts there. */
  #resumedAt = -1
  #attempts = 0

  /** @internal */
  constructor(
    source: StreamSource,
    exchange: Exchange,
    headers: Headers,
    options: {
      resumable: boolean
      /** The grace is for cuts only: a reader that leaves does not come back. */
      stopsOnLeaving: boolean
      after: number
      onProgress: ((progress: Progress) => void) | undefined
      id?: string
    },
  ) {
    this.#source = source
    this.#exchange = exchange
    this.headers = headers
    this.id = options.id ?? exchange.requestId
    this.#resumable = options.resumable && this.id !== undefined
    this.#stopsOnLeaving = options.stopsOnLeaving && this.#resumable
    this.#onProgress = options.onProgress
    this.#decoder = new ChunkDecoder(this.id, options.after)
  }

  /** Events received so far: with it and `id` another process resumes the stream at this place. */
  get received(): number {
    return this.#decoder.received
  }

  /** Wait for the first chunk, the end, or an error inside the stream, which the first `next` throws. @internal */
  async begin(): Promise<void> {
    while (this.#first === undefined) {
      try {
        this.#first = this.#pop()
      } catch (error) {
        this.#first = { kind: 'error', error }
      }
      if (this.#first === undefined) await this.#more()
    }
  }

  async next(): Promise<IteratorResult<Chunk, undefined>> {
    try {
      while (!this.#closed) {
        this.#exchange.throwIfAborted()
        const step = this.#first ?? this.#pop()
        this.#first = undefined
        if (step === undefined) {
          await this.#more()
          continue
        }
        if (step.kind === 'chunk') return { done: false, value: step.chunk }
        if (step.kind === 'error') throw step.error
        this.#closed = true
        void this.#drain()
      }
    } catch (error) {
      // What is no `GatewayError` is the reason of an abort.
      if (error instanceof GatewayError) this.close()
      else this.#leave()
      if (!this.#stopped || !(error instanceof GatewayError) || error.code !== 'stopped') throw error
    }
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    this.#leave()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Close the connection without an end of the answer: a disconnect. */
  close(): void {
    this.#closed = true
    this.#exchange.close()
  }

  /**
   * End the provider call, whatever the policy of a disconnect is. The iteration returns what has come, and ends;
   * other readers of the stream get the error `stopped`.
   */
  async stop(): Promise<void> {
    if (this.id === undefined) throw invalid('the answer has no x-request-id, with which to stop it', undefined)
    this.#stopped = true
    await this.#source.stop(this.id)
  }

  #leave(): void {
    const open = !this.#closed
    this.close()
    // Without an answer to wait for: the gateway ends the call after the grace at the latest.
    if (open && this.#stopsOnLeaving) this.#source.stop(this.id as string).catch(() => undefined)
  }

  /** The next step that is no progress, undefined if more bytes are needed. */
  #pop(): Step<Chunk> | undefined {
    for (;;) {
      const step = this.#decoder.pop()
      if (step?.kind !== 'progress') return step
      this.#onProgress?.(step.progress)
    }
  }

  async #more(): Promise<void> {
    try {
      this.#decoder.feed(await this.#exchange.read())
    } catch (error) {
      if (this.#resumable && !this.#closed && isCut(error)) await this.#resume(this.id as string, error)
      else throw error
    }
  }

  async #resume(id: string, cut: GatewayError): Promise<void> {
    this.#exchange.close()
    this.#decoder.reconnect()
    const { position } = this.#decoder
    if (position > this.#resumedAt) this.#attempts = 0
    this.#resumedAt = position
    for (let failure = cut; ; ) {
      // The first attempt follows at once; a server that cuts each answer before its next event is not called without end.
      if (this.#attempts > 0) {
        const delay = this.#source.delayMs(this.#attempts - 1, failure.retryAfter)
        if (delay === undefined) throw failure
        await this.#source.sleep(delay)
      }
      this.#attempts += 1
      try {
        this.#exchange = await this.#source.resume(id, position)
        return
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        // A stream that is not kept is gone: the cut is what happened to the answer.
        if (error.status === 404) throw cut
        if (!error.retryable && error.code !== 'timeout') throw error
        failure = error
      }
    }
  }

  /** Read the body's end, which leaves the connection to the next request. */
  async #drain(): Promise<void> {
    try {
      await this.#exchange.read()
    } catch {
      // The answer is complete.
    }
    this.#exchange.close()
  }
}

function isCut(error: unknown): error is GatewayError {
  return error instanceof GatewayError && (error.code === 'stream_truncated' || error.code === 'timeout')
}
