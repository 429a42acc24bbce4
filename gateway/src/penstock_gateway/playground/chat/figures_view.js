// The figures below an answer: time to first token, tokens per second, tokens, cost, request id.

import { copyButton, el } from '../elements.js'
import { cost, rate, seconds } from '../figures.js'

export function figuresNode(message) {
  const { state, answer, id, usage } = message
  const counted = answer.usage
  const first = firstTokenS(message)
  const duration = answerS(message)
  const figures = [
    state === 'stopped' && ['state', 'Stopped'],
    state === 'done' && answer.finish && !['stop', 'tool_calls'].includes(answer.finish) && ['state', endWords(answer.finish)],
    first !== null && ['first token', seconds(first)],
    counted && duration > 0.01 && counted.completion_tokens > 1 && ['speed', rate(counted.completion_tokens - 1, duration)],
    counted && ['tokens', `${counted.prompt_tokens} in, ${counted.completion_tokens} out`],
    usage && ['cost', cost(usage.cost)],
  ].filter(Boolean)
  const nodes = figures.map(([name, value]) => el('div', { 'data-figure': name.replaceAll(' ', '-') }, el('dt', {}, name), el('dd', {}, value)))
  if (id) {
    const copy = copyButton('Copy the request id', () => id, { label: false })
    nodes.push(el('div', { 'data-figure': 'request' }, el('dt', {}, 'request'), el('dd', {}, el('code', {}, id), copy)))
  }
  return el('dl', { class: 'figures' }, nodes)
}

function endWords(finish) {
  return { length: 'Cut at the most tokens', content_filter: 'Cut by the content filter' }[finish] ?? finish
}

// After a reload the gateway's own measure is the only one without the time in which nothing was read.
function firstTokenS({ times, usage, resumed }) {
  if (resumed && usage?.first_token_s != null) return usage.first_token_s
  return times.first === null ? null : (times.first - times.sent) / 1000
}

function answerS({ times, usage, resumed }) {
  if (resumed) return usage?.first_token_s != null ? usage.duration_s - usage.first_token_s : 0
  return times.first === null || times.end === null ? 0 : (times.end - times.first) / 1000
}
