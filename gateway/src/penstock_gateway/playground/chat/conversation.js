// The conversation, and its place in sessionStorage: it outlives a reload, and ends with the tab.
//
// messages: { role: 'user', text, images: [{ name, url }] }
//         | { role: 'assistant', model, options, state, answer, id, events, queued, failure, times, usage }
// `state` is waiting, streaming, done, stopped or failed; `events` counts what was read of the stream.

import { emptyAnswer, hasContent } from './answer.js'

const STORED = 'penstock.conversation'

export class Conversation {
  constructor() {
    const stored = sessionStorage.getItem(STORED)
    this.messages = stored === null ? [] : JSON.parse(stored)
  }

  get last() {
    return this.messages.at(-1)
  }

  get isOpen() {
    return this.last?.state === 'waiting' || this.last?.state === 'streaming'
  }

  addUser(text, images) {
    this.messages.push({ role: 'user', text, images })
  }

  addAnswer(model, options) {
    const message = {
      role: 'assistant',
      ...{ model, options, state: 'waiting', answer: emptyAnswer(), id: null, events: 0, queued: null, failure: null },
      ...{ times: { sent: Date.now(), first: null, end: null }, usage: null },
    }
    this.messages.push(message)
    return message
  }

  // Takes the last answer away, to request it again.
  removeAnswer() {
    if (this.last?.role === 'assistant') this.messages.pop()
  }

  clear() {
    this.messages = []
    this.store()
  }

  store() {
    try {
      sessionStorage.setItem(STORED, JSON.stringify(this.messages))
    } catch {
      // Over the quota of the browser, which images reach first: the texts outlive a reload all the same.
      const bare = this.messages.map((message) => (message.images ? { ...message, images: [] } : message))
      try {
        sessionStorage.setItem(STORED, JSON.stringify(bare))
      } catch {
        sessionStorage.removeItem(STORED)
      }
    }
  }

  // The body of the request that led to `message`.
  bodyOf(message) {
    const { system, temperature, maxTokens, reasoningEffort, tools } = message.options
    const before = this.messages.slice(0, this.messages.indexOf(message))
    return {
      model: message.model,
      messages: [...(system ? [{ role: 'system', content: system }] : []), ...before.flatMap(wireMessages)],
      stream: true,
      stream_options: { include_usage: true },
      ...(temperature !== null && { temperature }),
      ...(maxTokens !== null && { max_tokens: maxTokens }),
      ...(reasoningEffort && { reasoning_effort: reasoningEffort }),
      ...(tools?.length && { tools }),
    }
  }
}

// One message in OpenAI's form; an answer with tool calls is followed by their results, one without content is left out.
function wireMessages(message) {
  if (message.role === 'user') return [{ role: 'user', content: userContent(message) }]
  const { answer } = message
  if (!hasContent(answer)) return []
  const calls = answer.toolCalls.filter(Boolean)
  const turn = { role: 'assistant', content: answer.text || answer.refusal || (calls.length ? null : '') }
  if (!calls.length) return turn.content ? [turn] : []
  turn.tool_calls = calls.map(({ id, name, arguments: text }) => ({ id, type: 'function', function: { name, arguments: text } }))
  return [turn, ...calls.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result ?? '' }))]
}

function userContent({ text, images }) {
  if (!images.length) return text
  const parts = images.map(({ url }) => ({ type: 'image_url', image_url: { url } }))
  return text ? [{ type: 'text', text }, ...parts] : parts
}
