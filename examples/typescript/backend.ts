// A backend of a web page: it keeps the API key, and answers a prompt with plain text as the model writes it.
//
// Web-standard APIs only, so that it runs on Workers (`export default`), Bun, Deno, and with main.mjs in Node.

import { createClient, type ChatChunk, type EventStream, GatewayError } from '@penstock/client'

export interface Environment {
  PENSTOCK_URL?: string
  PENSTOCK_API_KEY?: string
  MODEL?: string
}

export default {
  async fetch(request: Request, environment: Environment): Promise<Response> {
    const client = createClient({
      baseURL: environment.PENSTOCK_URL ?? 'http://127.0.0.1:8080',
      apiKey: environment.PENSTOCK_API_KEY,
    })
    try {
      const prompt = await request.text()
      // A visitor that leaves ends the provider call, too.
      const stream = await client.generate({ prompt, model: environment.MODEL ?? null }, { signal: request.signal })
      return new Response(textOf(stream), { headers: { 'content-type': 'text/plain; charset=utf-8' } })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      return new Response(`${error.message}\n`, { status: error.status ?? 502 })
    }
  },
}

/** The stream's text. A stream that fails breaks the response off: a plain text has no place for an error. */
function textOf(stream: EventStream<ChatChunk>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await stream.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value.text))
    },
    cancel: () => stream.close(),
  })
}
