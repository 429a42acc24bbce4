// Vercel's AI SDK through @ai-sdk/openai-compatible and @ai-sdk/openai: its chat models and its default, Responses.
import assert from 'node:assert/strict'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai'
import { z } from 'zod'
import { run } from './cases.mjs'

const { PENSTOCK_URL, MODEL, EMBEDDING_MODEL } = process.env
const settings = { baseURL: `${PENSTOCK_URL}/v1`, apiKey: 'not-needed' }
const compatible = createOpenAICompatible({ name: 'penstock', supportsStructuredOutputs: true, ...settings })
const openai = createOpenAI(settings)
const prompt = 'What is the capital of France?'
const TEXT = 'Paris is the capital of France.'
const schema = z.object({ name: z.string(), people: z.number().int() })
const tools = {
  weather: tool({
    description: 'The weather in a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
}

const of = (name, model) => ({
  async [`${name}_generateText`]() {
    const answer = await generateText({ model, prompt, maxRetries: 0 })
    assert.equal(answer.text, TEXT)
    assert.equal(answer.usage.inputTokens, 11)
  },
  async [`${name}_streamText`]() {
    let text = ''
    for await (const piece of streamText({ model, prompt, maxRetries: 0 }).textStream) text += piece
    assert.equal(text, TEXT)
  },
  async [`${name}_tools_in_steps`]() {
    const answer = await generateText({ model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0 })
    assert.equal(answer.text, 'It is sunny in Rome.')
    assert.equal(answer.steps.length, 2)
  },
  async [`${name}_streamed_tools_in_steps`]() {
    const answer = streamText({ model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0 })
    await answer.consumeStream()
    assert.equal(await answer.text, 'It is sunny in Rome.')
  },
  async [`${name}_pdf`]() {
    const file = { type: 'file', data: Buffer.from('%PDF-1.4'), mediaType: 'application/pdf', filename: 'a.pdf' }
    const messages = [{ role: 'user', content: [{ type: 'text', text: prompt }, file] }]
    assert.equal((await generateText({ model, messages, maxRetries: 0 })).text, TEXT)
  },
  async [`${name}_generateObject`]() {
    const answer = await generateObject({ model, prompt, schema, maxRetries: 0 })
    assert.deepEqual(answer.object, { name: 'Rome', people: 7 })
  },
  async [`${name}_streamObject`]() {
    const answer = streamObject({ model, prompt, schema })
    for await (const _ of answer.partialObjectStream);
    assert.deepEqual(await answer.object, { name: 'Rome', people: 7 })
  },
})

await run({
  ...of('compatible', compatible(MODEL)),
  ...of('openai_chat', openai.chat(MODEL)),
  ...of('openai_responses', openai(MODEL)),
  async openai_responses_reasoning_and_tools() {
    const providerOptions = { openai: { reasoningEffort: 'high', reasoningSummary: 'auto', store: false, forceReasoning: true } }
    const model = openai(MODEL)
    const answer = await generateText({ model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions })
    assert.equal(answer.text, 'It is sunny in Rome.')
    assert.equal(answer.steps[0].reasoningText, 'Let me think.')
  },
  async openai_responses_continued_by_id() {
    const model = openai(MODEL)
    const first = await generateText({ model, prompt, maxRetries: 0 })
    const previousResponseId = first.providerMetadata.openai.responseId
    const again = await generateText({ model, prompt, maxRetries: 0, providerOptions: { openai: { previousResponseId } } })
    assert.equal(again.text, TEXT)
  },
  async embedMany() {
    const answer = await embedMany({ model: openai.embedding(EMBEDDING_MODEL), values: ['a', 'b'] })
    assert.deepEqual(answer.embeddings, [[0, 0.5, -1], [1, 0.5, -1]])
  },
})
