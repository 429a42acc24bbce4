// The last minutes of a figure as a small line, from what this page has read itself.

import { svg } from './svg.js'

const KEPT = 90
const WIDTH = 120
const HEIGHT = 28

// The figures of each reading, by route and in total.
export class History {
  #points = new Map()

  add(fleet) {
    const totals = { in_flight: 0, waiting: 0, rate: 0 }
    for (const route of fleet.routes) {
      totals.in_flight += route.in_flight
      totals.waiting += route.waiting ?? 0
      totals.rate += route.fleet.output_tokens_per_second
      this.#push(`route ${route.route}`, route.fleet.output_tokens_per_second)
    }
    for (const [name, value] of Object.entries(totals)) this.#push(`total ${name}`, value)
  }

  total(name) {
    return this.#points.get(`total ${name}`) ?? []
  }

  route(name) {
    return this.#points.get(`route ${name}`) ?? []
  }

  #push(name, value) {
    const points = this.#points.get(name) ?? []
    points.push(value)
    if (points.length > KEPT) points.shift()
    this.#points.set(name, points)
  }
}

// Decoration beside the figure, which has the value: hidden from a screen reader.
export function sparkline(points) {
  const most = Math.max(...points, 1e-9)
  const x = (index) => WIDTH - (points.length - 1 - index) * (WIDTH / (KEPT - 1))
  const y = (value) => HEIGHT - 2 - (value / most) * (HEIGHT - 4)
  const line = points.map((value, index) => `${index ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join('')
  const area = `${line}L${WIDTH} ${HEIGHT}L${x(0).toFixed(1)} ${HEIGHT}Z`
  return svg('svg', { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    points.length > 1 && svg('path', { class: 'area', d: area }),
    points.length > 1 && svg('path', { class: 'line', d: line }))
}
