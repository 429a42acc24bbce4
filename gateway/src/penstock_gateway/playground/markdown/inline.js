// Markdown's text inside a block as data: code, emphasis, links. Pure. The work is linear in the length of the text.

import { linkTarget } from './links.js'

const PUNCTUATION = /[!-/:-@[-`{-~]/
const SPACE = /\s/
const WORD = /[\p{L}\p{N}]/u
const BARE = /https?:\/\/[^\s<>"'`]+/y
const PLAIN = /[^\\\n`*_~[!<h]+/y
const LABEL_MAX = 1000
const NO_LINKS_MAX = 200
const TARGET_MAX = 4096

// Nodes: strings, and objects with a `type` (code, strong, em, del, link, image, break).
export function parseInline(text, inLink = false) {
  return emphasised(tokens(text, inLink))
}

function tokens(text, inLink) {
  const found = []
  const unclosed = new Set()
  let noLinks = 0
  let plain = ''
  const push = (node) => {
    if (plain) found.push(plain)
    plain = ''
    found.push(node)
  }
  for (let at = 0; at < text.length; ) {
    const character = text[at]
    if (character === '\\' && at + 1 < text.length) {
      if (text[at + 1] === '\n') push({ type: 'break' })
      else plain += PUNCTUATION.test(text[at + 1]) ? text[at + 1] : text.slice(at, at + 2)
      at += 2
    } else if (character === '\n') {
      const hard = plain.endsWith('  ')
      plain = plain.trimEnd()
      if (hard) push({ type: 'break' })
      else plain += '\n'
      at += 1
    } else if (character === '`') {
      const marks = run(text, at)
      const end = unclosed.has(marks) ? -1 : closing(text, at + marks, marks)
      if (end < 0) {
        unclosed.add(marks)
        plain += text.slice(at, at + marks)
        at += marks
      } else {
        push({ type: 'code', text: codeText(text.slice(at + marks, end)) })
        at = end + marks
      }
    } else if (character === '*' || character === '_' || character === '~') {
      const count = run(text, at)
      push(delimiter(text, at, count))
      at += count
    } else if (character === '[' || (character === '!' && text[at + 1] === '[')) {
      // Brackets that lead to no link, each of which looks ahead, are text after a while.
      const link = noLinks < NO_LINKS_MAX ? linkAt(text, at, inLink) : null
      if (link) push(link.node)
      else plain += character
      noLinks += link ? 0 : 1
      at = link ? link.end : at + 1
    } else if (character === '<' && !inLink) {
      const end = text.indexOf('>', at)
      const target = end > 0 && end - at < TARGET_MAX ? text.slice(at + 1, end) : ''
      if (/^https?:\/\/\S+$/.test(target) && linkTarget(target)) {
        push({ type: 'link', target: linkTarget(target), children: [target] })
        at = end + 1
      } else {
        plain += character
        at += 1
      }
    } else if (character === 'h' && !inLink && !WORD.test(text[at - 1] ?? ' ') && bareAt(text, at)) {
      const address = bareAt(text, at)
      push({ type: 'link', target: linkTarget(address), children: [address] })
      at += address.length
    } else {
      PLAIN.lastIndex = at
      const [piece] = PLAIN.exec(text) ?? [character]
      plain += piece
      at += piece.length
    }
  }
  if (plain) found.push(plain)
  return found
}

function run(text, at) {
  let end = at
  while (text[end] === text[at]) end += 1
  return end - at
}

// The next run of exactly `marks` backticks, -1 without one.
function closing(text, at, marks) {
  for (let next = text.indexOf('`', at); next >= 0; next = text.indexOf('`', next)) {
    const count = run(text, next)
    if (count === marks) return next
    next += count
  }
  return -1
}

function codeText(text) {
  const line = text.replaceAll('\n', ' ')
  return line.startsWith(' ') && line.endsWith(' ') && line.trim() ? line.slice(1, -1) : line
}

