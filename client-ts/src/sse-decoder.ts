// Decodes server-sent events (WHATWG HTML §9.2): bytes in, events out. Pure.
//
// The rules and the results are those of `penstock_contract.stream.sse`; a test compares both. `EventSource` is no
// substitute: it sends GET requests only, no headers, and reconnects by itself.

/** `id` is the last id received, also if an earlier event carried it. */
export interface ServerSentEvent {
  readonly event: string
  readonly data: string
  readonly id: string
}

/** 16 Mi characters; a server that sends a longer event is not a gateway. */
export const EVENT_LENGTH_MAX = 16 * 1024 * 1024

/** An event exceeded the decoder's limit. */
export class EventTooLargeError extends RangeError {
  override readonly name = 'EventTooLargeError'
}

/** Accepts pieces of any size, cut anywhere; keeps at most one unfinished event of `lengthMax` characters. */
export class SseDecoder {
  readonly #lengthMax: number
  // Invalid bytes become U+FFFD, and the byte-order mark at the start is dropped.
  readonly #text = new TextDecoder()
  /** The pieces of the unfinished line, not joined for each read: a long line arrives in many. */
  #line: string[] = []
  /** Characters of the unfinished event. */
  #length = 0
  #afterCr = false
  #event = ''
  #data: string[] = []
  #id = ''

  constructor(lengthMax = EVENT_LENGTH_MAX) {
    this.#lengthMax = lengthMax
  }

  /** The events that `bytes` completes. Throws `EventTooLargeError`. An event without its blank line is never returned. */
  decode(bytes: Uint8Array): ServerSentEvent[] {
    const text = this.#text.decode(bytes, { stream: true })
    const events: ServerSentEvent[] = []
    let start = 0
    if (this.#afterCr && text !== '') {
      // A CRLF may be cut in two.
      if (text.startsWith('\n')) start = 1
      this.#afterCr = false
    }
    let lf = text.indexOf('\n', start)
    let cr = text.indexOf('\r', start)
    while (lf !== -1 || cr !== -1) {
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf
      this.#grow(end - start + 1)
      this.#line.push(text.slice(start, end))
      this.#takeLine(this.#line.join(''), events)
      this.#line = []
      start = end + 1
      if (end === cr) {
        if (start === text.length) this.#afterCr = true
        else if (lf === start) start += 1
        cr = text.indexOf('\r', start)
      }
      if (lf !== -1 && lf < start) lf = text.indexOf('\n', start)
    }
    if (start < text.length) {
      this.#grow(text.length - start)
      this.#line.push(text.slice(start))
    }
    return events
  }

  #grow(length: number): void {
    this.#length += length
    if (this.#length > this.#lengthMax) {
      throw new EventTooLargeError(`an event of more than ${this.#lengthMax} characters`)
    }
  }

  #takeLine(line: string, events: ServerSentEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) {
        events.push({ event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id })
      }
      this.#event = ''
      this.#data = []
      this.#length = 0
      return
    }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    let value = colon === -1 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    // A comment has an empty field name. `retry` is ignored: a lost stream is resumed by its position.
  }
}
