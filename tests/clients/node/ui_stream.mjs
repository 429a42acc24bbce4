// Vercel's AI SDK against /api/chat: useChat's core and transport, without a page.
import assert from 'node:assert/strict'
import { Chat } from '@ai-sdk/react'
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls, uiMessageChunkSchema } from 'ai'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL } = process.env
const api = `${PENSTOCK_URL}/api/chat`
const prompt = 'What is the capital of France?'
const TEXT = 'Paris is the capital of France.'
const PNG = 'data:image/png;base64,iVBORw0KGgo='
const tools = {
  weather: {
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

function chat(settings = {}, body = {}) {
  return new Chat({ transport: new DefaultChatTransport({ api, body: { model: MODEL, ...body } }), ...settings })
}

const textOf = (message) => message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('')

await run({
  async text_with_model_and_usage() {
    const one = chat()
    await one.sendMessage({ text: prompt })
    assert.equal(one.error, undefined)
    assert.equal(one.status, 'ready')
    const answer = one.messages.at(-1)
    assert.equal(textOf(answer), TEXT)
    assert.equal(answer.metadata.model, MODEL)
    assert.equal(answer.metadata.usage.inputTokens, 11)
    assert.ok(answer.parts.every((part) => part.state === undefined || part.state === 'done'))
  },
  async two_turns() {
    const one = chat()
    await one.sendMessage({ text: prompt })
    await one.sendMessage({ text: prompt })
    assert.deepEqual(one.messages.map((message) => message.role), ['user', 'assistant', 'user', 'assistant'])
    assert.notEqual(one.messages[1].id, one.messages[3].id)
  },
  async regenerate() {
    const one = chat()
    await one.sendMessage({ text: prompt })
    await one.regenerate()
    assert.equal(one.messages.length, 2)
    assert.equal(textOf(one.messages[1]), TEXT)
  },
  async tool_in_the_page() {
    let reason
    const one = chat(
      {
        sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
        onToolCall({ toolCall }) {
          assert.deepEqual(toolCall.input, { city: 'Rome' })
          const { toolCallId, toolName } = toolCall
          one.addToolOutput({ tool: toolName, toolCallId, output: { sky: 'clear' } })
        },
        onFinish({ finishReason }) {
          reason = finishReason
        },
      },
      { tools },
    )
    await one.sendMessage({ text: 'How is the weather in Rome?' })
    while (textOf(one.messages.at(-1)) === '' && !one.error) await new Promise(setImmediate)
    assert.equal(one.error, undefined)
    assert.equal(textOf(one.messages.at(-1)), 'It is sunny in Rome.')
    assert.equal(one.messages.length, 2, 'the second answer continues the first message')
    while (one.status !== 'ready') await new Promise(setImmediate)
    assert.equal(reason, 'stop')
  },
  async picture() {
    const one = chat()
    await one.sendMessage({ text: prompt, files: [{ type: 'file', mediaType: 'image/png', url: PNG }] })
    assert.equal(one.error, undefined)
    assert.equal(textOf(one.messages.at(-1)), TEXT)
  },
  async refused_file_names_the_field() {
    const one = chat({ onError() {} })
    await one.sendMessage({ text: prompt, files: [{ type: 'file', mediaType: 'video/mp4', url: 'data:video/mp4,' }] })
    assert.equal(one.status, 'error')
    assert.equal(JSON.parse(one.error.message).error.param, 'messages[0].parts[0].mediaType')
  },
  async chunks_of_the_sdks_own_schema() {
    const messages = [{ id: 'a', role: 'user', parts: [{ type: 'text', text: prompt }] }]
    const body = JSON.stringify({ id: 'c', messages, trigger: 'submit-message', model: MODEL, tools })
    const response = await fetch(api, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    assert.equal(response.headers.get('x-vercel-ai-ui-message-stream'), 'v1')
    const events = (await response.text()).split('\n\n')
    assert.deepEqual(events.splice(-2), ['data: [DONE]', ''])
    const schema = uiMessageChunkSchema()
    for (const event of events) {
      const { success, error } = await schema.validate(JSON.parse(event.slice('data: '.length)))
      assert.ok(success, `${event}: ${error}`)
    }
  },
})
