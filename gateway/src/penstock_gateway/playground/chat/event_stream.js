// Server-sent events of a response body, one by one. A report of the queue is a comment, and counts as no event.

const QUEUED = ': queued '

// The gateway writes a comment into a silent stream every 15 s, unless set otherwise.
export const SILENT_MAX_MS = 60_000

// Yields `{ data }` for each event and `{ queued: { position, cause } }` for each report. Ends, as with a closed
// connection, after `SILENT_MAX_MS` without a byte: a network that drops packets reports no error.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  let data = []
  let lastRead = performance.now()
  const watch = setInterval(() => {
    if (performance.now() - lastRead > SILENT_MAX_MS) reader.cancel().catch(() => {})
  }, SILENT_MAX_MS / 12)
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      lastRead = performance.now()
      const lines = (pending + value).split('\n')
      pending = lines.pop()
      for (const whole of lines) {
        const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole
        if (line === '') {
          if (data.length) yield { data: data.join('\n') }
          data = []
        } else if (line.startsWith(QUEUED)) yield { queued: JSON.parse(line.slice(QUEUED.length)) }
        else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
      }
    }
  } finally {
    clearInterval(watch)
    reader.cancel().catch(() => {})
  }
}
