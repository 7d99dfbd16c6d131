/**
 * The log's speed, as ratios within one run: appending in batches on PostgreSQL, one proof in ten million leaves, and the check of a whole log
 * against plain SHA-256 of the same leaves.
 *
 * Run: `node dist/bench/log.js [postgres://user@host/empty-database]`. Without a URL appending is left out.
 */
import { createCipheriv, hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SystemClock, SystemEntropy, monotonicMs } from '../src/core/environment.js'
import { tileWidth } from '../src/core/limits.js'
import { signingKeyFromSeed } from '../src/crypto/signature.js'
import { PostgresDatabase } from '../src/db/postgres-database.js'
import { checkTiles } from '../src/format/check-tiles.js'
import { leafHash, verifyInclusion } from '../src/format/merkle.js'
import { formatEntryBundle, tilePath, type Tile } from '../src/format/tile.js'
import { proveInclusion, type ReadTile } from '../src/format/tile-proof.js'
import { TreeEdge, type HashTile } from '../src/format/tree-edge.js'
import { EventLog, type EventDraft } from '../src/log/event-log.js'
import { LogStore } from '../src/log/log-store.js'
import { Sequencer } from '../src/log/sequencer.js'
import { FsLogHeadStore } from '../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../src/store/fs-object-store.js'
import { makeStoreFolder } from '../src/store/fs-store-folder.js'
import { ReplicaSet } from '../src/store/replica-set.js'

/** Where results go, one line each. */
export type Print = (line: string) => void

const rate = (count: number, sinceMs: number) => Math.round((count * 1000) / (monotonicMs() - sinceMs))
const thousands = (value: number) => value.toLocaleString('en')

/** Recompute a log of a million leaves from its bundles and tiles, beside one bare SHA-256 for each of the same leaves. */
export async function benchCheck(print: Print, leaves = 1_000_000): Promise<void> {
  const files = new Map<string, Uint8Array>()
  const edge = new TreeEdge()
  const entries: Uint8Array[] = []
  for (let first = 0; first < leaves; first += tileWidth) {
    const width = Math.min(tileWidth, leaves - first)
    const bundle = Array.from({ length: width }, (_, at) => entryOf(first + at))
    entries.push(...bundle)
    files.set(tilePath({ level: 'entries', index: first / tileWidth, width }), formatEntryBundle(bundle))
    for (const entry of bundle) for (const { tile, bytes } of edge.append(leafHash(entry))) files.set(tilePath(tile), bytes)
  }
  for (const { tile, bytes } of edge.partialTiles()) files.set(tilePath(tile), bytes)
  const read: ReadTile = async (tile) => files.get(tilePath(tile)) ?? new Uint8Array(0)

  let started = monotonicMs()
  for (const entry of entries) hash('sha256', entry, 'hex')
  const plain = rate(leaves, started)
  started = monotonicMs()
  const { findings } = await checkTiles({ origin: 'bench', size: leaves, root: edge.root() }, read)
  const checked = rate(leaves, started)
  if (findings.length > 0) throw new Error('the log that was made is not good')
  print(
    `check log        ${thousands(checked)} leaves/s (target 200,000); ${(checked / plain).toFixed(2)} x one sha256 of each leaf (${thousands(plain)}/s)`,
  )
}

/** An entry's size and shape; what it says does not matter here. */
function entryOf(index: number): Uint8Array {
  const line = Buffer.alloc(44, 'A')
  line.write(String(index))
  return Buffer.concat([Buffer.from('escrow-leaf/v1\n'), line, Buffer.from('\n'), line, Buffer.from('\n')])
}

