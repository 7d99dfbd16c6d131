import { readFile, rm, writeFile, chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OpenedCheckpoint } from '../../src/format/checkpoint.js'
import { checkTiles, type TileFinding } from '../../src/format/check-tiles.js'
import { verifyConsistency } from '../../src/format/merkle.js'
import { tilePath, type Tile } from '../../src/format/tile.js'
import { LogReader } from '../../src/log/log-reader.js'
import { listLeaves } from '../../src/log/log.table.js'
import { LogFixture, policy } from '../doubles/log-fixture.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'
import { EscrowError } from '../../src/core/errors.js'

// One log for all tests of this file: reading changes nothing, and what is damaged is mended again.
let log: LogFixture
let reader: LogReader
let newest: OpenedCheckpoint
const size = 700

beforeAll(async () => {
  log = await LogFixture.open()
  for (const count of [300, 400]) {
    await log.seed(count)
    await log.sequencer().run()
  }
  reader = new LogReader(log.database, log.store, policy)
  newest = (await reader.checkpoint('newest'))!
})
afterAll(() => log.close())

const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const file = (replica: string, tile: Tile) => join(log.home, replica, tile.width === 256 ? 'store' : 'heads', tilePath(tile))
const tiles = {
  leaves: { level: 0, index: 0, width: 256 },
  upper: { level: 1, index: 0, width: 2 },
  last: { level: 0, index: 2, width: 188 },
  entries: { level: 'entries', index: 1, width: 256 },
  lastEntries: { level: 'entries', index: 2, width: 188 },
} as const

/** Put other bytes into a file, do something, and put the right ones back. */
async function damaged<T>(path: string, bytes: Uint8Array | null, work: () => Promise<T>): Promise<T> {
  const right = await readFile(path)
  await chmod(path, 0o644)
  await (bytes === null ? rm(path) : writeFile(path, bytes))
  try {
    return await work()
  } finally {
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, right)
  }
}
const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, place) => (place === at ? byte ^ 1 : byte))

test('every leaf can be proven under the newest checkpoint', async () => {
  const rows = await log.inner.query((db) => listLeaves(db, 0, size))
  for (const { leafHash, logIndex } of rows.filter((_, at) => at % 37 === 0 || at > 690)) {
    const proven = await reader.proveLeaf(leafHash, 'newest')
    expect(proven!.proof.index).toBe(logIndex)
  }
})

test('growth can be proven from every size', async () => {
  const rows = await log.inner.query((db) => listLeaves(db, 0, size))
  const hashes = rows.map(({ leafHash }) => Buffer.from(leafHash, 'hex'))
  const oracle = new (class extends NaiveMerkle {
    override root(start: number, end: number): Buffer {
      return end - start === 1 ? hashes[start]! : super.root(start, end)
    }
  })(hashes)
  for (const oldSize of [0, 1, 255, 256, 257, 300, 512, 699, 700]) {
    const claim = { oldSize, newSize: size, oldRoot: oracle.root(0, oldSize), newRoot: newest.root }
    verifyConsistency(claim, await reader.proveGrowth(oldSize, newest))
  }
})

test('a pending event has no proof yet, and an unknown one never', async () => {
  await expect(reader.proveLeaf('00'.repeat(32), 'newest')).rejects.toThrow(refused('NOT_FOUND'))
  expect(await reader.checkpoint('witnessed')).toBeNull()
})

test('a damaged tile at one replica is passed over; at all, the proof is refused', async () => {
  const [row] = await log.inner.query((db) => listLeaves(db, 3, 4))
  const fresh = () => new LogReader(log.database, log.store, policy).proveLeaf(row!.leafHash, 'newest')
  const bytes = flip(await readFile(file('north', tiles.leaves)), 1000)
  await damaged(file('north', tiles.leaves), bytes, async () => {
    expect((await fresh())!.proof.index).toBe(3)
    await damaged(file('south', tiles.leaves), bytes, () => expect(fresh()).rejects.toThrow(refused('PROOF_INVALID')))
    await damaged(file('south', tiles.leaves), bytes.subarray(1), () => expect(fresh()).rejects.toThrow(EscrowError))
    await damaged(file('south', tiles.leaves), null, () => expect(fresh()).rejects.toThrow(EscrowError))
  })
})

