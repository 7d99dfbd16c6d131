import { afterEach, beforeEach, expect, test } from 'vitest'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { demandQuorum, openCheckpoint, signCheckpoint, type CheckpointPolicy } from '../../src/format/checkpoint.js'
import { formatAddCheckpoint } from '../../src/format/add-checkpoint.js'
import { verifyProof } from '../../src/format/proof.js'
import { formatLogEntry } from '../../src/format/log-entry.js'
import { AskWitnesses } from '../../src/log/ask-witnesses.js'
import { LogReader } from '../../src/log/log-reader.js'
import { readLogState } from '../../src/log/log-state.js'
import { askWitness } from '../../src/log/witness-client.js'
import { listLeaves, readHead } from '../../src/log/log.table.js'
import { LogFixture, logKey, missed, origin, policy as logPolicy } from '../doubles/log-fixture.js'
import { honestWitness, wrongWitness, type TestWitness, type WitnessVice } from '../doubles/log-witness.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'

let log: LogFixture
let witnesses: TestWitness[]
beforeEach(async () => {
  log = await LogFixture.open()
  witnesses = []
})
afterEach(async () => {
  await Promise.all(witnesses.map((witness) => witness.close()))
  await log.close()
})

const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const watched = [{ origin, key: logPolicy.logKey }]

async function honest(seed: number): Promise<TestWitness> {
  const witness = await honestWitness(seed, watched, log.clock)
  witnesses.push(witness)
  return witness
}
async function wrong(seed: number, vice: WitnessVice): Promise<TestWitness> {
  const witness = await wrongWitness(seed, vice)
  witnesses.push(witness)
  return witness
}

const policyOf = (panel: readonly TestWitness[], witnessQuorum: number): CheckpointPolicy => ({
  ...logPolicy,
  witnesses: panel.map(({ address }) => address.key),
  witnessQuorum,
})
function panelOf(fixture: LogFixture, panel: readonly TestWitness[], quorum: number) {
  const policy = policyOf(panel, quorum)
  const reader = new LogReader(fixture.database, fixture.store, policy)
  const ask = new AskWitnesses(fixture.database, fixture.store, reader, fixture.clock, {
    policy,
    addresses: panel.map(({ address }) => address),
  })
  return { policy, reader, ask }
}

test('two witnesses cosign every checkpoint, which all replicas then show', async () => {
  const panel = [await honest(11), await honest(12)]
  const { policy, ask } = panelOf(log, panel, 2)
  const sequencer = log.sequencer(ask)
  for (const count of [3, 260, 1]) {
    await log.seed(count)
    expect(await sequencer.run()).toMatchObject({ witnessed: true })
  }
  for (const replica of ['north', 'south']) {
    const shown = openCheckpoint(await readFile(join(log.home, replica, 'heads', 'checkpoint')), policy)
    expect(shown).toMatchObject({ size: 264, witnessed: true })
  }
  expect(await readLogState(log.inner, policy)).toMatchObject({ size: 264, witnessedSize: 264, degraded: false, pending: 0 })
})

test.for(['down', 'busy', 'otherKey', 'otherTree', 'liar', 'forger', 'stubborn', 'endless', 'nonsense', 'noTime'] as const)(
  'a witness that is %s neither stops the log nor counts, and its failure shows',
  async (vice) => {
    const panel = [await honest(11), await wrong(12, vice)]
    const { policy, ask } = panelOf(log, panel, 2)
    await log.seed(3)
    expect(await log.sequencer(ask).run()).toMatchObject({ size: 3, witnessed: false })
    const opened = openCheckpoint(Buffer.from((await log.inner.query((db) => readHead(db))).checkpoint!), policy)
    expect(opened.cosignatures.map(({ witness }) => witness)).toEqual(['witness-11.example'])
    expect(() => demandQuorum(opened, policy)).toThrow(refused('WITNESS_POLICY'))
    const state = await readLogState(log.inner, policy)
    expect(state).toMatchObject({ degraded: true, size: 3, witnessedSize: 0 })
    expect(state.witnesses[1]!.failure).toMatchObject({ times: 1 })
    expect(state.witnesses[1]!.failure!.words).not.toContain('\u001b')
  },
)

test('one of two is enough where the policy says so, for a checkpoint from before it did too', async () => {
  const panel = [await honest(11), await wrong(12, 'down')]
  await log.seed(3)
  expect(await log.sequencer(panelOf(log, panel, 2).ask).run()).toMatchObject({ witnessed: false })
  const { ask, policy } = panelOf(log, panel, 1)
  expect(await log.sequencer(ask).run()).toMatchObject({ witnessed: true, published: 0 })
  expect(await readLogState(log.inner, policy)).toMatchObject({ witnessedSize: 3, degraded: false })
  await log.seed(2)
  expect(await log.sequencer(ask).run()).toMatchObject({ witnessed: true, size: 5 })
})

test('a slow witness is given up when the caller is stopped', async () => {
  const witness = await wrong(12, 'slow')
  const checkpoint = signCheckpoint({ origin, size: 1, root: new Uint8Array(32) }, logKey)
  const stop = new AbortController()
  const asked = askWitness(witness.address, { oldSize: 0, proof: [], checkpoint }, 'text\n', stop.signal)
  stop.abort(new Error('stopped'))
  await expect(asked).rejects.toThrow('stopped')
})

