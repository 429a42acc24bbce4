// Builds nodes of SVG. Strings become text nodes and attribute values, never markup.

const NAMESPACE = 'http://www.w3.org/2000/svg'

// Null and false are left out, of the attributes and of the children.
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, String(value))
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  return element
}
