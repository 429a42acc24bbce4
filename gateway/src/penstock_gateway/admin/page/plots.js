// Plots as SVG. Values are BigInt; only their share of the largest becomes a number, for the length of a bar.

import { svg } from './svg.js'

const PARTS = 1_000_000n

// On a phone the plot has fewer units of the same size, so that its text stays readable.
export const NARROW = matchMedia('(max-width: 40rem)')
const widthOf = () => (NARROW.matches ? 340 : 640)

function shareOf(value, most) {
  return most ? Number((value * PARTS) / most) / Number(PARTS) : 0
}

function largest(rows) {
  return rows.reduce((most, row) => (row.value > most ? row.value : most), 0n)
}

function plot(height, heading, rows, measure, ...children) {
  const most = rows.reduce((found, row) => (found && found.value >= row.value ? found : row), null)
  const label = most ? `${heading}. Largest: ${most.name}, ${measure.text(most.value)}. The table has every value.` : heading
  return svg('svg', { class: 'plot', viewBox: `0 0 ${widthOf()} ${height}`, role: 'img', 'aria-label': label }, children)
}

function text(x, y, content, anchor = 'start', kind = '') {
  return svg('text', { x, y, 'text-anchor': anchor, class: kind }, content)
}

// Values of an axis: multiples of 1, 2 or 5 times a power of ten, at most five of them, the last at or above the largest.
export function ticks(most) {
  let step = 1n
  for (let factor = 0; step * 5n < most; factor = (factor + 1) % 3) step = factor === 1 ? (step / 2n) * 5n : step * 2n
  return Array.from({ length: Number((most + step - 1n) / step) }, (_, index) => step * BigInt(index + 1))
}

// Columns over time, with an axis of values on the left.
export function columns(rows, measure, heading) {
  const [left, right, top, height, bottom] = [56, 8, 14, 230, 204]
  const all = widthOf()
  const lines = ticks(largest(rows))
  const most = lines.at(-1) ?? 0n
  const step = (all - left - right) / rows.length
  const width = Math.max(1, Math.min(40, step * 0.72))
  const every = Math.ceil(rows.length / Math.floor(all / 85))
  return plot(height, heading, rows, measure,
    lines.map((value) => {
      const y = bottom - shareOf(value, most) * (bottom - top)
      return [svg('line', { class: 'grid', x1: left, x2: all, y1: y, y2: y }), text(left - 8, y + 4, measure.label(value), 'end')]
    }),
    svg('line', { class: 'axis', x1: left, x2: all, y1: bottom, y2: bottom }),
    rows.map((row, index) => {
      const length = shareOf(row.value, most) * (bottom - top)
      const x = left + step * (index + 0.5)
      return [
        svg('rect', { class: 'bar', x: x - width / 2, y: bottom - length, width, height: length, rx: Math.min(3, width / 4) }, svg('title', {}, `${row.name}: ${measure.text(row.value)}`)),
        (rows.length - 1 - index) % every === 0 && text(Math.min(x, all - 16), height - 6, row.name.slice(5), 'middle'),
      ]
    }))
}

// Horizontal bars, the largest first.
export function bars(rows, measure, heading) {
  const [line, left, right] = [30, NARROW.matches ? 118 : 170, NARROW.matches ? 62 : 96]
  const most = largest(rows)
  return plot(rows.length * line + 4, heading, rows, measure, rows.map((row, index) => {
    const y = index * line + 4
    const length = shareOf(row.value, most) * (widthOf() - left - right)
    return [
      text(left - 10, y + 16, shortened(row.name, NARROW.matches ? 15 : 22), 'end', 'name'),
      svg('rect', { class: 'bar', x: left, y: y + 2, width: Math.max(length, row.value ? 1 : 0), height: line - 10, rx: 3 }, svg('title', {}, `${row.name}: ${measure.text(row.value)}`)),
      text(left + length + 8, y + 16, measure.label(row.value)),
    ]
  }))
}

function shortened(name, letters) {
  return name.length > letters ? `${name.slice(0, letters - 1)}…` : name
}
