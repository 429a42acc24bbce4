// Money as in the gateway: decimal text outside, whole picos (10^-12 of a unit) as BigInt inside. No float.

const PICOS = 10n ** 12n

export function picos(text) {
  const [whole, decimals = ''] = text.split('.')
  return BigInt(whole) * PICOS + BigInt(decimals.slice(0, 12).padEnd(12, '0'))
}

// The shortest decimal text.
export function decimal(amount) {
  const decimals = (amount % PICOS).toString().padStart(12, '0').replace(/0+$/, '')
  return `${amount / PICOS}${decimals && '.'}${decimals}`
}

// For a narrow cell: cut off after two decimals, of an amount below 1 after four or its second digit that is not 0.
// The exact text is beside it, or its title.
export function short(text) {
  const [whole, decimals = ''] = text.split('.')
  const digits = whole === '0' ? Math.max(decimals.search(/[1-9]/) + 2, 4) : 2
  return decimals.length <= digits ? text : `${whole}.${decimals.slice(0, digits)}`
}
