// The embeddings tab: texts, one per line, and the cosine similarity of each pair.

import { copyMenu } from './copy_menu.js'
import { el } from './elements.js'
import { advice } from './failure.js'
import { seconds } from './figures.js'
import { EMBEDDINGS_PATH } from './gateway.js'

const TEXTS_MAX = 30

export class EmbeddingsTab {
  constructor(root, gateway, models, announce) {
    this.gateway = gateway
    this.models = models
    this.announce = announce
    this.form = root.querySelector('#embeddings-form')
    this.input = root.querySelector('#texts')
    this.result = root.querySelector('#similarities')
    this.button = this.form.querySelector('button[type=submit]')
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#compare()
    })
  }

  async #compare() {
    const texts = this.input.value.split('\n').map((text) => text.trim()).filter(Boolean)
    if (texts.length < 1 || texts.length > TEXTS_MAX) return this.#fail({ code: 'texts', message: `Write 1 to ${TEXTS_MAX} texts, one per line.` })
    const body = { model: this.models.value, input: texts }
    const sent = performance.now()
    this.button.disabled = true
    try {
      const { answer, requestId } = await this.gateway.embeddings(body)
      this.#show(texts, answer, requestId, (performance.now() - sent) / 1000, body)
    } catch (failure) {
      this.#fail(failure, advice(failure))
    } finally {
      this.button.disabled = false
    }
  }

  #show(texts, answer, requestId, duration, body) {
    const vectors = [...answer.data].sort((one, other) => one.index - other.index).map((item) => item.embedding)
    const figures = [
      ['dimensions', vectors[0].length],
      ['time', seconds(duration)],
      ['tokens', answer.usage.prompt_tokens],
      ['request', el('code', {}, requestId)],
    ]
    this.result.replaceChildren(
      tableNode(texts, similarities(vectors)),
      el('dl', { class: 'figures' }, figures.map(([name, value]) => el('div', { 'data-figure': name }, el('dt', {}, name), el('dd', {}, value)))),
      el('div', { class: 'actions' }, copyMenu(() => ({ path: EMBEDDINGS_PATH, headers: {}, body }), () => this.gateway.keys.current !== null)),
    )
    this.announce(`Similarities of ${texts.length} texts.`)
  }

  #fail({ code, message }, todo = '') {
    this.result.replaceChildren(
      el('div', { class: 'failure', role: 'alert' }, el('p', {}, el('strong', {}, message)), todo && el('p', {}, todo), todo && el('p', { class: 'small' }, el('code', {}, code))),
    )
  }
}

// The cosine similarity of each pair of vectors; 0 for a vector of zeros.
export function similarities(vectors) {
  const lengths = vectors.map((vector) => Math.hypot(...vector))
  return vectors.map((one, row) =>
    vectors.map((other, column) => {
      const product = one.reduce((sum, value, index) => sum + value * other[index], 0)
      return product / (lengths[row] * lengths[column] || 1)
    }),
  )
}

function tableNode(texts, values) {
  const head = el('tr', {}, el('td'), texts.map((text, index) => el('th', { scope: 'col', title: text }, String(index + 1))))
  const rows = texts.map((text, row) =>
    el('tr', {}, el('th', { scope: 'row' }, el('span', { class: 'number' }, String(row + 1)), ' ', text), values[row].map(cellNode)),
  )
  const table = el('table', { class: 'similarities' }, el('caption', {}, 'Cosine similarity: 1 is the same direction, 0 none in common'), el('thead', {}, head), el('tbody', {}, rows))
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Similarities' }, table)
}

function cellNode(value) {
  const cell = el('td', {}, value.toFixed(2))
  // Through the object model, which the page's policy for styles permits.
  cell.style.setProperty('--similarity', String(Math.max(0, Math.min(1, value))))
  return cell
}
