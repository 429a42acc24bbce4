// A raw streaming relay on Hono, as an application author writes one: fetch the upstream, split its SSE events, parse each one's JSON,
// write it out again with Hono's stream helper. No auth, no limits, no usage: the floor of what a web framework costs per token.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'

const upstreamURL = process.env.UPSTREAM_URL
const app = new Hono()

app.post('/v1/chat/completions', async (c) => {
  const body = await c.req.json()
  const upstream = await fetch(upstreamURL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: c.req.header('authorization') ?? '' },
    body: JSON.stringify(body),
    signal: c.req.raw.signal,
  })
  if (!body.stream || !upstream.ok) return c.json(await upstream.json(), upstream.status)
  c.header('Content-Type', 'text/event-stream')
  c.header('Cache-Control', 'no-cache')
  return stream(c, async (out) => {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const bytes of upstream.body) {
      rest += decoder.decode(bytes, { stream: true })
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const event = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (!event.startsWith('data: ')) continue
        const data = event.slice('data: '.length)
        await out.write(data === '[DONE]' ? 'data: [DONE]\n\n' : `data: ${JSON.stringify(JSON.parse(data))}\n\n`)
      }
    }
  })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) })
