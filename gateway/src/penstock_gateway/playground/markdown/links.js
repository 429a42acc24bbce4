// Which addresses of a model's text become links. Pure: whatever is not named here stays text.

const SCHEMES = new Set(['http:', 'https:', 'mailto:'])
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/

// The address in the form of the URL standard, which also removes line ends and tabs inside a scheme; null if refused.
// A relative address is refused, too: it would lead to this gateway.
export function linkTarget(text) {
  try {
    const url = new URL(text)
    return SCHEMES.has(url.protocol) ? url.href : null
  } catch {
    return null
  }
}

// Whether an image may be shown: its bytes are here, and it is no document (SVG) that could hold more.
export function isInlineImage(text) {
  return typeof text === 'string' && IMAGE.test(text)
}
