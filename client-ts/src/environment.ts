// Time and chance, which tests replace.

/** What the client takes of its surroundings, apart from `fetch`; tests replace it. */
export interface Environment {
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
  /** Unix milliseconds. */
  now(): number
}

export const RUNTIME: Environment = {
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    }),
  random: () => Math.random(),
  now: () => Date.now(),
}
