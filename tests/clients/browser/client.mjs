// Penstock's TypeScript client in a page of another origin than the gateway's; `globalThis.results` has the results.
import { createClient, GatewayError } from '@penstock/client'

const { baseURL, model } = await (await fetch('/settings.json')).json()
const client = createClient({ baseURL })
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const results = {}

async function collected(stream) {
  let text = ''
  for await (const chunk of stream) text += chunk.text
  return text
}

async function caught(promise) {
  try {
    return await promise
  } catch (error) {
    return error
  }
}

const cases = {
  stream: async () => collected(await client.chat({ messages, model })),
  id: async () => {
    const stream = await client.chat({ messages, model })
    stream.close()
    return /^req_/.test(stream.id)
  },
  call: async () => (await client.chatCompletion({ model, messages })).choices[0].message.content,
  error: async () => {
    const error = await caught(client.chat({ messages, model: 'nothing' }))
    return [error instanceof GatewayError, error.code, error.status, /^req_/.test(error.requestId)]
  },
  unreachable: async () => (await caught(createClient({ baseURL: 'http://127.0.0.1:9', maxRetries: 0 }).models())).code,
  resume: async () => {
    const stream = await client.chat({ messages, model }, { onDisconnect: 'grace' })
    const { text } = (await stream.next()).value
    stream.close()
    return text + (await collected(await client.resume('chat', stream.id, { after: stream.received })))
  },
  stop: async () => {
    const stream = await client.chat({ messages: [{ role: 'user', content: 'Begin, and wait.' }], model })
    await stream.stop()
    return collected(stream)
  },
  abort: async () => {
    const controller = new AbortController()
    const stream = await client.chat({ messages, model }, { signal: controller.signal })
    controller.abort()
    return (await caught(collected(stream))).name
  },
}

for (const [name, run] of Object.entries(cases)) {
  try {
    results[name] = await run()
  } catch (error) {
    results[name] = `${error.stack ?? error}`
  }
}
globalThis.results = results
