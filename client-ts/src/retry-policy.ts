// Decides on retries and their delay; the numbers are those of the Python client and of OpenAI's SDKs. Pure.

const FIRST_BACKOFF_S = 0.5
const MAX_BACKOFF_S = 8
/** A gateway that requires a longer pause refuses: its error goes to the caller, with the pause in it. */
const MAX_HINT_S = 120
/** Up to this part of a backoff is taken off, so that clients refused together do not come back together. */
const JITTER = 0.25

const RETRYABLE_STATUSES: readonly number[] = [408, 409, 429]

/** Milliseconds to wait after the failed `attempt` (from 0), undefined for no further attempt; `dice` is uniform in [0, 1). */
export function delayMs(
  attempt: number,
  failure: { retryable: boolean; retryAfter: number | undefined },
  maxRetries: number,
  dice: number,
): number | undefined {
  if (!failure.retryable || attempt >= maxRetries) return undefined
  if (failure.retryAfter !== undefined) return failure.retryAfter <= MAX_HINT_S ? failure.retryAfter * 1000 : undefined
  return Math.min(FIRST_BACKOFF_S * 2 ** attempt, MAX_BACKOFF_S) * (1 - JITTER * dice) * 1000
}

/** Whether to try again; `x-should-retry` takes precedence over the status, as in the vendors' SDKs. */
export function shouldRetry(status: number, headers: Headers): boolean {
  const given = headers.get('x-should-retry')
  if (given === 'true' || given === 'false') return given === 'true'
  return RETRYABLE_STATUSES.includes(status) || status >= 500
}

/**
 * The pause that a response requires, in seconds. `retry-after-ms` takes precedence; `retry-after` is seconds
 * (fractions too) or a date (RFC 9110 §10.2.3), which is compared with `now`, Unix milliseconds.
 */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const milliseconds = number(headers.get('retry-after-ms'))
  const text = headers.get('retry-after')
  const seconds =
    milliseconds !== undefined ? milliseconds / 1000 : (number(text) ?? (Date.parse(text ?? '') - now) / 1000)
  return seconds > 0 ? seconds : undefined // neither for NaN
}

function number(text: string | null): number | undefined {
  if (text === null || text.trim() === '') return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}
