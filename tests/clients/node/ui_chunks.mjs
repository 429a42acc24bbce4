// Validates the rendered UI message streams of a file by the schema of `ai`, and reads each as useChat does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readUIMessageStream, uiMessageChunkSchema } from 'ai'
import { run } from './cases.mjs'

const schema = uiMessageChunkSchema()
const streams = JSON.parse(readFileSync(process.env.STREAMS, 'utf8'))

async function read(text) {
  const events = text.split('\n\n')
  assert.deepEqual(events.splice(-2), ['data: [DONE]', ''])
  const chunks = []
  for (const event of events) {
    const { success, value, error } = await schema.validate(JSON.parse(event.slice('data: '.length)))
    assert.ok(success, `${event}: ${error}`)
    chunks.push(value)
  }
  const failures = []
  const stream = ReadableStream.from(chunks)
  let message
  for await (message of readUIMessageStream({ stream, onError: (error) => failures.push(error.message) }));
  const failed = chunks.filter((chunk) => chunk.type === 'error').map((chunk) => chunk.errorText)
  assert.deepEqual(failures, failed)
  const texts = chunks.filter((chunk) => chunk.type === 'text-delta').map((chunk) => chunk.delta)
  const read = (message?.parts ?? []).filter((part) => part.type === 'text').map((part) => part.text)
  assert.equal(read.join(''), texts.join(''))
}

await run(Object.fromEntries(Object.entries(streams).map(([name, text]) => [name, () => read(text)])))
