// A request that was sent, as a command or program to copy. Pure. The key is a placeholder.

const KEY_VARIABLE = 'PENSTOCK_API_KEY'
const NO_KEY = 'not-needed'
const END = 'JSON'

// `request` is { url, path, headers, body, keyed }: `url` of the gateway without an end slash, `keyed` if a key was sent.
export function asCurl({ url, path, headers, body, keyed }) {
  const lines = ['content-type: application/json', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  const options = lines.map((line) => `-H ${shellQuoted(line)}`)
  if (keyed) options.unshift(`-H "authorization: Bearer $${KEY_VARIABLE}"`)
  // From standard input: an image is longer than an argument may be.
  const command = [`curl -N ${shellQuoted(`${url}/${path}`)}`, ...options, `--data-binary @- <<'${END}'`].join(' \\\n  ')
  return `${command}\n${JSON.stringify(body, null, 2)}\n${END}\n`
}

export function asPython({ url, path, headers, body, keyed }) {
  const key = keyed ? `os.environ["${KEY_VARIABLE}"]` : python(NO_KEY)
  const fields = Object.entries(body).map(([name, value]) => `    ${name}=${python(value, 1)},`)
  const extra = Object.keys(headers).length ? [`    extra_headers=${python(headers, 1)},`] : []
  const [method, use] = path.endsWith('embeddings')
    ? ['embeddings', ['print(len(answer.data), "vectors of", len(answer.data[0].embedding), "numbers")']]
    : ['chat.completions', ['for chunk in answer:', '    if chunk.choices:', '        print(chunk.choices[0].delta.content or "", end="", flush=True)']]
  return [
    ...(keyed ? ['import os', ''] : []),
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${python(`${url}/v1`)}, api_key=${key})`,
    `answer = client.${method}.create(`,
    ...fields,
    ...extra,
    ')',
    ...use,
    '',
  ].join('\n')
}

export function asTypeScript({ url, path, headers, body, keyed }) {
  const key = keyed ? `process.env.${KEY_VARIABLE}` : `'${NO_KEY}'`
  const options = Object.keys(headers).length ? `, { headers: ${JSON.stringify(headers)} }` : ''
  const [method, use] = path.endsWith('embeddings')
    ? ['embeddings', ['console.log(answer.data.length, "vectors of", answer.data[0].embedding.length, "numbers")']]
    : ['chat.completions', ["for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')"]]
  return [
    "import OpenAI from 'openai'",
    '',
    `const client = new OpenAI({ baseURL: ${JSON.stringify(`${url}/v1`)}, apiKey: ${key} })`,
    `const answer = await client.${method}.create(${JSON.stringify(body, null, 2)}${options})`,
    ...use,
    '',
  ].join('\n')
}

export const LANGUAGES = { curl: asCurl, Python: asPython, TypeScript: asTypeScript }

function shellQuoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`
}

// A JSON value as a literal of Python, whose strings have JSON's escapes, too.
function python(value, depth = 0) {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const entries = Array.isArray(value)
    ? value.map((one) => python(one, depth + 1))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, depth + 1)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  if (!entries.length) return open + close
  const indent = '    '.repeat(depth)
  return `${open}\n${entries.map((entry) => `${indent}    ${entry},\n`).join('')}${indent}${close}`
}