/** One proof in a log of ten million leaves whose tiles of level 0 are made up as they are read; those above are real. */
export async function benchProof(print: Print, leaves = 10_000_000): Promise<void> {
  const upper = new Map<string, Uint8Array>()
  const edge = new TreeEdge()
  const keep = (tiles: readonly HashTile[]) => {
    for (const { tile, bytes } of tiles) if (tile.level > 0) upper.set(tilePath(tile), bytes)
  }
  for (let index = 0; index < Math.floor(leaves / tileWidth); index += 1) keep(edge.appendTile(synthetic(index, tileWidth)))
  const rest = synthetic(Math.floor(leaves / tileWidth), leaves % tileWidth)
  for (let at = 0; at < leaves % tileWidth; at += 1) edge.append(rest.subarray(at * 32, at * 32 + 32))
  keep(edge.partialTiles())
  const root = edge.root()
  const times: number[] = []
  let readsMax = 0
  for (let round = 0; round < 200; round += 1) {
    const index = (round * 7_919_993) % leaves
    const place = index % tileWidth
    const own = synthetic(Math.floor(index / tileWidth), tileWidth).slice(place * 32, place * 32 + 32)
    let reads = 0
    const started = monotonicMs()
    const proof = await proveInclusion(index, leaves, async (tile: Tile) => {
      reads += 1
      return tile.level === 0 ? synthetic(tile.index, tile.width) : (upper.get(tilePath(tile)) ?? new Uint8Array(0))
    })
    verifyInclusion({ index, size: leaves, leafHash: own, root }, proof)
    times.push(monotonicMs() - started)
    readsMax = Math.max(readsMax, reads)
  }
  const median = times.sort((a, b) => a - b)[100] ?? 0
  print(
    `one proof        ${readsMax} tile reads at most (target 20), ${median.toFixed(2)} ms made and verified, in ${thousands(leaves)} leaves`,
  )
}

/** Bytes that look like hashes, the same for the same tile. */
function synthetic(index: number, width: number): Uint8Array {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(index)
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), iv).update(Buffer.alloc(width * 32))
}

/** Record events in batches and sequence them, with one replica in a folder. */
export async function benchAppend(print: Print, url: string, batches = 3, batchEntries = 2048): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'escrow-bench-'))
  const database = await PostgresDatabase.open({ url, poolMax: 4 })
  const [clock, entropy] = [new SystemClock(), new SystemEntropy()]
  try {
    for (const name of ['store', 'heads']) await makeStoreFolder(join(home, name))
    const place = { name: 'bench', country: 'CH', control: 'CH', heads: new FsLogHeadStore(join(home, 'heads'), entropy) }
    const replicas = new ReplicaSet([{ ...place, store: new FsObjectStore(join(home, 'store'), clock, entropy) }])
    const retainUntil = (at: Date) => new Date(at.getTime() + 86_400_000)
    const signer = signingKeyFromSeed(entropy.bytes(32))
    const sequencer = new Sequencer(database, new LogStore(replicas), clock, {
      origin: 'bench',
      signer,
      holder: 'bench',
      retainUntil,
      witnesses: null,
    })
    const events = new EventLog(database, replicas, clock, entropy, retainUntil)
    const tagSecret = entropy.bytes(32)
    const [recorded, sequenced] = [{ ms: 0 }, { ms: 0 }]
    for (let batch = 0; batch < batches; batch += 1) {
      const recordings = Array.from({ length: batchEntries }, (_, at) => ({ draft: missedBy(`source-${at % 500}`), tagSecret }))
      await timed(recorded, () => events.recordAll(recordings, async () => undefined))
      await timed(sequenced, () => sequencer.run())
    }
    const entries = batches * batchEntries
    const each = (ms: number) => thousands(Math.round((entries * 1000) / ms))
    print(
      `append           ${each(sequenced.ms)} entries/s sequenced into tiles and checkpoints (target 2,000), in batches of ${batchEntries}`,
    )
    print(`record           ${each(recorded.ms)} events/s with one flushed file each, before they are sequenced`)
  } finally {
    await database.close()
    await rm(home, { recursive: true })
  }
}

function missedBy(source: string): EventDraft {
  const dueAt = '2026-01-01T00:00:00.000Z'
  const about = { agreement: 'agr_aaaaaaaaaaaaaaaaaaaa', subject: source, source, dueAt, deadlineAt: dueAt }
  return { type: 'escrow/event/deposit-missed/v1', ...about } as EventDraft
}

async function timed(into: { ms: number }, work: () => Promise<unknown>): Promise<void> {
  const started = monotonicMs()
  await work()
  into.ms += monotonicMs() - started
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const print: Print = (line) => void process.stdout.write(`${line}\n`)
  await benchCheck(print)
  await benchProof(print)
  const url = process.argv[2]
  if (url !== undefined) await benchAppend(print, url)
}
