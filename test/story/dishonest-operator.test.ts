// An operator that lies, and a beneficiary that has only its own copies (agreement, tag secret, a receipt, a checkpoint it saw) and what is
// public: documents of the archive, the list of leaves, cosignatures of a witness that somebody else runs.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeBase64 } from '../../src/crypto/base64.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import type { Database } from '../../src/db/database.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { Attestation } from '../../src/format/attestation.js'
import { attestPeriods } from '../../src/format/attested-periods.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { checkpointPolicy, openCheckpoint, signCheckpoint, type OpenedCheckpoint } from '../../src/format/checkpoint.js'
import type { Event } from '../../src/format/event.js'
import { keyFileNames, parseSigningKeyFile } from '../../src/format/key-file.js'
import { formatListedLeaf, scanLeafList } from '../../src/format/leaf-list.js'
import { eventDigest, formatLogEntry } from '../../src/format/log-entry.js'
import { Manifest } from '../../src/format/manifest.js'

import { multiProofRanges } from '../../src/format/multi-proof.js'
import { formatNote, parseNoteKey } from '../../src/format/note.js'
import { checkReceipt } from '../../src/format/receipt.js'
import { openDocument, signDocument } from '../../src/format/signed-document.js'
import { keysOf } from '../../src/format/signed-agreement.js'
import { verifyAttestation, type AttestationEvidence } from '../../src/format/verify-attestation.js'
import { verifyReceipt } from '../../src/format/verify-receipt.js'
import { LogStore } from '../../src/log/log-store.js'
import { askWitness } from '../../src/log/witness-client.js'
import { objectKeys } from '../../src/store/object-key.js'
import { AttestSource } from '../../src/verify/attest-source.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { honestWitness, type TestWitness } from '../doubles/log-witness.js'
import { ManualClock } from '../doubles/manual-clock.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { copyRows, testDatabase } from '../doubles/test-database.js'
import { overwrite } from './service-life.js'

let service: ServiceFixture
let witness: TestWitness
let repository: GitFixture
let agreed: AgreedUpon
let start: Date
/** What the beneficiary keeps: its receipt of the first deposit, and the checkpoint that it saw after the missed day. */
let receipt: Buffer
let seen: OpenedCheckpoint
/** The operator's backup of its index, from before the missed day was recorded. */
let backup: Database

async function begin(): Promise<void> {
  const startWitness = async (logKey: string) => {
    const key = parseNoteKey(logKey)
    witness = await honestWitness(9, [{ origin: key.name, key }], new ManualClock())
    return witness.address
  }
  service = await ServiceFixture.open({ witness: startWitness })
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  agreed = await service.agree([{ source: 'engine', url: repository.path }])
  start = new Date(agreed.signed.body.sources[0]!.schedule.startsAt)
  at(1)
  await service.mirror(agreed, 'engine')
  await service.publish()
  receipt = read(objectKeys.receipt({ agreement: agreed.id, source: 'engine', sequence: 1, kind: 'full' }))
  backup = await testDatabase()
  await copyRows(service.database, backup)
  // Nothing comes on the second day.
  at(24 + 13)
  await service.get(RecordMissed).run()
  await service.publish()
  seen = await publicCheckpoint()
}

async function end(): Promise<void> {
  await service.close()
  await backup.close()
  await witness.close()
  repository.remove()
}

const at = (hours: number) => void (service.clock.time = new Date(start.getTime() + hours * hourMs))
const read = (key: string) => readFileSync(join(service.replica('a'), key))
const publicCheckpoint = async () =>
  openCheckpoint(await readFile(join(service.replica('a', 'heads'), 'checkpoint')), checkpointPolicy(agreed.signed.body.log))
const attest = () =>
  service.get(AttestSource).run({ agreementId: agreed.id, source: 'engine', from: start, to: new Date(start.getTime() + 2 * dayMs) })
const agentKey = () => service.party('agent').signingKey
const verify = (bytes: Uint8Array, evidence: Partial<AttestationEvidence>) =>
  verifyAttestation(bytes, agreed.signed, { tagSecret: Buffer.from(agreed.annex.tagSecret, 'hex'), leaves: null, ...evidence })

