// A service under faults for some minutes (`npm run soak`): a fault, time to recover by itself, and then every promise is checked. Days pass
// within, because its clock is ours. SOAK_MINUTES (10), SOAK_SEED (the faults come in the same order again) and SOAK_ONLY (a part of the name of a
// fault) may be set. Each fault strikes at least once, however long that takes.
import { existsSync, renameSync } from 'node:fs'
import { expect, test } from 'vitest'
import { writeFaults } from '../doubles/failing-writes.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { deleteFile, flipBit } from '../story/service-life.js'
import { openFooting } from './footing.js'
import { canary, filesBelow, names, SoakedService } from './soaked-service.js'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 10)
const seed = process.env['SOAK_SEED'] ?? new Date().toISOString()
const only = process.env['SOAK_ONLY'] ?? ''

/** A number from 0 to below `count`. */
type Draw = (count: number) => number
type Fault = (soak: SoakedService, draw: Draw) => Promise<void>

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

/** Time passes, and the service does what is due, until somebody looks after it again. */
async function hours(soak: SoakedService, count: number): Promise<void> {
  for (let passed = 0; passed < count; passed += 1) {
    soak.service.clock.advance(hourMs)
    await soak.tick()
    await soak.settle()
  }
}

/** Something is away for a while, and comes back as it was. */
async function away(path: string, soak: SoakedService, count: number): Promise<void> {
  renameSync(path, `${path}-away`)
  try {
    await hours(soak, count)
  } finally {
    renameSync(`${path}-away`, path)
  }
}

/** Some stored file of a replica whose copies elsewhere are good. */
function someFile(soak: SoakedService, draw: Draw): string {
  const files = filesBelow(soak.service.replica(draw(2) === 0 ? 'a' : 'b')).filter((path) => /\/agreements\/.*\/sources\//.test(path))
  return files[draw(files.length)] ?? ''
}

const faults: Readonly<Record<string, Fault>> = {
  'nothing at all': (soak) => hours(soak, 6),
  'a replica is away for hours': (soak, draw) => away(soak.service.replica(draw(2) === 0 ? 'a' : 'b'), soak, 1 + draw(8)),
  'a remote is away for a day and a half': async (soak, draw) => {
    const missed = soak.missed
    await away(soak.repositories.get(names[draw(names.length)] ?? 'tools')?.path ?? '', soak, 36)
    await soak.catchUp()
    await soak.publish()
    // Promise 6: what did not come by its deadline is on record, for everybody.
    expect(soak.missed).toBeGreaterThan(missed)
  },
  'a byte is turned': async (soak, draw) => flipBit(someFile(soak, draw)),
  'a file is lost': async (soak, draw) => deleteFile(someFile(soak, draw)),
  'a write fails': async (soak, draw) => {
    soak.writes.plan(1 + draw(60), writeFaults[draw(2)] ?? 'not stored')
    await hours(soak, 7)
    soak.writes.revive()
  },
  'the machine dies at a write': async (soak, draw) => {
    soak.writes.plan(1 + draw(60), writeFaults[2 + draw(2)] ?? 'stored, then dead')
    await hours(soak, 7)
    await soak.restart()
  },
  'a deploy in mid-deposit': async (soak, draw) => {
    soak.service.clock.advance(7 * hourMs)
    await soak.tick()
    await pause(20 + draw(1500))
    await soak.restart()
  },
  'two tickers tick at once': async (soak) => {
    soak.service.clock.advance(7 * hourMs)
    await Promise.all([soak.tick(), soak.tick(), soak.tick()])
  },
  'the clock runs ahead for two days and is put right': async (soak) => {
    soak.service.clock.advance(2 * dayMs)
    await soak.tick()
    await soak.settle()
    soak.service.clock.advance(-2 * dayMs)
  },
}

/** With servers only. */
function faultsOn({ footing }: SoakedService): Readonly<Record<string, Fault>> {
  const { cutDatabase, emptyQueue } = footing
  const midWork = (strike: () => Promise<void>): Fault => {
    return async (soak, draw) => {
      soak.service.clock.advance(7 * hourMs)
      await soak.tick()
      for (let times = 0; times < 3; times += 1) {
        await pause(draw(300))
        await strike()
      }
    }
  }
  return {
    ...faults,
    ...(cutDatabase === undefined ? {} : { 'PostgreSQL drops every connection': midWork(cutDatabase) }),
    ...(emptyQueue === undefined ? {} : { 'Redis is emptied': midWork(emptyQueue) }),
  }
}

/** What depositors do: commits, branches that come and go, tags, now and then a history that is written anew. */
function change(soak: SoakedService, draw: Draw, round: number): void {
  for (const repository of soak.repositories.values()) {
    const label = `${canary}-${round}`
    if (draw(3) > 0) repository.addCommits('refs/heads/main', 1 + draw(3), { label })
    if (draw(4) === 0) repository.addCommits(`refs/heads/side-${round}`, 1, { label })
    if (draw(5) === 0) repository.git(['tag', `v${round}`, 'refs/heads/main'])
    if (draw(8) === 0) repository.git(['update-ref', 'refs/heads/main', 'refs/heads/main~1'])
    const [side] = repository.refs().filter((line) => line.startsWith('refs/heads/side-'))
    if (draw(4) === 0 && side !== undefined) repository.git(['update-ref', '-d', side.split(' ')[0] ?? ''])
  }
}

test('a service under faults keeps every promise', { timeout: (minutes + 20) * 60_000 }, async () => {
  const entropy = new SeededEntropy(seed)
  const draw: Draw = (count) => Buffer.from(entropy.bytes(4)).readUInt32BE() % Math.max(1, count)
  const soak = await SoakedService.open(await openFooting())
  const end = Date.now() + minutes * 60_000
  const struck: string[] = []
  process.stdout.write(`soak: seed ${seed}, ${minutes} minutes, on ${soak.footing.words}\n`)
  try {
    await soak.catchUp()
    await soak.expectPromises()
    const all = Object.entries(faultsOn(soak)).filter(([name]) => name.includes(only))
    for (let round = 0; Date.now() < end || round < all.length; round += 1) {
      // Each once in turn, then by lot.
      const [name, strike] = all[round < all.length ? round : draw(all.length)] ?? all[0]!
      struck.push(name)
      change(soak, draw, round)
      await strike(soak, draw)
      await soak.catchUp()
      await soak.expectPromises()
    }
    expect(soak.deposits).toBeGreaterThan(all.length)
  } catch (error) {
    throw new Error(`round ${struck.length} (${struck.at(-1) ?? 'none yet'}) with seed ${seed}`, { cause: error })
  } finally {
    if (existsSync(soak.service.home)) await soak.close()
  }
  const days = Math.round((soak.service.clock.time.getTime() - Date.parse('2026-11-22T10:00:00Z')) / dayMs)
  process.stdout.write(`soak: ${struck.length} faults, ${soak.deposits} deposits, ${days} days; every promise held after each\n`)
})
