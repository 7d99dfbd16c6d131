import { EscrowError } from '../core/errors.js'
import { catalog, type JobName, type JobPayload } from './catalog.js'

/** What a job came to, for the log of the service: counts, ids and codes, never material. */
export type JobFacts = Readonly<Record<string, string | number | boolean | null>>

/** What does the jobs of one row. */
export interface JobHandler {
  readonly job: JobName
  /**
   * Do it once.
   *
   * @param payload - as the queue gave it; attacker-controlled, whoever can write to the queue.
   * @throws EscrowError `FORMAT_INVALID`; whatever stops the work
   */
  readonly run: (payload: unknown, signal: AbortSignal) => Promise<JobFacts>
}

/** Features declare what they do for the worker with this: the providers of `JobHandlers` are asked when it starts. */
export interface JobHandlers {
  handlers(): readonly JobHandler[]
}

/**
 * The handler of one row of the catalog.
 *
 * @param work - gets a payload that was parsed. It stops soon after the signal is aborted, and leaves a state from which it can be done again.
 */
export function handles<Name extends JobName>(
  job: Name,
  work: (payload: JobPayload<Name>, signal: AbortSignal) => Promise<JobFacts>,
): JobHandler {
  return {
    job,
    run: async (payload, signal) => {
      const parsed = catalog[job].payload.safeParse(payload)
      if (!parsed.success) throw new EscrowError('FORMAT_INVALID', `expected the payload of ${job}, got something else`)
      return work(parsed.data as JobPayload<Name>, signal)
    },
  }
}
