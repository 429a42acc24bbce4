// Plots as SVG. Values are BigInt; only their share of the largest becomes a number, for the length of a bar.

import { svg } from './svg.js'

const WIDTH = 640
const PARTS = 1_000_000n

function shareOf(value, most) {
  return most ? Number((value * PARTS) / most) / Number(PARTS) : 0
}

function largest(rows) {
  return rows.reduce((most, row) => (row.value > most ? row.value : most), 0n)
}

function plot(height, heading, rows, measure, ...children) {
  const most = rows.reduce((found, row) => (found && found.value >= row.value ? found : row), null)
  const label = most ? `${heading}. Largest: ${most.name}, ${measure.text(most.value)}. The table has every value.` : heading
  return svg('svg', { class: 'plot', viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': label }, children)
}

function text(x, y, content, anchor = 'start', kind = '') {
  return svg('text', { x, y, 'text-anchor': anchor, class: kind }, content)
}

// Columns over time, with the largest value and its half on the left.
export function columns(rows, measure, heading) {
  const [left, top, height, bottom] = [64, 14, 230, 204]
  const most = largest(rows)
  const step = (WIDTH - left) / rows.length
  const width = Math.max(1, Math.min(40, step * 0.72))
  const every = Math.ceil(rows.length / 7)
  const lines = most ? [[most, top], [most / 2n, (top + bottom) / 2]] : []
  return plot(height, heading, rows, measure,
    lines.map(([value, y]) => [svg('line', { class: 'grid', x1: left, x2: WIDTH, y1: y, y2: y }), text(left - 8, y + 4, measure.label(value), 'end')]),
    svg('line', { class: 'axis', x1: left, x2: WIDTH, y1: bottom, y2: bottom }),
    rows.map((row, index) => {
      const length = shareOf(row.value, most) * (bottom - top)
      const x = left + step * (index + 0.5)
      return [
        svg('rect', { class: 'bar', x: x - width / 2, y: bottom - length, width, height: length, rx: Math.min(3, width / 4) }, svg('title', {}, `${row.name}: ${measure.text(row.value)}`)),
        (rows.length - 1 - index) % every === 0 && text(x, height - 6, row.name.slice(5), 'middle'),
      ]
    }))
}

// Horizontal bars, the largest first.
export function bars(rows, measure, heading) {
  const [line, left, right] = [30, 170, 96]
  const most = largest(rows)
  return plot(rows.length * line + 4, heading, rows, measure, rows.map((row, index) => {
    const y = index * line + 4
    const length = shareOf(row.value, most) * (WIDTH - left - right)
    return [
      text(left - 10, y + 16, shortened(row.name), 'end', 'name'),
      svg('rect', { class: 'bar', x: left, y: y + 2, width: Math.max(length, row.value ? 1 : 0), height: line - 10, rx: 3 }, svg('title', {}, `${row.name}: ${measure.text(row.value)}`)),
      text(left + length + 8, y + 16, measure.label(row.value)),
    ]
  }))
}

function shortened(name) {
  return name.length > 22 ? `${name.slice(0, 21)}…` : name
}
