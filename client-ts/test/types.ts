// Compiled, not run: `tsc -p test/tsconfig.json` fails if a right call is refused, or a wrong one accepted.

import {
  type ChatChunk,
  type ChatCompletionChunk,
  createClient,
  EventStream,
  GatewayError,
  type ResponseObject,
  type ResponseStreamChunk,
} from '@penstock/client'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Equal<A, B>): void {}

const client = createClient({ baseURL: 'http://127.0.0.1:8080', apiKey: 'sk-x', fetch })
const { signal } = new AbortController()
const messages = [{ role: 'user', content: 'Hello!' }] as const

export async function right(): Promise<void> {
  const stream = await client.chat({ messages, model: 'smollm2' }, { signal, onDisconnect: 'grace=30' })
  same<typeof stream, EventStream<ChatChunk>>(true)
  for await (const chunk of stream) same<typeof chunk.text, string>(true)

  const chunks = await client.chatCompletionStream({
    model: 'smollm2',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello!' }] }],
    tools: [{ function: { name: 'weather', parameters: { type: 'object' } } }],
    stream_options: { include_usage: true },
  })
  same<typeof chunks, EventStream<ChatCompletionChunk>>(true)
  for await (const chunk of chunks) {
    const delta = chunk.choices[0]?.delta
    same<NonNullable<typeof delta>['content'], string | null | undefined>(true)
  }

  const completion = await client.chatCompletion({ model: 'smollm2', messages }, { extraBody: { top_k: 5 } })
  same<(typeof completion.choices)[number]['finish_reason'], 'content_filter' | 'length' | 'stop' | 'tool_calls'>(true)
  const [choice] = completion.choices
  // An answer is a valid message of the next request.
  if (choice) await client.chatCompletion({ model: 'smollm2', messages: [...messages, choice.message] })

  same<Awaited<ReturnType<typeof client.embed>>['embedding'], number[]>(true)
  same<Awaited<ReturnType<typeof client.models>>['data'][number]['id'], string>(true)
  await client.models({ signal })

  const events = await client.responseStream({ model: 'smollm2', input: 'Hello!', background: true })
  same<typeof events, EventStream<ResponseStreamChunk>>(true)
  for await (const event of events) {
    if (event.type === 'response.output_text.delta') same<typeof event.delta, string>(true)
    if (event.type === 'response.completed') same<typeof event.response, ResponseObject>(true)
  }
  const response = await client.response({ model: 'smollm2', input: [{ role: 'user', content: 'Hello!' }] })
  same<typeof response.status, ResponseObject['status']>(true)
  same<Awaited<ReturnType<typeof client.cancelResponse>>, ResponseObject>(true)
  await client.storedResponse({ response_id: response.id }, { signal })
  const items = await client.responseInputItems({ response_id: response.id }, { limit: 5, order: 'asc' })
  same<typeof items.last_id, string | null>(true)
  same<Awaited<ReturnType<typeof client.deleteResponse>>['deleted'], true>(true)
  same<Awaited<ReturnType<typeof client.resume<'responseStream'>>>, EventStream<ResponseStreamChunk>>(true)

  const again = await client.resume('chatCompletionStream', 'req_1', { after: 7 })
  same<typeof again, EventStream<ChatCompletionChunk>>(true)
  await client.stop('req_1')

  try {
    await client.embed({ text: 'cat' })
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'model_not_found') same<typeof error.retryable, boolean>(true)
  }
}

export async function wrong(): Promise<void> {
  // @ts-expect-error messages is required
  await client.chat({})
  // @ts-expect-error a misspelled field
  await client.chat({ messages, modle: 'smollm2' })
  // @ts-expect-error the role does not exist in the simple dialect
  await client.chat({ messages: [{ role: 'tool', content: 'x' }] })
  // @ts-expect-error a wrong type deep inside
  await client.chatCompletion({ model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] })
  // @ts-expect-error stream follows from the endpoint
  await client.chatCompletion({ model: 'm', messages, stream: true })
  // @ts-expect-error model is required in OpenAI's dialect
  await client.chatCompletionStream({ messages })
  // @ts-expect-error an endpoint without a body takes none
  await client.models({ model: 'm' })
  // @ts-expect-error no such endpoint
  await client.chats({ messages })
  // @ts-expect-error a misspelled field
  await client.response({ model: 'm', inputs: 'Hello!' })
  // @ts-expect-error stream follows from the endpoint
  await client.responseStream({ model: 'm', input: 'Hello!', stream: true })
  // @ts-expect-error the id of a response is a parameter
  await client.storedResponse('resp_1')
  // @ts-expect-error no such order
  await client.responseInputItems({ response_id: 'resp_1' }, { order: 'up' })
  // @ts-expect-error only a stream can be resumed
  await client.resume('embed', 'req_1')
  // @ts-expect-error no such policy
  await client.chat({ messages }, { onDisconnect: 'forever' })
  // @ts-expect-error onDisconnect is a stream's
  await client.embed({ text: 'cat' }, { onDisconnect: 'detach' })
  const stream = await client.chat({ messages })
  for await (const chunk of stream) {
    // @ts-expect-error the simple dialect has no choices
    chunk.choices
  }
}

// What the sources of the client must not use, because browsers and Workers do not have it: same settings, see tsconfig.json.
export async function foreign(): Promise<void> {
  // @ts-expect-error a global of Node
  process.env
  // @ts-expect-error a global of Node
  Buffer.from('x')
  // @ts-expect-error a module of Node
  await import('node:fs')
}
