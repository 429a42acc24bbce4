// The course of an answer: send, read, read on after a broken connection or a reload, stop.

import { GatewayFailure } from '../failure.js'
import { addChunk, hasContent } from './answer.js'
import { readEvents } from './event_stream.js'

// Waits of 0.4 to 12.8 s, 25 s in all: a stream without a reader is kept for 30 s.
const READ_ON_MAX = 6
const STORE_AFTER_MS = 250
const STOP_MS = 3000
const USAGE_TRIES = 4
const USAGE_AFTER_MS = 250

export class Chat {
  #controller = null
  #stored = 0

  // `changed(message)` is called at each change of the open answer, `ended(message)` once.
  constructor(gateway, conversation, { changed, ended }) {
    this.gateway = gateway
    this.conversation = conversation
    this.changed = changed
    this.ended = ended
    addEventListener('pagehide', () => this.conversation.store())
  }

  // Requests the answer `message`, which is the last of the conversation.
  send(message) {
    const body = this.conversation.bodyOf(message)
    return this.#run(message, () => this.gateway.begin(body, this.#controller.signal))
  }

  // Reads an answer on that was open when the page was left.
  resume(message) {
    if (message.id === null) {
      const failure = new GatewayFailure('reloaded_early', 'the page was left before the gateway had answered')
      return this.#end(message, 'failed', failure)
    }
    message.resumed = true
    return this.#run(message, () => this.#readOn(message))
  }

  async stop(message) {
    const controller = this.#controller
    message.stopping = true
    try {
      if (message.id === null) controller.abort()
      else await this.gateway.stop(message.id)
    } catch {
      // The stream has ended already, or the gateway cannot be reached.
      controller.abort()
    }
    // The stream's own end follows; without one the page stops to read.
    setTimeout(() => controller.abort(), STOP_MS)
  }

  async #run(message, open) {
    this.#controller = new AbortController()
    this.changed(message)
    try {
      await this.#follow(message, open)
      await this.#end(message, 'done', null)
    } catch (error) {
      if (message.stopping || error.code === 'stopped') await this.#end(message, 'stopped', null)
      else if (error instanceof GatewayFailure) await this.#end(message, 'failed', error)
      else {
        await this.#end(message, 'failed', new GatewayFailure('page_error', `the page cannot show this answer: ${error.message}`))
        throw error
      }
    }
  }

  // Reads until the end of the stream; a connection that breaks is replaced by one that reads on.
  async #follow(message, open) {
    let broken = 0
    for (;;) {
      const before = message.events
      try {
        await this.#read(message, await open())
        return
      } catch (error) {
        if (message.stopping) throw error
        if (error instanceof GatewayFailure && error.code !== 'gateway_unreachable') throw error
        broken = message.events > before ? 1 : broken + 1
        if (message.id === null) throw error
        if (broken > READ_ON_MAX) throw new GatewayFailure('connection_lost', 'the connection to the gateway is lost')
      }
      message.broken = true
      this.changed(message)
      await again(200 * 2 ** broken)
      open = () => this.#readOn(message)
    }
  }

  #readOn(message) {
    return this.gateway.readOn(message.id, message.events, this.#controller.signal)
  }

  async #read(message, response) {
    // The id of the answer is the one of the request that began it.
    message.id ??= response.headers.get('x-request-id')
    message.broken = false
    this.#store()
    for await (const { data, queued } of readEvents(response.body)) {
      if (queued) message.queued = queued
      else {
        message.events += 1
        if (data === '[DONE]') return
        this.#add(message, JSON.parse(data))
      }
      if (performance.now() - this.#stored > STORE_AFTER_MS) this.#store()
      this.changed(message)
    }
    throw new TypeError('the connection ended before the answer')
  }

  #add(message, chunk) {
    if (chunk.error) throw new GatewayFailure(chunk.error.code, chunk.error.message, { requestId: message.id })
    if (!addChunk(message.answer, chunk)) return
    message.times.first ??= Date.now()
    message.state = 'streaming'
  }

  #store() {
    this.#stored = performance.now()
    this.conversation.store()
  }

  async #end(message, state, failure) {
    message.broken = false
    message.times.end = Date.now()
    message.state = state
    message.failure = failure && failure.toJSON()
    message.id ??= failure?.requestId ?? null
    this.conversation.store()
    this.ended(message)
    if (message.id !== null && (state === 'done' || hasContent(message.answer))) await this.#addUsage(message)
  }

  // The row is written when the answer ends, perhaps a moment later.
  async #addUsage(message) {
    for (let tries = 0; tries < USAGE_TRIES; tries += 1) {
      const usage = await this.gateway.usage(message.id).catch(() => null)
      if (usage === null) return
      if (usage.ended !== null) {
        message.usage = usage
        this.conversation.store()
        this.changed(message)
        return
      }
      await new Promise((resolve) => setTimeout(resolve, USAGE_AFTER_MS))
    }
  }
}

// Waits, but no longer than until the browser is online again.
function again(delay) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      resolve()
    }
    const timer = setTimeout(done, delay)
    addEventListener('online', done)
  })
}
