// Markdown as DOM nodes. Nothing is fetched: an image of another host is a link to it.

import { copyButton, el } from '../elements.js'
import { parseBlocks } from './blocks.js'
import { parseInline } from './inline.js'
import { isInlineImage, linkTarget } from './links.js'

const NEW_TAB = { target: '_blank', rel: 'noopener noreferrer nofollow' }

// A container whose text grows: `show(text)` renders again only the blocks that changed.
export class MarkdownView {
  #sources = []

  constructor() {
    this.element = el('div', { class: 'markdown' })
  }

  show(text) {
    const blocks = parseBlocks(text)
    const sources = blocks.map((block) => block.source)
    let same = 0
    while (same < sources.length && sources[same] === this.#sources[same]) same += 1
    // The last block may be the same text and another block now, as the head of a table becomes one by its next line.
    while (this.element.childNodes.length > same) this.element.lastChild.remove()
    this.element.append(...blocks.slice(same).map(blockNode))
    this.#sources = sources
  }
}

export function renderMarkdown(text) {
  return parseBlocks(text).map(blockNode)
}

function blockNode(block) {
  switch (block.type) {
    case 'heading':
      // The page's own headings are above those of an answer.
      return el(`h${Math.min(6, block.level + 2)}`, { 'data-level': block.level, dir: 'auto' }, inline(block.text))
    case 'code':
      return codeNode(block)
    case 'quote':
      return el('blockquote', { dir: 'auto' }, block.blocks.map(blockNode))
    case 'list':
      return listNode(block)
    case 'table':
      return tableNode(block)
    case 'rule':
      return el('hr')
    default:
      return el('p', { dir: 'auto' }, inline(block.text))
  }
}

function codeNode({ language, text }) {
  const name = el('span', {}, language || 'text')
  const bar = el('div', { class: 'code-bar' }, name, copyButton('Copy', () => text))
  return el('div', { class: 'code' }, bar, el('pre', { dir: 'ltr', tabindex: 0, 'aria-label': `Code, ${language || 'text'}` }, el('code', {}, text)))
}

function listNode({ ordered, start, loose, items }) {
  const attributes = { start: ordered && start !== 1 ? start : null, dir: 'auto' }
  return el(ordered ? 'ol' : 'ul', attributes, items.map((item) => itemNode(item, loose)))
}

function itemNode({ checked, blocks }, loose) {
  const inside = blocks.flatMap((block) =>
    block.type === 'paragraph' && !loose ? inline(block.text) : [blockNode(block)],
  )
  if (checked === null) return el('li', {}, inside)
  const box = el('input', { type: 'checkbox', disabled: true, checked, 'aria-label': checked ? 'done' : 'open' })
  return el('li', { class: 'task' }, box, inside)
}

function tableNode({ head, align, rows }) {
  const row = (name, cells) =>
    el('tr', {}, cells.map((cell, column) => el(name, { class: align[column], scope: name === 'th' ? 'col' : null }, inline(cell))))
  const table = el('table', { dir: 'auto' }, el('thead', {}, row('th', head)), el('tbody', {}, rows.map((cells) => row('td', cells))))
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, table)
}

function inline(text) {
  return parseInline(text).map(inlineNode).flat()
}

function inlineNode(node) {
  if (typeof node === 'string') return [document.createTextNode(node)]
  switch (node.type) {
    case 'code':
      return [el('code', {}, node.text)]
    case 'break':
      return [el('br')]
    case 'image':
      return imageNode(node)
    case 'link': {
      const children = node.children.map(inlineNode).flat()
      if (node.target === null) return [...children, document.createTextNode(` (${node.written})`)]
      return [el('a', { href: node.target, title: node.target, ...NEW_TAB }, children)]
    }
    default:
      return [el(node.type, {}, node.children.map(inlineNode).flat())]
  }
}

function imageNode({ target, label }) {
  if (isInlineImage(target)) return [el('img', { src: target, alt: label })]
  const href = linkTarget(target)
  const text = `Image: ${label || target}`
  return [href === null ? document.createTextNode(text) : el('a', { href, title: href, ...NEW_TAB }, text)]
}
