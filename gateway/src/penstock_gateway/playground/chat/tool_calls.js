// The calls of tools in an answer: name, arguments, and a field for the result, which continues the conversation.

import { el } from '../elements.js'

// `send(results)` is called with a text for each call; null shows the calls without fields.
export function toolCallsNode(calls, send) {
  const results = calls.map(() => el('textarea', { rows: 2, placeholder: 'What the tool returns, as text or JSON' }))
  const items = calls.map((call, index) =>
    el(
      'li',
      { class: 'tool-call' },
      el('p', {}, el('span', { class: 'tag' }, 'tool call'), ' ', el('code', {}, call.name)),
      el('pre', { tabindex: 0, 'aria-label': `Arguments of ${call.name}` }, el('code', {}, pretty(call.arguments))),
      send && el('label', {}, el('span', {}, `Result of ${call.name}`), results[index]),
      !send && call.result !== null && el('pre', { class: 'result', tabindex: 0, 'aria-label': `Result of ${call.name}` }, el('code', {}, call.result)),
    ),
  )
  const button = send && el('button', { type: 'submit' }, calls.length > 1 ? 'Send the results' : 'Send the result')
  const submit = (event) => {
    event.preventDefault()
    send(results.map((result) => result.value))
  }
  return el('form', { class: 'tool-calls', onsubmit: submit }, el('ol', {}, items), button)
}

// Arguments arrive in pieces; until they are whole JSON they are shown as they are.
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
