// A real browser's page with useChat: the component of docs/how-to/clients/ai-sdk.md, bundled as it stands.
// PAGE is the component's file, PORT the page's; prints what the page shows at each step that the test waits for.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const { PAGE, PORT, CHROMIUM } = process.env
const TIMEOUT = { timeout: 20_000 }

const { outputFiles } = await build({
  stdin: {
    contents: `import Chat from ${JSON.stringify(PAGE)}
      import { createRoot } from 'react-dom/client'
      createRoot(document.getElementById('root')).render(<Chat id={location.hash.slice(1)} />)`,
    loader: 'jsx',
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  write: false,
  jsx: 'automatic',
  format: 'iife',
  nodePaths: [`${import.meta.dirname}/node_modules`],
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'error',
})
const [script] = outputFiles
const html = '<!doctype html><meta charset="utf-8"><div id="root"></div><script src="/page.js"></script>'
const server = createServer((request, response) => {
  const js = request.url === '/page.js'
  response.writeHead(200, { 'content-type': js ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8' })
  response.end(js ? script.contents : html)
})
await new Promise((listening) => server.listen(Number(PORT), '127.0.0.1', listening))

// Root has no user namespaces for Chromium's sandbox; the page is ours.
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
const page = await browser.newPage()
const problems = []
page.on('pageerror', (error) => problems.push(String(error)))
const input = createInterface({ input: process.stdin })
const commands = input[Symbol.asyncIterator]()

const shows = (text) => page.getByText(text, { exact: true }).waitFor(TIMEOUT)

try {
  for await (const line of commands) {
    const { open, say, wait, reload, press, gone, button } = JSON.parse(line)
    if (open) await page.goto(`http://127.0.0.1:${PORT}/#${open}`)
    if (reload) await page.reload()
    if (say) {
      await page.getByRole('textbox').fill(say)
      await page.getByRole('textbox').press('Enter')
    }
    if (press) await page.getByRole('button', { name: press }).click(TIMEOUT)
    if (wait) await shows(wait)
    if (button) await page.getByRole('button', { name: button }).waitFor(TIMEOUT)
    if (gone) await page.getByRole('button', { name: gone }).waitFor({ state: 'detached', ...TIMEOUT })
    console.log(JSON.stringify(await page.locator('p').allTextContents()))
  }
  assert.deepEqual(problems, [])
} finally {
  await browser.close()
  server.close()
}
