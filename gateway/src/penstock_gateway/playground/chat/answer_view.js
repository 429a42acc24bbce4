// An answer in the page: progress while it waits, then reasoning, text and tool calls, then its figures or its failure.

import { copyButton, el, icon, ICONS } from '../elements.js'
import { advice } from '../failure.js'
import { MarkdownView } from '../markdown/render.js'
import { figuresNode } from './figures_view.js'
import { toolCallsNode } from './tool_calls.js'

export class AnswerView {
  #shown = {}

  // `actions` are retry(message), answerTools(message, results) and copyAs(message), a node.
  constructor(message, actions) {
    this.message = message
    this.actions = actions
    this.text = new MarkdownView()
    this.reasoningText = el('div', { class: 'reasoning-text', dir: 'auto' })
    this.reasoning = el('details', { class: 'reasoning', hidden: true }, el('summary', {}, 'Reasoning'), this.reasoningText)
    this.progress = el('p', { class: 'progress' })
    this.images = el('div', { class: 'images' })
    this.tools = el('div')
    this.end = el('div', { class: 'end' })
    const author = el('h3', { class: 'author' }, message.model)
    this.element = el(
      'li',
      { class: 'answer', 'aria-busy': 'true' },
      ...[author, this.reasoning, this.text.element, this.images, this.tools, this.progress, this.end],
    )
    this.update()
  }

  // Shows the message's state; cheap where nothing changed.
  update() {
    const { answer, state } = this.message
    const open = state === 'waiting' || state === 'streaming'
    this.element.dataset.state = state
    this.element.setAttribute('aria-busy', String(open))
    this.#once('reasoning', answer.reasoning, () => {
      this.reasoning.hidden = !answer.reasoning
      this.reasoningText.textContent = answer.reasoning
    })
    this.#once('text', answer.text + answer.refusal, () => this.text.show(answer.text + answer.refusal))
    this.#once('images', answer.images.length, () => {
      const nodes = answer.images.map((url, index) => el('img', { src: url, alt: `Image ${index + 1} of the answer` }))
      this.images.replaceChildren(...nodes)
    })
    this.#once('tools', JSON.stringify([answer.toolCalls, state, this.message.answered]), () => this.#showTools(open))
    this.#once('progress', JSON.stringify([state, this.message.queued, this.message.broken]), () => this.#showProgress(open))
    this.#once('end', JSON.stringify([state, this.message.usage, this.message.failure]), () => this.#showEnd(open))
  }

  #once(part, value, show) {
    if (this.#shown[part] === value) return
    this.#shown[part] = value
    show()
  }

  #showTools(open) {
    const calls = this.message.answer.toolCalls.filter(Boolean)
    const waits = !open && !this.message.answered && this.message.state === 'done'
    const send = waits ? (results) => this.actions.answerTools(this.message, results) : null
    this.tools.replaceChildren(...(calls.length ? [toolCallsNode(calls, send)] : []))
  }

  #showProgress(open) {
    this.progress.hidden = !open
    this.progress.textContent = open ? progressText(this.message) : ''
  }

  #showEnd(open) {
    if (open) return this.end.replaceChildren()
    const { state, failure, answer } = this.message
    const again = el('button', { type: 'button', class: 'quiet again', onclick: () => this.actions.retry(this.message) }, icon(...ICONS.again), el('span', {}, 'Again'))
    const copies = [answer.text && copyButton('Copy text', () => answer.text), this.actions.copyAs(this.message)]
    this.end.replaceChildren(
      ...(state === 'failed' ? [failureNode(failure)] : []),
      figuresNode(this.message),
      el('div', { class: 'actions' }, again, copies),
    )
  }
}

export function progressText({ state, queued, broken }) {
  if (broken) return 'The connection is lost. The page reads on as soon as the gateway answers…'
  if (state === 'streaming') return 'Answering…'
  if (!queued) return 'Sent. Waiting for the first token…'
  const place = queued.position === null ? 'Waiting in the queue' : `Position ${queued.position} in the queue`
  return `${place}: ${queued.cause}`
}

function failureNode(failure) {
  return el(
    'div',
    { class: 'failure', role: 'alert' },
    el('p', {}, el('strong', {}, failure.message)),
    el('p', {}, advice(failure)),
    el('p', { class: 'small' }, el('code', {}, failure.code), failure.status ? ` · HTTP ${failure.status}` : ''),
  )
}
