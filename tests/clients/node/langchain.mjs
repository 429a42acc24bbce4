// @langchain/openai: invoke, stream, tools, structured output, embeddings; the first four by the Responses API, too.
import assert from 'node:assert/strict'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { z } from 'zod'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL: model, EMBEDDING_MODEL } = process.env
const configuration = { baseURL: `${PENSTOCK_URL}/v1` }
const chat = new ChatOpenAI({ model, apiKey: 'not-needed', configuration, maxRetries: 0 })
const responses = new ChatOpenAI({ model, apiKey: 'not-needed', configuration, maxRetries: 0, useResponsesApi: true })
const TEXT = 'Paris is the capital of France.'
const city = z.object({ name: z.string(), people: z.number().int() })

await run({
  async invoke() {
    assert.equal((await chat.invoke('What is the capital of France?')).content, TEXT)
  },
  async stream() {
    let text = ''
    for await (const piece of await chat.stream('What is the capital of France?')) text += piece.content
    assert.equal(text, TEXT)
  },
  async tools() {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const bound = chat.bindTools([{ type: 'function', function: { name: 'weather', parameters } }])
    assert.deepEqual((await bound.invoke('How is the weather?')).tool_calls[0].args, { city: 'Rome' })
  },
  async structured_output() {
    const answer = await chat.withStructuredOutput(city).invoke('A city?')
    assert.deepEqual(answer, { name: 'Rome', people: 7 })
  },
  async responses_invoke() {
    assert.equal((await responses.invoke('What is the capital of France?')).text, TEXT)
  },
  async responses_stream() {
    let text = ''
    for await (const piece of await responses.stream('What is the capital of France?')) text += piece.text
    assert.equal(text, TEXT)
  },
  async responses_tools() {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const bound = responses.bindTools([{ type: 'function', function: { name: 'weather', parameters } }])
    const question = { role: 'user', content: 'How is the weather?' }
    const first = await bound.invoke([question])
    assert.deepEqual(first.tool_calls[0].args, { city: 'Rome' })
    const result = { role: 'tool', content: 'sunny', tool_call_id: first.tool_calls[0].id }
    assert.equal((await bound.invoke([question, first, result])).text, 'It is sunny in Rome.')
  },
  async responses_structured_output() {
    const answer = await responses.withStructuredOutput(city).invoke('A city?')
    assert.deepEqual(answer, { name: 'Rome', people: 7 })
  },
  async embeddings() {
    const embedder = new OpenAIEmbeddings({ model: EMBEDDING_MODEL, apiKey: 'not-needed', configuration })
    assert.deepEqual(await embedder.embedDocuments(['a', 'b']), [[0, 0.5, -1], [1, 0.5, -1]])
  },
})