function bareAt(text, at) {
  BARE.lastIndex = at
  const found = BARE.exec(text)
  if (!found) return null
  let address = found[0].slice(0, TARGET_MAX)
  // A sentence's end is none of the address, nor is a bracket that it does not open.
  while (/[.,;:!?*_~\]]$/.test(address) || (address.endsWith(')') && !address.includes('('))) address = address.slice(0, -1)
  return linkTarget(address) ? address : null
}

// `[label](target)` or `![label](target)` at a place; null if it is none.
function linkAt(text, at, inLink) {
  const image = text[at] === '!'
  const start = at + (image ? 2 : 1)
  let depth = 1
  let end = start
  for (const most = Math.min(text.length, start + LABEL_MAX); end < most && depth; end += 1) {
    if (text[end] === '\\') end += 1
    else if (text[end] === '[') depth += 1
    else if (text[end] === ']') depth -= 1
  }
  if (depth || text[end] !== '(' || (inLink && !image)) return null
  const label = text.slice(start, end - 1)
  let brackets = 1
  let close = end + 1
  const most = image ? text.length : Math.min(text.length, close + TARGET_MAX)
  for (; close < most && brackets; close += 1) {
    if (text[close] === '\n' || (brackets > 32 && text[close] === '(')) return null
    if (text[close] === '(') brackets += 1
    else if (text[close] === ')') brackets -= 1
  }
  if (brackets) return null
  const [address = ''] = text.slice(end + 1, close - 1).trim().split(/\s/, 1)
  const target = address.replace(/^<(.*)>$/, '$1')
  if (image) return { node: { type: 'image', target, label }, end: close }
  return { node: { type: 'link', target: linkTarget(target), written: target, children: parseInline(label, true) }, end: close }
}

// A run of `*`, `_` or `~`, and whether it may open or close emphasis (CommonMark 0.31 §6.2).
function delimiter(text, at, count) {
  const mark = text[at]
  const before = text[at - 1] ?? ' '
  const after = text[at + count] ?? ' '
  const left = !SPACE.test(after) && (!PUNCTUATION.test(after) || SPACE.test(before) || PUNCTUATION.test(before))
  const right = !SPACE.test(before) && (!PUNCTUATION.test(before) || SPACE.test(after) || PUNCTUATION.test(after))
  const within = mark === '_' && left && right
  const opens = left && (!within || PUNCTUATION.test(before))
  const closes = right && (!within || PUNCTUATION.test(after))
  if (mark === '~' && count !== 2) return mark.repeat(count)
  return { type: 'mark', mark, count, opens, closes }
}

// Replaces pairs of delimiters by nodes that hold what is between them.
function emphasised(found) {
  const levels = [{ nodes: [], opener: null }]
  const open = { '*': 0, _: 0, '~': 0 }
  const leave = () => {
    // An opener without its closer is text.
    const { nodes, opener } = levels.pop()
    open[opener.mark] -= 1
    levels.at(-1).nodes.push(opener.mark.repeat(opener.count), ...nodes)
  }
  for (const token of found) {
    if (token.type !== 'mark') {
      levels.at(-1).nodes.push(token)
      continue
    }
    let { count } = token
    while (token.closes && count && open[token.mark]) {
      while (levels.at(-1).opener.mark !== token.mark) leave()
      const { opener, nodes } = levels.pop()
      const used = Math.min(2, count, opener.count)
      const type = token.mark === '~' ? 'del' : used === 2 ? 'strong' : 'em'
      const node = { type, children: nodes }
      count -= used
      opener.count -= used
      if (opener.count) levels.push({ nodes: [node], opener })
      else {
        open[token.mark] -= 1
        levels.at(-1).nodes.push(node)
      }
    }
    if (count && token.opens && levels.length < 24) {
      open[token.mark] += 1
      levels.push({ nodes: [], opener: { mark: token.mark, count } })
    } else if (count) levels.at(-1).nodes.push(token.mark.repeat(count))
  }
  while (levels.length > 1) leave()
  return levels[0].nodes
}
