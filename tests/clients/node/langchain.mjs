// @langchain/openai: invoke, stream, tools, structured output, embeddings.
import assert from 'node:assert/strict'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { z } from 'zod'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL: model, EMBEDDING_MODEL } = process.env
const configuration = { baseURL: `${PENSTOCK_URL}/v1` }
const chat = new ChatOpenAI({ model, apiKey: 'not-needed', configuration, maxRetries: 0 })
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
  async embeddings() {
    const embedder = new OpenAIEmbeddings({ model: EMBEDDING_MODEL, apiKey: 'not-needed', configuration })
    assert.deepEqual(await embedder.embedDocuments(['a', 'b']), [[0, 0.5, -1], [1, 0.5, -1]])
  },
})
