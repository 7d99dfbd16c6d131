// What the queue promises on every backend.
import { afterEach, describe, expect, test } from 'vitest'
import { jobNames, type JobName, type WantedJob } from '../../src/jobs/catalog.js'
import { handles, type JobFacts, type JobHandler } from '../../src/jobs/job-handler.js'
import { JobObserver } from '../../src/jobs/job-observer.js'
import type { QueueConnection } from '../../src/jobs/queue-connection.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { JobWorker, type WorkerRules } from '../../src/jobs/worker.js'

type Work = (payload: unknown, signal: AbortSignal) => Promise<JobFacts>
/** What a worker did, as its log says it. */
interface Line {
  readonly msg: string
  readonly job?: string
  readonly key?: string
  readonly attempt?: number
  readonly code?: string
}

const source = (name: string): WantedJob => ({
  job: 'mirror-source',
  payload: { agreementId: 'agr_aaaaaaaaaaaaaaaaaaaa' as never, source: name },
})
const chore: WantedJob = { job: 'publish-log', payload: {} }

/** Handlers for every row: the given ones, and others that do nothing. */
export function handlersWith(own: Partial<Record<JobName, Work>>): readonly JobHandler[] {
  return jobNames.map((job) => handles(job, own[job] ?? (async () => ({}))))
}

/** Run the contract. @param connect - an empty queue; several connections see the same jobs. */
export function jobQueueContract(name: string, connect: () => Promise<QueueConnection>): void {
  describe(`the queue on ${name}`, () => {
    const open: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const close of open.splice(0).toReversed()) await close()
    })

    async function queue(): Promise<JobQueue> {
      const connection = await connect()
      const opened = new JobQueue(connection)
      open.push(async () => {
        await opened.close()
        await connection.close()
      })
      return opened
    }

    async function worker(own: Partial<Record<JobName, Work>>, rules: Partial<WorkerRules> = {}) {
      const connection = await connect()
      const lines: Line[] = []
      const observer = new JobObserver({ write: (line) => void lines.push(JSON.parse(line) as Line) })
      const atOnce = { deposits: 2, checks: 1, clocks: 2 }
      const started = new JobWorker(connection, handlersWith(own), observer, { atOnce, graceMs: 50, lockMs: 1000, ...rules })
      started.start()
      open.push(async () => {
        await started.stop()
        await connection.close()
      })
      return { lines, stop: () => started.stop() }
    }

    test('a job is done once, with its payload, and told to the log', async () => {
      const seen: unknown[] = []
      const { lines } = await worker({ 'mirror-source': async (payload) => (seen.push(payload), { sequence: 7 }) })
      await (await queue()).enqueue([source('a'), chore])
      await until(() => lines.length === 2)
      expect(seen).toEqual([source('a').payload])
      expect(lines).toContainEqual(expect.objectContaining({ msg: 'job done', job: 'mirror-source', sequence: 7, attempt: 1 }))
    })

    test('a job that waits or runs is not enqueued a second time; one that is over can be', async () => {
      const jobs = await queue()
      await jobs.enqueue([source('a'), source('b')])
      await jobs.enqueue([source('a'), source('a'), source('b')])
      expect((await jobs.counts()).find(({ lane }) => lane === 'deposits')).toEqual({ lane: 'deposits', waiting: 2, active: 0 })
      const gate = gateway()
      const seen: string[] = []
      const { lines } = await worker({
        'mirror-source': async (payload) => {
          seen.push((payload as { source: string }).source)
          await gate.passed
          return {}
        },
      })
      await until(() => seen.length === 2)
      await jobs.enqueue([source('a'), source('b')])
      gate.open()
      await until(() => lines.length === 2)
      await until(async () => (await jobs.counts()).every(({ waiting, active }) => waiting + active === 0))
      expect(seen.sort()).toEqual(['a', 'b'])
      await jobs.enqueue([source('a')])
      await until(() => lines.length === 3)
    })

    test('what fails is over, and leaves its key to whoever finds it due again', async () => {
      const { lines } = await worker({ 'mirror-source': () => Promise.reject(new Error('no')) })
      const jobs = await queue()
      await jobs.enqueue([source('a')])
      await until(() => lines.length === 1)
      expect(lines[0]).toMatchObject({ msg: 'job failed', code: 'FAULT' })
      await until(async () => (await jobs.counts()).every(({ waiting, active }) => waiting + active === 0))
      await jobs.enqueue([source('a')])
      await until(() => lines.length === 2)
    })

    test('a payload that is not what the catalog says reaches no handler', async () => {
      let ran = 0
      const { lines } = await worker({ 'mirror-source': async () => ((ran += 1), {}) })
      const strange = { job: 'mirror-source', payload: { agreementId: '../..', source: 'a' } } as unknown as WantedJob
      await (await queue()).enqueue([strange])
      await until(() => lines.length === 1)
      expect([ran, lines[0]?.code]).toEqual([0, 'FORMAT_INVALID'])
    })

    test('a worker that stops gives a long job back, and another one does it on its first attempt', async () => {
      const begun = gateway()
      const first = await worker({
        'mirror-source': async (_, signal) => {
          begun.open()
          await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('told to stop')), { once: true }))
          return {}
        },
      })
      await (await queue()).enqueue([source('long')])
      await begun.passed
      await first.stop()
      expect(first.lines.map(({ msg }) => msg)).toEqual(['job given back'])
      const second = await worker({})
      await until(() => second.lines.length === 1)
      expect(second.lines[0]).toMatchObject({ msg: 'job done', key: 'mirror-source.agr_aaaaaaaaaaaaaaaaaaaa.long', attempt: 1 })
    })

    test('a job that ends within the grace is not given back', async () => {
      const begun = gateway()
      const { lines, stop } = await worker({ 'publish-log': async () => (begun.open(), await sleep(50), {}) }, { graceMs: 5000 })
      await (await queue()).enqueue([chore])
      await begun.passed
      await stop()
      expect(lines.map(({ msg }) => msg)).toEqual(['job done'])
    })

    test('a hundred sources are each done once by two workers', async () => {
      const seen: string[] = []
      const work: Work = async (payload) => (seen.push((payload as { source: string }).source), {})
      await worker({ 'mirror-source': work })
      await worker({ 'mirror-source': work })
      const names = Array.from({ length: 100 }, (_, place) => `source-${place}`)
      await (await queue()).enqueue(names.map(source))
      await until(() => seen.length === 100)
      expect([...seen].sort()).toEqual([...names].sort())
    })
  })
}

/** Wait for something that comes soon. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  // The test's own time limit ends a wait in vain.
  while (!(await holds())) await sleep(20)
}

const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

function gateway(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined
  const passed = new Promise<void>((resolve) => (open = resolve))
  return { passed, open: () => open() }
}
