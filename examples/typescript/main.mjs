// Runs the backend in Node for one prompt: node main.mjs "Why is the sky blue?"
import backend from './backend.js'

const prompt = process.argv[2] ?? 'Why is the sky blue?'
const response = await backend.fetch(new Request('http://localhost/', { method: 'POST', body: prompt }), process.env)
for await (const text of response.body.pipeThrough(new TextDecoderStream())) process.stdout.write(text)
process.stdout.write('\n')
process.exitCode = response.ok ? 0 : 1
