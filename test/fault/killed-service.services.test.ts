// `escrow serve` as real processes that are stopped and killed in the middle of deposits: whoever comes next takes over, and nothing is lost,
// done twice, or left waiting for somebody.
import { createCipheriv } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuiltEscrow, type RunningEscrow } from '../doubles/built-escrow.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { Footprint } from '../services/footprint.js'

const names = ['one', 'two', 'three', 'four']
/** Of each deposit, about; more than a start and its chores send. */
const depositBytes = 400_000
let built: BuiltEscrow
let repository: GitFixture
const running: RunningEscrow[] = []

beforeAll(() => {
  built = BuiltEscrow.build()
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  const incompressible = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(depositBytes))
  repository.addRefs(['refs/tags/large'], repository.writeRaw('blob', incompressible))
}, 300_000)
afterAll(() => {
  repository?.remove()
  built?.remove()
})

const sources = () => names.flatMap((name) => [`  - source: ${name}`, `    url: ${repository.path}`])

/** Start a process, and wait until it serves. */
async function serve(home: EscrowHome, role: 'all' | 'worker'): Promise<RunningEscrow> {
  const started = built.start(['serve', '--home', home.home, '--role', role], { ESCROW_HTTP_PORT: '0' })
  running.push(started)
  await until(
    () => started.said.includes('/health/ready'),
    60_000,
    () => `it serves: ${started.said}`,
  )
  return started
}

async function until(holds: () => boolean | Promise<boolean>, withinMs: number, what: () => string): Promise<void> {
  for (const end = Date.now() + withinMs; !(await holds());) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what()}`)
    await new Promise((resolve) => void setTimeout(resolve, 5))
  }
}

const deposited = (by: RunningEscrow) =>
  by.jobs<{ readonly outcome?: string }>('mirror-source', 'job done').filter(({ outcome }) => outcome === 'deposited').length
const receipts = (by: RunningEscrow) =>
  by.jobs<{ readonly receipts?: number }>('publish-log', 'job done').reduce((sum, one) => sum + (one.receipts ?? 0), 0)

/** Files of a name about each source, below a folder of an archive. */
function filesOf(archive: string, name: string): readonly string[] {
  if (!existsSync(archive)) return []
  const found = readdirSync(archive, { recursive: true }).map(String)
  return found.filter((path) => path.includes('/sources/') && path.endsWith(`/${name}`))
}

/** Every source has one deposit, and all that was promised of it holds, for the service and for a stranger with a copy. */
async function expectWhole(home: EscrowHome): Promise<void> {
  const { sources: mirrored } = await home.json<{ sources: { source: string; outcome: string; sequence?: number }[] }>('mirror')
  expect(new Map(mirrored.map(({ source, outcome }) => [source, outcome]))).toEqual(new Map(names.map((name) => [name, 'unchanged'])))
  expect(await home.must('check', '--all')).toContain('every one matches')
  await home.must('check-log')
  await home.must('replicate', '--to', home.at('copy'))
  expect(await home.must('verify', home.at('copy'), '--agreement', home.agreement)).toContain('everything that was looked at holds')
  const manifests = filesOf(home.at('copy'), 'manifest.json')
  for (const name of names)
    expect(
      manifests.filter((path) => path.includes(`/sources/${name}/`)),
      name,
    ).toHaveLength(1)
}

test('a worker of a fleet is deployed anew, and the next one killed, in mid-deposit', async () => {
  const footprint = await Footprint.open('PostgreSQL, Redis and two S3')
  const home = await EscrowHome.make(sources(), { configuration: () => footprint.configuration })
  try {
    footprint.gate.holdAfter(depositBytes / 2)
    const first = await serve(home, 'worker')
    await until(
      () => footprint.gate.holds,
      60_000,
      () => `a deposit is under way: ${first.said}`,
    )
    // A deploy: what is under way goes back to the queue, although the store has fallen silent.
    const stopped = await first.end('SIGTERM')
    expect([stopped.exitCode, stopped.signal], first.said).toEqual([0, null])
    expect(deposited(first)).toBe(0)
    expect(first.jobs('mirror-source', 'job given back').length).toBeGreaterThan(0)
    footprint.gate.open()

    footprint.gate.holdAfter(depositBytes / 2)
    const second = await serve(home, 'worker')
    // The next worker need not wait for any clock: its jobs lie in the queue.
    await until(
      () => footprint.gate.holds,
      30_000,
      () => `a deposit is under way again: ${second.said}`,
    )
    await second.end('SIGKILL')
    expect(deposited(second)).toBe(0)
    footprint.gate.open()

    const third = await serve(home, 'worker')
    await until(
      () => receipts(third) === names.length,
      240_000,
      () => `every deposit has its receipt: ${third.said}`,
    )
    expect(deposited(third)).toBe(names.length)
    const ended = await third.end('SIGTERM')
    expect([ended.exitCode, ended.signal], third.said).toEqual([0, null])
    await expectWhole(home)
  } finally {
    await Promise.all(running.splice(0).map((one) => one.end('SIGKILL')))
    await home.remove()
    await footprint.close()
  }
}, 600_000)

test('a service on a laptop is killed in mid-deposit, twice, and started again', async () => {
  const home = await EscrowHome.make(sources(), { database: 'folder' })
  try {
    const done = () => filesOf(home.replica, 'receipt.json').length
    for (let times = 0; times < 2; times += 1) {
      const killed = await serve(home, 'all')
      await until(
        () => underWay(home),
        120_000,
        () => `a deposit is under way: ${killed.said}`,
      )
      await killed.end('SIGKILL')
      expect(done()).toBeLessThan(names.length)
    }
    const last = await serve(home, 'all')
    await until(
      () => done() === names.length,
      240_000,
      () => `every deposit has its receipt: ${last.said}`,
    )
    const ended = await last.end('SIGTERM')
    expect([ended.exitCode, ended.signal], last.said).toEqual([0, null])
    await expectWhole(home)
  } finally {
    await Promise.all(running.splice(0).map((one) => one.end('SIGKILL')))
    await home.remove()
  }
}, 600_000)

/** Whether something lies on scratch. */
function underWay(home: EscrowHome): boolean {
  const scratch = home.at('service', 'scratch')
  return existsSync(scratch) && readdirSync(scratch).length > 0
}
