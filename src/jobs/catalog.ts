// Every job there is: what it is given, where it runs, how long it may take, how often it is tried. The worker runs nothing else.
import { z } from 'zod'
import { AgreementId, Slug } from '../format/ids.js'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/**
 * Queues. Jobs of one lane share its workers: what takes hours must not stand before what takes milliseconds.
 *
 * `deposits`: each occupies scratch, memory and a remote. `checks`: each reads a store at full speed. `clocks`: short.
 */
export const lanes = ['deposits', 'checks', 'clocks'] as const
export type LaneName = (typeof lanes)[number]

/** When a job is due: `asked` when rows of its feature say so, `every` so many milliseconds as a chore of the whole service. */
export type JobSchedule = { readonly kind: 'asked' } | { readonly kind: 'every'; readonly everyMs: number }

interface JobRow<Payload extends z.ZodType> {
  readonly payload: Payload
  readonly lane: LaneName
  readonly schedule: JobSchedule
  /** Tries of one enqueued job, the first included. What is still due afterwards is enqueued again by the ticker. */
  readonly attempts: number
  /** From then on the job's signal is aborted with `JOB_TIMEOUT`. */
  readonly timeLimitMs: number
  /** Names the job among those that wait or run: a second one with the same key is not enqueued. */
  readonly key: (payload: z.output<Payload>) => string
}

const row = <Payload extends z.ZodType>(rule: JobRow<Payload>): JobRow<Payload> => rule
const nothing = z.strictObject({})
const every = (everyMs: number): JobSchedule => ({ kind: 'every', everyMs })
const chore = (everyMs: number, rule: { readonly timeLimitMs: number; readonly lane?: LaneName }) =>
  row({ payload: nothing, lane: 'clocks', attempts: 1, key: () => 'chore', ...rule, schedule: every(everyMs) })

/**
 * The jobs. `attempts` is 1 wherever the database says when to try next: a retry by the queue would not know of the source's own backoff.
 */
export const catalog = {
  /** A deposit of one pulled source. The limit is that of the largest deposit over the slowest remote that anybody waits for. */
  'mirror-source': row({
    payload: z.strictObject({ agreementId: AgreementId, source: Slug }),
    lane: 'deposits',
    schedule: { kind: 'asked' },
    attempts: 1,
    timeLimitMs: 12 * hourMs,
    key: ({ agreementId, source }) => `${agreementId}.${source}`,
  }),
  /** Pending events into the log, receipts for what has reached it. */
  'publish-log': chore(10 * secondMs, { timeLimitMs: 30 * minuteMs }),
  /** Deadlines that have passed. */
  'record-missed': chore(minuteMs, { timeLimitMs: 10 * minuteMs }),
  /** Sources that a clock which ran ahead has put off. */
  'mend-schedules': chore(hourMs, { timeLimitMs: 10 * minuteMs }),
  /** Credentials that will be needed soon. */
  'check-credentials': chore(10 * minuteMs, { timeLimitMs: hourMs, lane: 'checks' }),
  /** Notices of what has come into the log. */
  'announce-events': chore(10 * secondMs, { timeLimitMs: 30 * minuteMs }),
  /** Notices of deposits that are late. */
  'warn-late': chore(minuteMs, { timeLimitMs: 10 * minuteMs }),
  /** Notices to the contacts of parties. */
  'deliver-notices': chore(10 * secondMs, { timeLimitMs: 30 * minuteMs }),
  /** Clocks of requests and orders, grants, the dead man's switch. */
  'sweep-releases': chore(minuteMs, { timeLimitMs: 30 * minuteMs }),
  /** Copies that are due to be read again. */
  'check-fixity': chore(minuteMs, { timeLimitMs: hourMs, lane: 'checks' }),
  /** Parts of large copies, drawn by lot. */
  'spot-check': chore(minuteMs, { timeLimitMs: 10 * minuteMs, lane: 'checks' }),
  /** Bad copies and those that a replica never got. */
  'repair-objects': chore(10 * minuteMs, { timeLimitMs: 6 * hourMs, lane: 'checks' }),
  /** Locks that end soon. */
  'extend-retention': chore(hourMs, { timeLimitMs: 6 * hourMs, lane: 'checks' }),
  /** The whole log as every replica holds it. */
  'check-log': chore(dayMs, { timeLimitMs: 12 * hourMs, lane: 'checks' }),
} as const

export type JobName = keyof typeof catalog
export type JobPayload<Name extends JobName> = z.output<(typeof catalog)[Name]['payload']>

/** The names of all jobs. */
export const jobNames = Object.keys(catalog) as readonly JobName[]

/** A job that is wanted. */
export type WantedJob = { readonly [Name in JobName]: { readonly job: Name; readonly payload: JobPayload<Name> } }[JobName]

/** A chore of the whole service, and how often it is due. */
export interface Chore {
  readonly job: JobName
  readonly everyMs: number
}

/** The chores of the catalog, in its order. */
export function chores(): readonly Chore[] {
  return jobNames.flatMap((job) => {
    const { schedule } = catalog[job]
    return schedule.kind === 'every' ? [{ job, everyMs: schedule.everyMs }] : []
  })
}

/**
 * The key under which a job is enqueued. Queues take no colon in it.
 *
 * @returns the job's name and what tells it from others of that name.
 */
export function keyOf(wanted: WantedJob): string {
  const { key } = catalog[wanted.job] as JobRow<z.ZodType>
  return `${wanted.job}.${key(wanted.payload)}`
}

/** Whether a text names a job. */
export function isJobName(name: string): name is JobName {
  return Object.hasOwn(catalog, name)
}