test('tiles kept from a bad replica are forgotten', async () => {
  const [row] = await log.inner.query((db) => listLeaves(db, 3, 4))
  const one = new LogReader(log.database, log.store, policy)
  const bytes = flip(await readFile(file('north', tiles.leaves)), 1000)
  const both = (work: () => Promise<unknown>) =>
    damaged(file('north', tiles.leaves), bytes, () => damaged(file('south', tiles.leaves), bytes, work))
  await both(() => expect(one.proveLeaf(row!.leafHash, 'newest')).rejects.toThrow(refused('PROOF_INVALID')))
  expect(await one.proveLeaf(row!.leafHash, 'newest')).not.toBeNull()
})

const check = (checkpoint = newest) => checkTiles(checkpoint, log.store.reader(log.replicas.replicas[0]!))

test('a good log is recomputed from its entries to its root', async () => {
  const seen: string[] = []
  const found = await checkTiles(newest, log.store.reader(log.replicas.replicas[1]!), {
    visit: (first, entries) => void seen.push(`${first}+${entries.length}`),
  })
  expect(found).toEqual({ leaves: size, findings: [] })
  expect(seen).toEqual(['0+256', '256+256', '512+188'])
})

const damages: readonly (readonly [
  string,
  Tile,
  (bytes: Uint8Array) => Uint8Array | null,
  readonly (readonly [Tile | 'checkpoint', TileFinding['problem']])[],
])[] = [
  ['a lost tile', tiles.leaves, () => null, [[tiles.leaves, 'malformed']]],
  ['a short tile', tiles.leaves, (bytes) => bytes.subarray(1), [[tiles.leaves, 'malformed']]],
  [
    'a changed tile',
    tiles.leaves,
    (bytes) => flip(bytes, 40),
    [
      [tiles.leaves, 'mismatch'],
      [tiles.upper, 'mismatch'],
      ['checkpoint', 'mismatch'],
    ],
  ],
  ['a changed upper tile', tiles.upper, (bytes) => flip(bytes, 40), [[tiles.upper, 'mismatch']]],
  ['a lost upper tile', tiles.upper, () => null, [[tiles.upper, 'malformed']]],
  ['a lost bundle', tiles.entries, () => null, [[tiles.entries, 'malformed']]],
  ['a changed entry', tiles.entries, (bytes) => flip(bytes, 40), [[{ ...tiles.entries, level: 0 }, 'mismatch']]],
  ['a cut bundle', tiles.entries, (bytes) => bytes.subarray(0, -1), [[tiles.entries, 'malformed']]],
  ['a changed last bundle', tiles.lastEntries, (bytes) => flip(bytes, 40), [[tiles.last, 'mismatch']]],
]

test.for(damages)('%s is found and named', async ([, tile, change, expected]) => {
  const path = file('north', tile)
  const { findings } = await damaged(path, change(await readFile(path)), () => check())
  const named = expected.map(([what, problem]) => ({ path: what === 'checkpoint' ? what : tilePath(what), problem }))
  expect(findings.map(({ path: where, problem }) => ({ path: where, problem }))).toEqual(named)
})

test('another root under the same size is found at the end', async () => {
  const { findings } = await check({ ...newest, root: new Uint8Array(32) })
  expect(findings).toMatchObject([{ path: 'checkpoint', problem: 'mismatch' }])
})

test('where both files of a stretch are lost the check stops and says so', async () => {
  const { leaves, findings } = await damaged(file('north', tiles.leaves), null, () =>
    damaged(file('north', { ...tiles.leaves, level: 'entries' }), null, () => check()),
  )
  expect(leaves).toBe(0)
  expect(findings.map(({ path }) => path).sort()).toEqual(['tile/0/000', 'tile/entries/000'])
})

test('an empty log is a good log', async () => {
  const { root } = { root: new NaiveMerkle([]).root(0, 0) }
  expect(await check({ ...newest, size: 0, root })).toEqual({ leaves: 0, findings: [] })
})
