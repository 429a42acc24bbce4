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

// For a narrow cell: cut off after four decimals, or at the first two digits that are not 0. The exact text is its title.
export function short(text) {
  const [whole, decimals = ''] = text.split('.')
  const digits = Math.max(whole === '0' ? decimals.search(/[1-9]/) + 2 : 2, 4)
  return decimals.length <= digits ? text : `${whole}.${decimals.slice(0, digits)}…`
}
