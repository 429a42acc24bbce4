// Streams an answer into an element. No build step, no package.

// Calls `show` with the whole text so far, and returns it. Throws if the gateway refuses, fails midway, or the connection breaks.
export async function ask(gateway, prompt, show, { model, key } = {}) {
  const response = await fetch(`${gateway}/api/chat`, {
    method: 'POST',
    headers: key ? { authorization: `Bearer ${key}` } : {},
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] }),
  })
  if (!response.ok) throw new Error((await response.json()).error.message)
  let text = ''
  let pending = ''
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (pending + piece).split('\n\n')
    pending = events.pop() // an event that has not arrived completely
    for (const event of events) {
      const data = event.match(/^data: (.*)$/m)?.[1]
      if (event.startsWith('event: error')) throw new Error(JSON.parse(data).error.message)
      if (data === '[DONE]') return text
      if (data) show((text += JSON.parse(data).text))
    }
  }
  throw new Error('the connection broke: the answer is incomplete')
}

if (globalThis.document) {
  const form = document.querySelector('form')
  const log = document.querySelector('[role=log]')
  const gateway = new URLSearchParams(location.search).get('gateway') ?? 'http://127.0.0.1:8080'
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const prompt = new FormData(form).get('prompt')
    await ask(gateway, prompt, (text) => (log.textContent = text)).catch((error) => (log.textContent = error.message))
  })
}
