// Builds DOM nodes. Strings become text nodes and attribute values, never markup: the page's policy refuses innerHTML.

// An element with attributes, listeners (`onclick`, …) and children; null and false are left out.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(key.slice(2), value)
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

// A 24 by 24 icon of stroked paths; it has no meaning beside the name of its button.
export function icon(...paths) {
  const svg = document.createElementNS(SVG, 'svg')
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'icon' })) {
    svg.setAttribute(key, value)
  }
  for (const d of paths) {
    const path = document.createElementNS(SVG, 'path')
    path.setAttribute('d', d)
    svg.append(path)
  }
  return svg
}

export const ICONS = {
  copy: ['M9 9h11v11H9z', 'M5 15H4V4h11v1'],
  done: ['M5 12.5l4.5 4.5L19 7.5'],
  again: ['M4 12a8 8 0 1 0 2.5-5.8', 'M4 4v4.5h4.5'],
  remove: ['M6 6l12 12', 'M18 6L6 18'],
}

// A button that copies `text()`, and confirms it for a moment.
export function copyButton(name, text, { label = true } = {}) {
  const word = el('span', { class: label ? null : 'hidden' }, name)
  const button = el('button', { type: 'button', class: 'quiet', onclick: copy }, icon(...ICONS.copy), word)

  async function copy() {
    if (!(await copied(text()))) return
    button.replaceChildren(icon(...ICONS.done), word)
    word.textContent = 'Copied'
    setTimeout(() => {
      button.replaceChildren(icon(...ICONS.copy), word)
      word.textContent = name
    }, 1500)
  }
  return button
}

// Without TLS and on another host than localhost a page has no clipboard, but the older command.
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false)
  const source = el('textarea', { class: 'hidden', 'aria-hidden': 'true' })
  source.value = text
  const focused = document.activeElement
  document.body.append(source)
  source.focus({ preventScroll: true })
  source.select()
  const done = document.execCommand('copy')
  source.remove()
  focused?.focus({ preventScroll: true })
  return done
}
