// An answer, put together from the chunks of a stream. Pure data: it is kept in sessionStorage.

import { isInlineImage } from '../markdown/links.js'

export function emptyAnswer() {
  return { text: '', reasoning: '', refusal: '', toolCalls: [], images: [], finish: null, usage: null, model: null }
}

// Adds a `chat.completion.chunk`. Returns whether it had content.
export function addChunk(answer, chunk) {
  answer.model = chunk.model ?? answer.model
  if (chunk.usage) answer.usage = chunk.usage
  const [choice] = chunk.choices ?? []
  if (!choice) return false
  if (choice.finish_reason) answer.finish = choice.finish_reason
  const delta = choice.delta ?? {}
  const reasoning = delta.reasoning_content ?? delta.reasoning ?? ''
  answer.text += delta.content ?? ''
  answer.reasoning += reasoning
  answer.refusal += delta.refusal ?? ''
  for (const call of delta.tool_calls ?? []) addToolCall(answer.toolCalls, call)
  const images = (delta.images ?? []).map((image) => image.image_url?.url).filter(isInlineImage)
  answer.images.push(...images)
  return Boolean(delta.content || reasoning || delta.refusal || delta.tool_calls?.length || images.length)
}

function addToolCall(calls, { index, id, function: piece = {} }) {
  calls[index] ??= { id: '', name: '', arguments: '', result: null }
  if (id) calls[index].id = id
  if (piece.name) calls[index].name = piece.name
  calls[index].arguments += piece.arguments ?? ''
}

export function hasContent({ text, reasoning, refusal, toolCalls, images }) {
  return Boolean(text || reasoning || refusal || toolCalls.length || images.length)
}
