// Numbers in the words of the page: durations, rates, costs.

export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`
  return value < 60 ? `${value.toFixed(value < 10 ? 2 : 1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`
}

export function rate(tokens, duration) {
  const perSecond = tokens / duration
  return `${perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond)} tokens/s`
}

// A decimal text without a currency, which the route's prices do not have.
export function cost(text) {
  const [whole, decimals = ''] = text.split('.')
  const significant = decimals.search(/[1-9]/)
  return decimals ? `${whole}.${decimals.slice(0, Math.max(2, significant + 4))}` : whole
}
