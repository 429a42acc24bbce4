// The buttons that copy a request as curl, Python or TypeScript.

import { copyButton, el } from './elements.js'
import { BASE } from './gateway.js'
import { LANGUAGES } from './snippets.js'

// `request()` returns { path, headers, body }; `keyed()` if a key is set.
export function copyMenu(request, keyed) {
  const url = BASE.href.replace(/\/$/, '')
  const buttons = Object.entries(LANGUAGES).map(([name, write]) =>
    copyButton(name, () => write({ url, ...request(), keyed: keyed() })),
  )
  return el('span', { class: 'copy-as', role: 'group', 'aria-label': 'Copy the request as' }, el('span', {}, 'Copy as'), buttons)
}
