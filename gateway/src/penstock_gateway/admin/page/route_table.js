// The table of the routes: sorted by a column, each row with its errors and keys on request.

import { el } from '../theme/elements.js'
import { count, rate, seconds, share } from './figures.js'
import { picos, short } from './money.js'
import { sparkline } from './sparkline.js'

const COLUMNS = [
  { id: 'route', name: 'Route', order: (route) => route.route },
  { id: 'waiting', name: 'Waiting', order: (route) => route.waiting ?? 0 },
  { id: 'in_flight', name: 'In flight', order: (route) => route.in_flight },
  { id: 'workers', name: 'Workers', order: (route) => route.workers },
  { id: 'rate', name: 'Tokens/s', order: (_, traffic) => traffic.output_tokens_per_second },
  { id: 'p50', name: 'p50', group: 'First token', order: (_, traffic) => traffic.first_token.p50_s ?? -1 },
  { id: 'p95', name: 'p95', group: 'First token', order: (_, traffic) => traffic.first_token.p95_s ?? -1 },
  { id: 'p99', name: 'p99', group: 'First token', order: (_, traffic) => traffic.first_token.p99_s ?? -1 },
  { id: 'requests', name: 'Requests', order: (_, traffic) => traffic.requests },
  { id: 'errors', name: 'Errors', order: (_, traffic) => traffic.failed },
  { id: 'cost', name: 'Today', order: (route) => picos(route.cost_today) },
]

export class RouteTable {
  #sorted = { id: 'in_flight', down: true }
  #open = new Set()
  #last = null

  constructor(table) {
    this.table = table
    this.body = el('tbody')
    this.heads = COLUMNS.map((column) => el('th', { scope: 'col', class: column.id === 'route' ? null : 'number' },
      el('button', { type: 'button', class: 'sort', onclick: () => this.#sort(column) }, column.group && el('span', { class: 'small' }, `${column.group} `), column.name)))
    table.append(el('thead', {}, el('tr', {}, this.heads)), this.body)
  }

  show(routes, scope, history) {
    this.#last = [routes, scope, history]
    const { id, down } = this.#sorted
    const column = COLUMNS.find((one) => one.id === id)
    const ordered = [...routes].sort((one, other) => {
      const [a, b] = [column.order(one, one[scope]), column.order(other, other[scope])]
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1) || (one.route < other.route ? -1 : 1)
    })
    COLUMNS.forEach((one, index) => {
      this.heads[index].setAttribute('aria-sort', one.id !== id ? 'none' : down ? 'descending' : 'ascending')
    })
    // The focus stays on the button of its row, though the rows are new.
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.route : null
    this.body.replaceChildren(...(ordered.length
      ? ordered.flatMap((route) => this.#rows(route, route[scope], history))
      : [el('tr', {}, el('td', { colspan: COLUMNS.length, class: 'small' }, 'The catalogue has no route.'))]))
    if (focused) this.body.querySelector(`[data-route="${CSS.escape(focused)}"]`)?.focus()
  }

  #sort(column) {
    const down = this.#sorted.id === column.id ? !this.#sorted.down : column.id !== 'route'
    this.#sorted = { id: column.id, down }
    if (this.#last) this.show(...this.#last)
  }

  #toggle(name) {
    if (!this.#open.delete(name)) this.#open.add(name)
    this.show(...this.#last)
  }

  #rows(route, traffic, history) {
    const open = this.#open.has(route.route)
    const { p50_s, p95_s, p99_s } = traffic.first_token
    const numbers = [
      cell(route.waiting === null ? '?' : count(route.waiting), route.waiting ? 'warn' : '', route.delivered ? `${route.delivered} more are with a worker, before their first token` : null),
      el('td', { class: 'number' }, load(route)),
      cell(count(route.workers), route.workers ? '' : 'muted', null, route.draining ? `+${route.draining} draining` : ''),
      el('td', { class: 'number' }, sparkline(history.route(route.route)), ' ', el('span', { class: 'fixed' }, rate(traffic.output_tokens_per_second))),
      ...[p50_s, p95_s, p99_s].map((value) => cell(seconds(value), value === null ? 'muted' : '')),
      cell(count(traffic.requests)),
      cell(count(traffic.failed), traffic.failed ? 'bad' : 'muted', null, share(traffic.failed, traffic.requests)),
      cell(short(route.cost_today), route.cost_today === '0' ? 'muted' : '', route.cost_today),
    ]
    const head = el('th', { scope: 'row' },
      el('button', { type: 'button', class: 'open', 'data-route': route.route, 'aria-expanded': String(open), onclick: () => this.#toggle(route.route) },
        el('span', { class: 'dot', 'data-state': route.state === 'ready' && !route.reason ? 'ready' : route.state === 'removed' ? 'removed' : 'failed' }),
        el('span', { class: 'name' }, route.route)))
    return [el('tr', {}, head, ...numbers), open && details(route, traffic)].filter(Boolean)
  }
}

function cell(text, kind = '', title = null, beside = '') {
  return el('td', { class: `number ${kind}`, title }, text, beside && el('span', { class: 'small' }, ` ${beside}`))
}

function load(route) {
  const used = route.slots ? Math.min(1, route.in_flight / route.slots) : 0
  const meter = el('span', { class: 'meter', 'aria-hidden': 'true' }, el('span'))
  meter.firstChild.style.width = `${100 * used}%`
  meter.dataset.full = String(used >= 1)
  return el('span', { class: 'load' }, `${count(route.in_flight)}/${count(route.slots)}`, meter)
}

function details(route, traffic) {
  const errors = Object.entries(traffic.errors).sort((one, other) => other[1] - one[1])
  return el('tr', { class: 'details' }, el('td', { colspan: COLUMNS.length }, el('div', { class: 'columns' },
    route.reason && el('p', { class: 'bad' }, route.reason),
    list('Errors', errors.map(([code, times]) => [el('code', {}, code), count(times)]), 'none'),
    list('Spend today', route.spend_today.map((one) => [one.name || one.key, short(one.cost), one.cost]), 'none'),
    list('Tokens', [['input', count(traffic.input_tokens)], ['output', count(traffic.output_tokens)]]))))
}

function list(name, entries, empty) {
  return el('div', {}, el('h4', {}, name), entries.length
    ? el('dl', {}, entries.map(([key, value, title]) => el('div', {}, el('dt', {}, key), el('dd', { title }, value))))
    : el('p', { class: 'small' }, empty))
}