test('a witness that failed is left alone for a while, and asked again when it is up', async () => {
  const panel = [await honest(11)]
  const { ask } = panelOf(log, panel, 1)
  await log.seed(2)
  const url = panel[0]!.address.url
  Object.assign(panel[0]!.address, { url: 'http://127.0.0.1:1' })
  const sequencer = log.sequencer(ask)
  expect(await sequencer.run()).toMatchObject({ witnessed: false })
  Object.assign(panel[0]!.address, { url })
  expect(await sequencer.run()).toMatchObject({ witnessed: false, published: 0 })
  log.clock.advance(16_000)
  expect(await sequencer.run()).toMatchObject({ witnessed: true, published: 0 })
})

test('a clock that went back does not keep a witness waiting', async () => {
  const panel = [await honest(11)]
  const { ask } = panelOf(log, panel, 1)
  await log.seed(2)
  const url = panel[0]!.address.url
  Object.assign(panel[0]!.address, { url: 'http://127.0.0.1:1' })
  const sequencer = log.sequencer(ask)
  await sequencer.run()
  Object.assign(panel[0]!.address, { url })
  log.clock.advance(-86_400_000)
  expect(await sequencer.run()).toMatchObject({ witnessed: true })
})

/** A second life of the log: same key, but empty stores and an empty index. Nothing but the witness knows of the first. */
async function secondLife(leaves: number): Promise<LogFixture> {
  const fresh = await LogFixture.open(['elsewhere'])
  await fresh.seed(leaves)
  return fresh
}

test('an index restored from a backup is caught by a witness alone, before anything is signed', async () => {
  const panel = [await honest(11)]
  await log.seed(5)
  await log.sequencer(panelOf(log, panel, 1).ask).run()
  const fresh = await secondLife(7)
  await expect(fresh.sequencer(panelOf(fresh, panel, 1).ask).run()).rejects.toThrow(refused('LOG_ROLLED_BACK'))
  expect(fresh.heads[0]!.written).toEqual([])
  await fresh.close()
})

test('a second history that a witness did not see begin is a fork as soon as it is asked', async () => {
  const panel = [await honest(11)]
  await log.seed(5)
  await log.sequencer(panelOf(log, panel, 1).ask).run()
  const fresh = await secondLife(2)
  await fresh.seed(5)
  await fresh.sequencer(null).run()
  await expect(fresh.sequencer(panelOf(fresh, panel, 1).ask).run()).rejects.toThrow(refused('LOG_FORKED'))
  await fresh.close()
})

test('a witness that comes back with a larger checkpoint of ours stops the log', async () => {
  const panel = [await honest(11)]
  await log.seed(5)
  await log.sequencer(panelOf(log, panel, 1).ask).run()
  const fresh = await secondLife(3)
  const url = panel[0]!.address.url
  Object.assign(panel[0]!.address, { url: 'http://127.0.0.1:1' })
  const sequencer = fresh.sequencer(panelOf(fresh, panel, 1).ask)
  expect(await sequencer.run()).toMatchObject({ size: 3, witnessed: false })
  Object.assign(panel[0]!.address, { url })
  fresh.clock.advance(16_000)
  for (let times = 0; times < 2; times += 1) await expect(sequencer.run()).rejects.toThrow(refused('LOG_ROLLED_BACK'))
  await fresh.close()
})

test('a log that forked for one reader cannot get both trees cosigned', async () => {
  const witness = await honest(11)
  await log.seed(4)
  await log.sequencer(panelOf(log, [witness], 1).ask).run()
  const other = new NaiveMerkle(Array.from({ length: 9 }, (_, at) => Buffer.of(at)))
  const ask = (oldSize: number, size: number, proof: Uint8Array[]) => {
    const checkpoint = signCheckpoint({ origin, size, root: other.root(0, size) }, logKey)
    return askWitness(witness.address, { oldSize, proof, checkpoint }, 'unused\n')
  }
  await expect(ask(4, 4, [])).rejects.toThrow(refused('WITNESS_REFUSED'))
  await expect(ask(4, 9, other.consistency(4, 9))).rejects.toThrow(refused('WITNESS_REFUSED'))
  expect(await ask(0, 9, [])).toEqual({ kind: 'conflict', size: 4 })
})

test('a receipt proof leads to the witnessed checkpoint while newer ones wait for witnesses', async () => {
  const panel = [await honest(11)]
  const { policy, reader, ask } = panelOf(log, panel, 1)
  const { leafHash } = await log.events().record(missed('engine'), async () => undefined)
  expect(await reader.proveLeaf(leafHash, 'witnessed')).toBeNull()
  await log.sequencer(ask).run()
  await log.seed(300)
  await log.sequencer(null).run()
  const proven = await reader.proveLeaf(leafHash, 'witnessed')
  expect(proven!.checkpoint).toMatchObject({ size: 1, witnessed: true })
  const [row] = await log.inner.query((db) => listLeaves(db, 0, 1))
  const entry = formatLogEntry({ tag: Buffer.from(row!.tag, 'hex'), digest: Buffer.from(row!.eventDigest, 'hex') })
  expect(verifyProof(proven!.proof, entry, policy).size).toBe(1)
  expect((await reader.proveLeaf(leafHash, 'newest'))!.checkpoint).toMatchObject({ size: 301, witnessed: false })
})

test('the request a witness gets is the one in the specification', () => {
  const checkpoint = signCheckpoint({ origin, size: 1, root: new Uint8Array(32) }, logKey)
  const body = Buffer.from(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint })).toString()
  expect(body.startsWith(`old 0\n\n${origin}\n1\n`)).toBe(true)
})
