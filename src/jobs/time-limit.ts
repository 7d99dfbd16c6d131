import { EscrowError } from '../core/errors.js'
import { jobStopMs } from '../core/job-limits.js'

/**
 * Run work that must end in time.
 *
 * @param limit.timeLimitMs - then the work's signal is aborted with `JOB_TIMEOUT`.
 * @param limit.stopMs - what has not stopped so long after its signal was aborted is left behind: its lane goes on without it.
 * @param signal - aborts the work's signal with its own reason.
 * @returns what the work returns; work that ends well although it was told to stop has ended well.
 * @throws what the work throws; the signal's reason, or `JOB_TIMEOUT`, when it was left behind
 */
export async function withTimeLimit<T>(
  limit: { readonly timeLimitMs: number; readonly stopMs?: number },
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const stop = new AbortController()
  const limited = AbortSignal.any([signal, stop.signal])
  const timers: NodeJS.Timeout[] = []
  const leftBehind = new Promise<never>((_, reject) => {
    const leave = () => timers.push(setTimeout(() => reject(limited.reason as Error), limit.stopMs ?? jobStopMs))
    if (limited.aborted) leave()
    else limited.addEventListener('abort', leave, { once: true })
  })
  const tooLate = new EscrowError('JOB_TIMEOUT', `expected the job to end within ${limit.timeLimitMs / 1000} s`)
  timers.push(setTimeout(() => stop.abort(tooLate), limit.timeLimitMs))
  try {
    return await Promise.race([work(limited), leftBehind])
  } finally {
    for (const timer of timers) clearTimeout(timer)
    // Nobody waits for it any more, and it must not count as unhandled.
    leftBehind.catch(() => undefined)
  }
}
