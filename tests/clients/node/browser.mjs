// Drives Chromium for `browser.py`. Each line of input is a JSON object with `id` and one of
//   open (a page's number, with the options of its context), run (the body of an async function of page, context and
//   args, for a page), close (a page's number); the answer is a line with the same id and `value` or `error`.
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const AsyncFunction = (async () => {}).constructor
const TIMEOUT_MS = 20_000

// Root has no user namespaces for Chromium's sandbox; the pages are ours.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--mute-audio'],
})
const pages = new Map()

const commands = {
  async open({ open, options }) {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    page.setDefaultTimeout(TIMEOUT_MS)
    const record = { requests: [], problems: [] }
    context.on('request', (request) => record.requests.push(request.url()))
    page.on('pageerror', (error) => record.problems.push(String(error)))
    page.on('console', (message) => {
      if (/Content Security Policy|Trusted/.test(message.text())) record.problems.push(message.text())
    })
    pages.set(open, { page, context, record })
  },
  async run({ page: number, run, args }) {
    const { page, context } = pages.get(number)
    return new AsyncFunction('page', 'context', 'args', run)(page, context, args)
  },
  // What the page requested, and what went wrong in it.
  async close({ close }) {
    const { context, record } = pages.get(close)
    pages.delete(close)
    await context.close()
    return record
  },
}

// Commands of several pages run beside each other.
const running = new Set()
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  const kind = Object.keys(commands).find((name) => name in command)
  const task = commands[kind](command).then(
    (value) => ({ id: command.id, value: value ?? null }),
    (error) => ({ id: command.id, error: String(error.stack ?? error) }),
  ).then((answer) => {
    running.delete(task)
    console.log(JSON.stringify(answer))
  })
  running.add(task)
}
await Promise.all(running)
await browser.close()
