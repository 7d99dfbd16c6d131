/** One line of JSON for each job that ended, and what Prometheus may read of the jobs of this process. */
import pino, { type DestinationStream, type Logger } from 'pino'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { monotonicMs } from '../core/environment.js'
import { isEscrowError } from '../core/errors.js'
import type { JobName } from './catalog.js'
import type { JobFacts } from './job-handler.js'

/** A job at work. */
export interface RunningJob {
  readonly job: JobName
  /** Its key: the correlation id of everything that it does. */
  readonly key: string
  /** From 1. */
  readonly attempt: number
}

/** How a job ended: with facts, with an error, or back in the queue because the process stops. */
export type JobEnd =
  | { readonly kind: 'done'; readonly facts: JobFacts }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'given-back' }

/** Tells operators what jobs do. */
export class JobObserver {
  private readonly logger: Logger
  private readonly seconds: Histogram<'job' | 'outcome'>
  private readonly running: Gauge<'job'>
  private readonly outcomes: Counter<'job' | 'outcome'>
  private readonly bytes: Counter<'job'>
  private readonly faults: Counter<'where'>

  /** @param destination - where lines go; standard error when left out. @param registry - of the process; null for none. */
  constructor(destination: DestinationStream = pino.destination({ dest: 2, sync: false }), registry: Registry | null = null) {
    this.logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
    const registers = registry === null ? [] : [registry]
    this.seconds = new Histogram({
      name: 'escrow_job_seconds',
      help: 'How long jobs took, by job and outcome (done, failed, given-back).',
      labelNames: ['job', 'outcome'],
      buckets: [0.01, 0.1, 1, 10, 60, 600, 3600, 21_600],
      registers,
    })
    this.running = new Gauge({ name: 'escrow_job_running', help: 'Jobs at work in this process.', labelNames: ['job'], registers })
    this.outcomes = new Counter({
      name: 'escrow_job_outcomes_total',
      help: 'What jobs came to: their outcome (deposited, unchanged, ...), done where they name none, or the code of their failure.',
      labelNames: ['job', 'outcome'],
      registers,
    })
    this.bytes = new Counter({
      name: 'escrow_job_bytes_total',
      help: 'Bytes that jobs deposited or read again.',
      labelNames: ['job'],
      registers,
    })
    this.faults = new Counter({
      name: 'escrow_queue_faults_total',
      help: 'Times that the queue or the question what is due failed.',
      labelNames: ['where'],
      registers,
    })
  }

  /** A job begins. @returns what to call when it ends, once. */
  began(running: RunningJob): (end: JobEnd) => void {
    const startedMs = monotonicMs()
    this.running.inc({ job: running.job })
    return (end) => {
      const ms = Math.round(monotonicMs() - startedMs)
      this.running.dec({ job: running.job })
      this.seconds.observe({ job: running.job, outcome: end.kind }, ms / 1000)
      this.count(running.job, end)
      this.say({ ...running, ms }, end)
    }
  }

  private count(job: JobName, end: JobEnd): void {
    if (end.kind === 'done') {
      const { outcome, bytes } = end.facts
      this.outcomes.inc({ job, outcome: typeof outcome === 'string' ? outcome : 'done' })
      if (typeof bytes === 'number') this.bytes.inc({ job }, bytes)
    } else this.outcomes.inc({ job, outcome: end.kind === 'failed' ? codeOf(end.error) : end.kind })
  }

  /** Queue or database could not be asked. The next try comes by itself. */
  fault(where: 'ticker' | 'queue' | 'worker', error: unknown): void {
    this.faults.inc({ where })
    this.logger.warn({ where, ...wordsOf(error) }, 'the queue or the index could not be reached')
  }

  private say(facts: RunningJob & { readonly ms: number }, end: JobEnd): void {
    if (end.kind === 'done') this.logger.info({ ...facts, ...end.facts }, 'job done')
    else if (end.kind === 'given-back') this.logger.info(facts, 'job given back')
    else this.logger[isEscrowError(end.error) ? 'warn' : 'error']({ ...facts, ...wordsOf(end.error) }, 'job failed')
  }
}

const codeOf = (error: unknown): string => (isEscrowError(error) ? error.code : 'FAULT')

/** Code and words; the stack only where the fault is our own. */
function wordsOf(error: unknown): object {
  if (isEscrowError(error)) {
    const { cause } = error
    return { code: error.code, message: error.message, ...(cause instanceof Error ? { cause: cause.message } : {}) }
  }
  return error instanceof Error ? { code: 'FAULT', message: error.message, stack: error.stack } : { code: 'FAULT', message: String(error) }
}