async function leafList(): Promise<Buffer> {
  const { checkpoint } = await attest()
  const pieces: Uint8Array[] = []
  for await (const piece of service.get(AttestSource).leafList(checkpoint)) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('on a log that goes on', () => {
  beforeAll(begin)
  afterAll(end)

  test('an honest operator: the beneficiary sees the missed day, and all that it holds fits together', async () => {
    const attested = await attest()
    const verified = await verify(attested.bytes, {
      leaves: [await leafList()],
      seen: [seen, verifyReceipt(receipt, agreed.signed).checkpoint],
    })
    expect(verified).toMatchObject({ completeness: 'scanned', degraded: false })
    expect(verified.periods.map(({ outcome }) => outcome)).toEqual(['deposit', 'missed'])
  })

  test('a manifest that was rewritten, and signed again, contradicts the receipt', async () => {
    const place = { agreement: agreed.id, source: 'engine', sequence: 1, kind: 'full' as const }
    const keys = keysOf(agreed.signed.body, 'agent')
    const { body } = openDocument(read(objectKeys.manifest(place)), { schema: Manifest, keys, what: 'manifest' })
    const rewritten = signDocument({
      body: { ...body, takenAt: start.toISOString(), refCount: body.refCount + 1 },
      schema: Manifest,
      key: agentKey(),
    })
    const honest = read(objectKeys.manifest(place))
    overwrite(join(service.replica('a'), objectKeys.manifest(place)), rewritten)

    const found = openDocument(read(objectKeys.manifest(place)), { schema: Manifest, keys, what: 'manifest' })
    overwrite(join(service.replica('a'), objectKeys.manifest(place)), honest)
    const held = verifyReceipt(receipt, agreed.signed)
    expect(() => checkReceipt(held.receipt, found.body, found.digest)).toThrowError(expect.objectContaining({ code: 'PROOF_INVALID' }))
  })

  test('a missed day that is left out of the account is found in the list of leaves', async () => {
    const { attestation, checkpoint } = await attest()
    const list = await leafList()
    // Everything but the last event, with an account and a proof that agree with each other.
    const shown = attestation.log.leaves.filter(({ event }) => event.type !== 'escrow/event/deposit-missed/v1')
    const entries = entriesOf(list)
    const proof = proofOf(
      shown.map(({ index }) => index),
      entries,
    )
    const account = accountOf(
      attestation,
      shown.map(({ event }) => event),
      new Date(start.getTime() + 30 * hourMs),
    )
    const lie = signDocument({
      body: { ...attestation, ...account, log: { ...attestation.log, leaves: shown, proof } },
      schema: Attestation,
      key: agentKey(),
    })
    expect((await verify(lie, {})).completeness).toBe('open-ended')
    await expect(verify(lie, { leaves: [list] })).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
    expect(checkpoint.size).toBe(entries.length)
  })

  test('a log that is written anew without the missed day gets no cosignature, and contradicts what the beneficiary saw', async () => {
    const forged = await forgeHistory()
    // Taken by itself it is without a flaw, but for the witness.
    const alone = await verify(forged.bytes, { leaves: [forged.list] })
    expect(alone).toMatchObject({ completeness: 'scanned', degraded: true })
    expect(alone.periods.map(({ outcome }) => outcome)).toEqual(['deposit', 'unchanged'])
    await expect(verify(forged.bytes, { leaves: [forged.list], seen: [seen] })).rejects.toMatchObject({ code: 'LOG_FORKED' })

    // The witness has cosigned another tree of this size, and keeps to it.
    const text = new TextDecoder().decode(forged.checkpoint).split('\n\n')[0] ?? ''
    const asked = askWitness(witness.address, { oldSize: seen.size, proof: [], checkpoint: forged.checkpoint }, `${text}\n`)
    await expect(asked).rejects.toMatchObject({ code: 'WITNESS_REFUSED' })
  })
})

describe('after an older index was restored', () => {
  beforeAll(begin)
  afterAll(end)

  test('an older index signs nothing while a replica, or the witness, remembers; and what is signed without them shows', async () => {
    const heads = service.get(LogStore).replicas.replicas.map((replica) => replica.heads)
    const withheld = verifyReceipt(receipt, agreed.signed).checkpoint
    await restore(backup)
    at(24 + 14)
    await service.mirror(agreed, 'engine')
    await expect(service.publish()).rejects.toMatchObject({ code: 'LOG_ROLLED_BACK' })

    // The operator puts the old checkpoint back everywhere. The witness still knows better.
    for (const head of heads) await head.write('checkpoint', formatNote(withheld.note))
    await expect(service.publish()).rejects.toMatchObject({ code: 'LOG_ROLLED_BACK' })

    // Without asking the witness it signs: another history, which nobody has cosigned and which has not grown from what was seen.
    service.config = { ...service.config, log: { ...service.config.log, witnesses: [], witnessQuorum: 0 } }
    await restore(service.database)
    await service.publish()
    const attested = await attest()
    const list = await leafList()
    expect(await verify(attested.bytes, { leaves: [list] })).toMatchObject({ degraded: true })
    const caught = verify(attested.bytes, { leaves: [list], seen: [seen] })
    await expect(caught).rejects.toMatchObject({ code: expect.stringMatching(/^LOG_(?:FORKED|ROLLED_BACK)$/) as string })
  })
})

/** Start the service on a copy of this index. */
async function restore(index: Database): Promise<void> {
  const copy = await testDatabase()
  await copyRows(index, copy)
  await service.app.close()
  service.database = copy
  await service.start()
}

const entriesOf = (list: Buffer) =>
  Array.from({ length: list.length / 64 }, (_, place) => {
    const leaf = list.subarray(64 * place, 64 * (place + 1))
    return formatLogEntry({ tag: leaf.subarray(0, 32), digest: leaf.subarray(32) })
  })

function proofOf(indexes: readonly number[], entries: readonly Uint8Array[]): string[] {
  const tree = new NaiveMerkle(entries)
  return multiProofRanges(indexes, entries.length).map((range) => encodeBase64(tree.root(range.start, range.end)))
}

function accountOf(attestation: Attestation, events: readonly Event[], issued: Date): Pick<Attestation, 'issuedAt' | 'periods'> {
  const span = { from: new Date(attestation.from), to: new Date(attestation.to), now: issued }
  return { issuedAt: issued.toISOString(), periods: [...attestPeriods(agreed.signed.body.sources[0]!.schedule, span, events, 100)] }
}

/** The operator has every key: it puts "nothing new" in the place of the miss, computes all of the log anew, and signs it. */
async function forgeHistory() {
  const { attestation } = await attest()
  const list = await leafList()
  const tag = Buffer.from(attestation.log.tag, 'hex')
  const leaves = attestation.log.leaves.map((leaf) => {
    const { event } = leaf
    if (event.type !== 'escrow/event/deposit-missed/v1') return leaf
    const { agreement, subject, chain, source, dueAt } = event
    const body = {
      agreement,
      subject,
      chain,
      source,
      dueAt,
      at: new Date(start.getTime() + 25 * hourMs).toISOString(),
      sequence: 1,
      refsDigest: 'ab'.repeat(32),
    }
    return { ...leaf, event: { type: 'escrow/event/deposit-unchanged/v1' as const, ...body } }
  })
  for (const { index, salt, event } of leaves) {
    const digest = eventDigest(Buffer.from(salt, 'hex'), canonicalize(event))
    list.set(formatListedLeaf({ tag, digest }), 64 * index)
  }
  const { size, root } = await scanLeafList([list], { tag, sizeMax: list.length / 64 })
  const logKey = signingKeyFromSeed(parseSigningKeyFile(readFileSync(join(service.config.keysFolder, keyFileNames.log), 'utf8')))
  const checkpoint = signCheckpoint({ origin: attestation.log.origin, size, root }, logKey)
  const account = accountOf(
    attestation,
    leaves.map(({ event }) => event),
    new Date(attestation.issuedAt),
  )
  const proof = proofOf(
    leaves.map(({ index }) => index),
    entriesOf(list),
  )
  const log = { ...attestation.log, leaves, proof, checkpoint: new TextDecoder().decode(checkpoint) }
  const bytes = signDocument({ body: { ...attestation, ...account, log }, schema: Attestation, key: agentKey() })
  return { bytes, list, checkpoint }
}
