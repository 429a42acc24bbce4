// The tab of the usage: a range of days, totals, and spend by day, key and model as plots with their tables.

import { RequestFailed } from './admin_api.js'
import { el } from '../theme/elements.js'
import { compact, count } from './figures.js'
import { decimal, picos, short } from './money.js'
import { bars, columns, NARROW } from './plots.js'

const DAY_S = 86_400
const SHOWN = 10
const DAYS_FILLED_MAX = 400
const GROUPS = [
  { by: 'day', title: 'By day' },
  { by: 'key', title: 'By key' },
  { by: 'model', title: 'By model' },
]
const MEASURES = {
  cost: { name: 'Cost', of: (sum) => picos(sum.cost), text: (value) => decimal(value), label: (value) => short(decimal(value)) },
  requests: whole('Requests', 'requests'),
  output_tokens: whole('Output tokens', 'output_tokens'),
  input_tokens: whole('Input tokens', 'input_tokens'),
}

function whole(name, field) {
  return { name, of: (sum) => BigInt(sum[field]), text: (value) => count(value), label: (value) => compact(Number(value)) }
}

export class UsageView {
  #sums = null
  #names = new Map()
  #reading = 0

  constructor(byId, api) {
    this.byId = byId
    this.api = api
    this.form = byId('range')
    this.#preset(30)
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#read()
    })
    this.form.elements.measure.addEventListener('change', () => this.#draw())
    NARROW.addEventListener('change', () => this.#draw())
    for (const button of this.form.querySelectorAll('[data-days]')) {
      button.addEventListener('click', () => {
        this.#preset(Number(button.dataset.days))
        this.#read()
      })
    }
    byId('requests-csv').addEventListener('click', () => this.#download('request'))
  }

  open() {
    if (!this.#sums) this.#read()
  }

  #preset(days) {
    const today = new Date().toISOString().slice(0, 10)
    this.form.elements.to.value = today
    this.form.elements.from.value = dayOf(secondsOf(today) - (days - 1) * DAY_S)
  }

  #query() {
    const { from, to } = this.form.elements
    return { since: secondsOf(from.value), until: secondsOf(to.value) + DAY_S }
  }

  async #read() {
    const { from, to } = this.form.elements
    to.setCustomValidity(from.value > to.value ? 'This day is before the first one.' : '')
    if (!this.form.reportValidity()) return
    const reading = ++this.#reading
    const query = this.#query()
    this.form.setAttribute('aria-busy', 'true')
    try {
      const sums = {}
      // One after another: each reads the stored records of the whole range.
      for (const { by } of GROUPS) sums[by] = (await this.api.json('usage', { by, ...query })).sums
      const keys = (await this.api.json('keys')).keys
      if (reading !== this.#reading) return
      this.#names = new Map(keys.map((key) => [key.id, key.name]))
      this.#sums = { ...sums, query }
      this.#draw()
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error
      if (reading === this.#reading) this.byId('plots').replaceChildren(el('p', { class: 'problem', role: 'alert' }, `${error.message}. Press Show to try again.`))
    } finally {
      if (reading === this.#reading) this.form.removeAttribute('aria-busy')
    }
  }

  async #download(by) {
    const { from, to } = this.form.elements
    await this.api.download('usage.csv', { by, ...this.#query() }, `penstock-usage-by-${by}-${from.value}-${to.value}.csv`)
  }

  #draw() {
    if (!this.#sums) return
    const days = this.#sums.day
    const total = (field) => days.reduce((sum, one) => sum + one[field], 0)
    const cost = decimal(days.reduce((sum, one) => sum + picos(one.cost), 0n))
    this.byId('usage-totals').replaceChildren(
      tile('Cost', short(cost), cost),
      tile('Requests', count(total('requests'))),
      tile('Failed', count(total('failed'))),
      tile('Input tokens', compact(total('input_tokens')), count(total('input_tokens'))),
      tile('Output tokens', compact(total('output_tokens')), count(total('output_tokens'))),
    )
    const measure = MEASURES[this.form.elements.measure.value]
    this.byId('plots').replaceChildren(...GROUPS.map((group) => this.#card(group, measure)))
  }

  #card({ by, title }, measure) {
    const rows = this.#sums[by].map((sum) => ({ sum, name: this.#name(by, sum.of), value: measure.of(sum) }))
    if (by !== 'day') rows.sort((one, other) => (one.value < other.value ? 1 : one.value > other.value ? -1 : 0))
    const heading = `${measure.name} ${title.toLowerCase()}`
    const plot = by === 'day'
      ? columns(this.#everyDay(rows), measure, heading)
      : bars(withOthers(rows), measure, heading)
    return el('section', { class: 'card', id: `usage-${by}` },
      el('div', { class: 'card-head' }, el('h3', {}, heading),
        el('button', { type: 'button', 'data-csv': by, onclick: () => this.#download(by) }, 'CSV', el('span', { class: 'hidden' }, ` ${title.toLowerCase()}`))),
      el('div', { class: 'plot-and-table' }, rows.length ? plot : el('p', { class: 'small' }, 'No request in this range.'), table(by, by === 'day' ? [...rows].reverse() : rows)))
  }

  #name(by, of) {
    return by === 'key' ? this.#names.get(of) ?? of : of
  }

  // With the days that have no request, unless they are too many to draw.
  #everyDay(rows) {
    const { since, until } = this.#sums.query
    if ((until - since) / DAY_S > DAYS_FILLED_MAX) return rows
    const found = new Map(rows.map((row) => [row.name, row]))
    return Array.from({ length: (until - since) / DAY_S }, (_, index) => {
      const name = dayOf(since + index * DAY_S)
      return found.get(name) ?? { name, value: 0n }
    })
  }
}

function withOthers(rows) {
  if (rows.length <= SHOWN) return rows
  const rest = rows.slice(SHOWN - 1)
  return [...rows.slice(0, SHOWN - 1), { name: `${rest.length} others`, value: rest.reduce((sum, row) => sum + row.value, 0n) }]
}

function table(by, rows) {
  const heads = ['Requests', 'Failed', 'Input', 'Output', 'Cost']
  return el('div', { class: 'scroll tall', tabindex: 0, role: 'region', 'aria-label': `Usage by ${by} as a table` }, el('table', { class: 'figures' },
    el('caption', { class: 'hidden' }, `Usage by ${by}`),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, by[0].toUpperCase() + by.slice(1)), heads.map((name) => el('th', { scope: 'col', class: 'number' }, name)))),
    el('tbody', {}, rows.map(({ sum, name }) => el('tr', {},
      el('th', { scope: 'row' }, el('span', { class: 'name', title: sum.of }, name)),
      [sum.requests, sum.failed, sum.input_tokens, sum.output_tokens].map((value) => el('td', { class: 'number' }, count(value))),
      el('td', { class: 'number' }, sum.cost))))))
}

function tile(name, value, title = null) {
  return el('div', { class: 'tile' }, el('dt', {}, name), el('dd', {}, el('span', { class: 'value', title }, value)))
}

function secondsOf(day) {
  return Date.parse(`${day}T00:00:00Z`) / 1000
}

function dayOf(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}
