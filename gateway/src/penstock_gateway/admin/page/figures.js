// Figures for people: grouped digits, durations with three digits, shares.

const WHOLE = new Intl.NumberFormat('en')
const ONE_DECIMAL = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export const count = (value) => WHOLE.format(value)
export const compact = (value) => (value < 10_000 ? WHOLE.format(value) : COMPACT.format(value))
export const rate = (value) => (value < 10 ? ONE_DECIMAL.format(value) : WHOLE.format(Math.round(value)))

export function seconds(value) {
  if (value === null) return '–'
  if (value < 1) return `${Math.round(value * 1000)} ms`
  return value < 10 ? `${value.toFixed(2)} s` : `${Math.round(value)} s`
}

export function share(part, whole) {
  if (!part || !whole) return ''
  const percent = (100 * part) / whole
  return percent < 0.1 ? '< 0.1 %' : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`
}
