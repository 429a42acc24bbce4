// The tab of the routes: totals with their last minutes, the routes, today's spend by key, the gateways.

import { el } from '../theme/elements.js'
import { compact, count, rate, share } from './figures.js'
import { short } from './money.js'
import { RouteTable } from './route_table.js'
import { History, sparkline } from './sparkline.js'

const NOTES = {
  fleet: 'Requests, errors and first token: the sum of what all gateways have counted since each of them started.',
  this_gateway: 'Requests, errors and first token: what this gateway has counted since it started, as at its /metrics.',
}
const ELSEWHERE = ' Waiting is from the queue, in flight and workers from heartbeats, today from the usage records (UTC).'

export class FleetView {
  #history = new History()
  #scope = 'fleet'
  #fleet = null

  constructor(byId) {
    this.byId = byId
    this.table = new RouteTable(byId('route-table'))
    const scopes = [...document.querySelectorAll('[data-scope]')]
    for (const button of scopes) {
      button.addEventListener('click', () => {
        this.#scope = button.dataset.scope
        for (const one of scopes) one.setAttribute('aria-pressed', String(one === button))
        if (this.#fleet) this.show(this.#fleet)
      })
    }
  }

  show(fleet) {
    if (fleet !== this.#fleet) this.#history.add(fleet)
    this.#fleet = fleet
    this.#problems(problemsOf(fleet))
    this.#totals(fleet)
    this.table.show(fleet.routes, this.#scope, this.#history)
    this.#keys(fleet.spend_today)
    this.#gateways(fleet)
    this.byId('scope-note').textContent = NOTES[this.#scope] + ELSEWHERE
  }

  failed(message) {
    this.#problems([`${message}; trying again${this.#fleet ? '. The figures are the last ones' : ''}`])
  }

  #problems(texts) {
    const shown = [...this.byId('problems').children].map((one) => one.textContent)
    if (shown.join('\n') !== texts.join('\n')) this.byId('problems').replaceChildren(...texts.map((text) => el('p', {}, text)))
  }

  #totals(fleet) {
    const sum = (field) => fleet.routes.reduce((total, route) => total + field(route), 0)
    const requests = sum((route) => route[this.#scope].requests)
    const failed = sum((route) => route[this.#scope].failed)
    this.byId('totals').replaceChildren(
      tile('In flight', count(sum((route) => route.in_flight)), `${count(sum((route) => route.slots))} slots`, this.#history.total('in_flight')),
      tile('Waiting', count(sum((route) => route.waiting ?? 0)), `${count(sum((route) => route.workers))} workers`, this.#history.total('waiting')),
      tile('Tokens per second', rate(sum((route) => route[this.#scope].output_tokens_per_second)), 'output', this.#history.total('rate')),
      tile('Requests', compact(requests), `${count(failed)} failed ${share(failed, requests)}`),
      tile('Spend today', short(fleet.spend_today.total), plural(fleet.spend_today.keys.length, 'key'), null, fleet.spend_today.total),
    )
  }

  #keys(spend) {
    this.byId('spend-note').textContent = spend.complete ? '' : 'the usage records cannot be read'
    this.byId('key-table').replaceChildren(
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Key'), ...['Requests', 'Cost'].map((name) => el('th', { scope: 'col', class: 'number' }, name)))),
      el('tbody', {}, spend.keys.length
        ? spend.keys.slice(0, 12).map((one) => el('tr', {},
          el('th', { scope: 'row' }, el('span', { class: 'name', title: one.key }, one.name || one.key)),
          el('td', { class: 'number' }, count(one.requests)),
          el('td', { class: 'number', title: one.cost }, short(one.cost))))
        : el('tr', {}, el('td', { colspan: 3, class: 'small' }, 'No request has been accepted today.'))),
    )
  }

  #gateways(fleet) {
    const heads = ['In flight', 'Errors', 'Version']
    this.byId('gateway-table').replaceChildren(
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Gateway'), ...heads.map((name) => el('th', { scope: 'col', class: 'number' }, name)))),
      el('tbody', {}, fleet.gateways.map((one) => el('tr', {},
        el('th', { scope: 'row' },
          el('span', { class: 'dot', 'data-state': one.reports ? 'ready' : 'failed' }),
          el('code', {}, one.gateway),
          one.gateway === fleet.gateway && el('span', { class: 'small' }, ' this one')),
        el('td', { class: 'number' }, one.reports ? count(one.in_flight) : 'no report'),
        el('td', { class: 'number', title: Object.entries(one.errors).map(([code, times]) => `${code}: ${times}`).join('\n') },
          count(Object.values(one.errors).reduce((total, times) => total + times, 0))),
        el('td', { class: 'number' }, one.version)))),
    )
  }
}

function problemsOf(fleet) {
  const silent = fleet.gateways.filter((one) => !one.reports).map((one) => one.gateway)
  return [
    !fleet.broker_connected && 'This gateway has no connection to the message broker: queues and other gateways are unknown.',
    silent.length && `No report from ${silent.join(', ')}: the sums lack their requests.`,
    fleet.gateways.some((one) => one.reports && !one.has_metrics) && 'OTEL_SDK_DISABLED is set: ended requests are not counted.',
  ].filter(Boolean)
}

function tile(name, value, detail, points = null, title = null) {
  return el('div', { class: 'tile' },
    el('dt', {}, name),
    el('dd', {}, el('span', { class: 'value', title }, value), el('span', { class: 'small' }, detail), points && sparkline(points)))
}

function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`
}

