// Server-sent events of a response body, one by one. A report of the queue is a comment, and counts as no event.

const QUEUED = ': queued '

// Yields `{ data }` for each event and `{ queued: { position, cause } }` for each report.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  let data = []
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
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
    reader.cancel().catch(() => {})
  }
}
