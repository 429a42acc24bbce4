// Markdown's blocks as data: headings, lists, quotes, tables, code and paragraphs. Pure; HTML is text like any other.
// Made for text that grows: an open fence or table is rendered as far as it goes. Nesting is bounded, work is linear.

const DEPTH_MAX = 12
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const QUOTE = /^ {0,3}> ?/
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?: |$)/
const TASK = /^\[([ xX])\] /

// Blocks of a text; each has `source`, so that a renderer can keep the nodes of those that did not change.
export function parseBlocks(text, depth = 0) {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').split('\n')
  const blocks = []
  for (let at = 0; at < lines.length; ) {
    if (isBlank(lines[at])) {
      at += 1
      continue
    }
    const [block, end] = blockAt(lines, at, depth)
    block.source = lines.slice(at, end).join('\n')
    blocks.push(block)
    at = end
  }
  return blocks
}

// The block that begins at a line, and the line after it.
function blockAt(lines, at, depth) {
  const line = lines[at]
  const fence = fenceOf(line)
  if (fence) return code(lines, at, fence)
  if (HEADING.test(line)) return [heading(line), at + 1]
  if (RULE.test(line)) return [{ type: 'rule' }, at + 1]
  if (depth < DEPTH_MAX) {
    if (QUOTE.test(line)) return quote(lines, at, depth)
    if (ITEM.test(line)) return list(lines, at, depth)
  }
  return isTable(lines, at) ? table(lines, at) : paragraph(lines, at)
}

function fenceOf(line) {
  const found = FENCE.exec(line)
  // The word after backticks has none itself: that is a code span.
  return found && !(found[1][0] === '`' && found[2].includes('`')) ? found : null
}

function code(lines, at, [, marks, info]) {
  const indent = lines[at].search(/\S/)
  const text = []
  let end = at + 1
  for (; end < lines.length; end += 1) {
    const line = lines[end]
    const closing = FENCE.exec(line)
    if (closing && closing[1][0] === marks[0] && closing[1].length >= marks.length && isBlank(closing[2])) {
      return [{ type: 'code', language: info.trim().split(' ')[0], text: text.join('\n') }, end + 1]
    }
    text.push(line.slice(Math.min(indent, leading(line))))
  }
  return [{ type: 'code', language: info.trim().split(' ')[0], text: text.join('\n') }, end]
}

function heading(line) {
  const level = HEADING.exec(line)[1].length
  const words = line.trim().slice(level).trim().split(' ')
  if (words.length && /^#+$/.test(words.at(-1))) words.pop()
  return { type: 'heading', level, text: words.join(' ').trim() }
}

function quote(lines, at, depth) {
  const inner = []
  let end = at
  for (; end < lines.length && !isBlank(lines[end]); end += 1) {
    if (!QUOTE.test(lines[end]) && (isBlank(inner.at(-1)) || interrupts(lines, end))) break
    inner.push(lines[end].replace(QUOTE, ''))
  }
  return [{ type: 'quote', blocks: parseBlocks(inner.join('\n'), depth + 1) }, end]
}

function list(lines, at, depth) {
  const marker = ITEM.exec(lines[at])[2]
  const ordered = /\d/.test(marker)
  const items = []
  let loose = false
  let end = at
  while (end < lines.length) {
    const found = ITEM.exec(lines[end])
    if (!found || kind(found[2]) !== kind(marker) || RULE.test(lines[end])) break
    const [item, next] = listItem(lines, end, found)
    loose ||= item.loose
    const task = TASK.exec(item.text)
    const text = task ? item.text.slice(task[0].length) : item.text
    items.push({ checked: task ? task[1] !== ' ' : null, blocks: parseBlocks(text, depth + 1) })
    end = next
    while (end < lines.length && isBlank(lines[end])) end += 1
    loose ||= end > next && end < lines.length && ITEM.test(lines[end])
  }
  while (isBlank(lines[end - 1])) end -= 1
  return [{ type: 'list', ordered, start: ordered ? parseInt(marker, 10) : 1, loose, items }, end]
}

function listItem(lines, at, [matched]) {
  const rest = lines[at].slice(matched.length)
  // Text after more than four spaces is text all the same: models indent freely.
  const indent = matched.length + (isBlank(rest) ? 0 : leading(rest))
  const text = [rest.trimStart()]
  let loose = false
  let end = at + 1
  for (; end < lines.length; end += 1) {
    const line = lines[end]
    if (isBlank(line)) {
      if (end + 1 >= lines.length || leading(lines[end + 1]) < 2 || isBlank(lines[end + 1])) break
      text.push('')
      continue
    }
    const before = lines[end - 1]
    // From two spaces on a line belongs to the item: models indent the lists inside a list by two, three or four.
    if (leading(line) < Math.min(indent, 2) && (isBlank(before) || ITEM.test(line) || interrupts(lines, end))) break
    loose ||= isBlank(before) && !ITEM.test(line.trimStart())
    text.push(line.slice(Math.min(indent, leading(line))))
  }
  return [{ text: text.join('\n'), loose }, end]
}

function kind(marker) {
  return /\d/.test(marker) ? marker.at(-1) : marker
}

function isTable(lines, at) {
  if (!lines[at].includes('|') || at + 1 >= lines.length || !lines[at + 1].includes('-')) return false
  const rule = cells(lines[at + 1])
  return rule.length === cells(lines[at]).length && rule.every((cell) => /^:?-+:?$/.test(cell))
}

function table(lines, at) {
  const head = cells(lines[at])
  const align = cells(lines[at + 1]).map((cell) => {
    if (cell.endsWith(':')) return cell.startsWith(':') ? 'center' : 'right'
    return 'left'
  })
  const rows = []
  let end = at + 2
  for (; end < lines.length && !isBlank(lines[end]) && lines[end].includes('|'); end += 1) {
    const row = cells(lines[end])
    rows.push(head.map((_, column) => row[column] ?? ''))
  }
  return [{ type: 'table', head, align, rows }, end]
}

// The cells of a table's line; a bar after a backslash is text.
function cells(line) {
  const found = ['']
  const text = line.trim()
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\' && text[at + 1] === '|') {
      found[found.length - 1] += '|'
      at += 1
    } else if (text[at] === '|') found.push('')
    else found[found.length - 1] += text[at]
  }
  if (text.startsWith('|')) found.shift()
  if (text.endsWith('|') && found.length > 1 && isBlank(found.at(-1))) found.pop()
  return found.map((cell) => cell.trim())
}

function paragraph(lines, at) {
  let end = at + 1
  while (end < lines.length && !isBlank(lines[end]) && !interrupts(lines, end)) end += 1
  return [{ type: 'paragraph', text: lines.slice(at, end).map((line) => line.trimStart()).join('\n') }, end]
}

// Whether a line begins another block in the middle of a paragraph.
function interrupts(lines, at) {
  const line = lines[at]
  return Boolean(fenceOf(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || isTable(lines, at)) ||
    /^ {0,3}(?:[-*+]|1[.)]) +\S/.test(line)
}

function isBlank(line) {
  return line === undefined || line.trim() === ''
}

function leading(line) {
  return line.length - line.trimStart().length
}
