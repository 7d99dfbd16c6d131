import { renameSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { encodeBase64 } from '../../src/crypto/base64.js'
import { attestPeriods } from '../../src/format/attested-periods.js'
import { multiProofRanges } from '../../src/format/multi-proof.js'
import { proveRanges } from '../../src/format/tile-proof.js'
import { LogStore } from '../../src/log/log-store.js'
import { Attestation } from '../../src/format/attestation.js'
import { signDocument } from '../../src/format/signed-document.js'
import { verifyAttestation, type VerifiedAttestation } from '../../src/format/verify-attestation.js'
import { AttestSource, type AttestedSource } from '../../src/verify/attest-source.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'

let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let attested: AttestedSource
let leaves: Buffer
let start: Date

// Eight days: a deposit, nothing new, two days of silence, a failure that is repaired in time, a deposit that comes late, and the present.
beforeAll(async () => {
  service = await ServiceFixture.open()
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  agreed = await service.agree([
    { source: 'engine', url: repository.path },
    { source: 'other', url: repository.path },
  ])
  start = new Date(agreed.signed.body.sources[0]!.schedule.startsAt)
  const mirrorAt = async (hours: number, change = false) => {
    service.clock.time = new Date(start.getTime() + hours * hourMs)
    await service.get(RecordMissed).run()
    if (change) repository.addCommits('refs/heads/main', 1, { label: `at ${hours}` })
    return service.mirror(agreed, 'engine')
  }
  await mirrorAt(1)
  await mirrorAt(25)
  await mirrorAt(26)
  // Days 2 and 3 are missed; the look at hour 85 is late for day 3, whose deadline was hour 84.
  await mirrorAt(85, true)
  await mirrorAt(97)
  service.clock.time = new Date(start.getTime() + 121 * hourMs)
  renameSync(repository.path, `${repository.path}.away`)
  await expect(service.mirror(agreed, 'engine')).rejects.toMatchObject({ code: expect.stringMatching(/^REMOTE_/) as string })
  renameSync(`${repository.path}.away`, repository.path)
  await mirrorAt(122)
  await service.publish()
  attested = await attest(0, 7)
  leaves = await listOfLeaves()
})
afterAll(async () => {
  await service.close()
  repository.remove()
})

const attest = (fromDay: number, toDay: number): Promise<AttestedSource> => {
  const day = (days: number) => new Date(start.getTime() + days * dayMs)
  return service.get(AttestSource).run({ agreementId: agreed.id, source: 'engine', from: day(fromDay), to: day(toDay) })
}

async function listOfLeaves(): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of service.get(AttestSource).leafList(attested.checkpoint)) pieces.push(piece)
  return Buffer.concat(pieces)
}

const secret = (): Uint8Array => Buffer.from(agreed.annex.tagSecret, 'hex')
const verify = (bytes: Uint8Array, list: Buffer | null = leaves): Promise<VerifiedAttestation> =>
  verifyAttestation(bytes, agreed.signed, { tagSecret: secret(), leaves: list === null ? null : [list] })
/** What an agent that lies would sign. */
const lie = (change: (honest: Attestation) => Attestation): Uint8Array =>
  signDocument({ body: change(attested.attestation), schema: Attestation, key: service.party('agent').signingKey })

test('every due time of a week has its outcome, proven complete from the log', async () => {
  const verified = await verify(attested.bytes)
  expect(verified).toMatchObject({ completeness: 'scanned', tagChecked: true, degraded: false })
  expect(verified.periods.map(({ outcome, late }) => `${outcome}${late ? ' late' : ''}`)).toEqual([
    'deposit',
    'unchanged',
    'missed',
    'missed',
    'unchanged',
    'unchanged',
    'open',
  ])
})

test('a period that the chain goes on past needs no list of leaves to be closed, and one that ends now does', async () => {
  const first = await attest(0, 2)
  expect(first.attestation.log.leaves.length).toBeLessThan(attested.attestation.log.leaves.length)
  expect((await verify(first.bytes, null)).completeness).toBe('closed')
  expect((await verify(first.bytes)).completeness).toBe('scanned')
  expect((await verify(attested.bytes, null)).completeness).toBe('open-ended')
  const middle = await attest(4, 6)
  expect(middle.attestation.log.leaves[0]?.event.chain.number).toBeGreaterThan(1)
  expect((await verify(middle.bytes)).periods.map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged'])
})

test('an agent that leaves out an event, changes the account or counts by another schedule is caught', async () => {
  const without = (at: number) => (honest: Attestation) => ({
    ...honest,
    log: { ...honest.log, leaves: honest.log.leaves.toSpliced(at, 1) },
  })
  const missed = attested.attestation.log.leaves.findIndex(({ event }) => event.type === 'escrow/event/deposit-missed/v1')
  await expect(verify(lie(without(missed)))).rejects.toMatchObject({ code: 'PROOF_INVALID' })
  await expect(
    verify(lie((honest) => ({ ...honest, periods: honest.periods.map((period) => ({ ...period, outcome: 'deposit' as const })) }))),
  ).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  await expect(verify(lie((honest) => ({ ...honest, periods: honest.periods.slice(1) })))).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  await expect(verify(lie((honest) => ({ ...honest, source: 'other' })))).rejects.toMatchObject({ code: 'PROOF_INVALID' })
  await expect(verify(lie((honest) => ({ ...honest, agreement: '0'.repeat(64) })))).rejects.toMatchObject({ code: 'AGREEMENT_DIGEST' })
  const stranger = signDocument({ body: attested.attestation, schema: Attestation, key: service.party('vendor').signingKey })
  await expect(verify(stranger)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
})

test('an agent that shows only the beginning of a chain is caught by the list of leaves, which it cannot change either', async () => {
  // An honest account of the log as it was before: proofs, chain and account agree with each other.
  const { log } = attested.attestation
  const shorter = await attestUpTo(log.leaves.length - 2)
  expect((await verify(shorter, null)).completeness).toBe('open-ended')
  await expect(verify(shorter)).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  const altered = Buffer.from(leaves)
  altered[40] = altered[40]! ^ 1
  await expect(verify(attested.bytes, altered)).rejects.toMatchObject({ code: 'PROOF_INVALID' })
  await expect(verify(attested.bytes, leaves.subarray(64))).rejects.toMatchObject({ code: 'PROOF_INVALID' })
})

/** An account of the first events alone, with a proof that holds. */
async function attestUpTo(events: number): Promise<Uint8Array> {
  const { attestation, checkpoint } = attested
  const shown = attestation.log.leaves.slice(0, events)
  const indexes = shown.map((leaf) => leaf.index)
  const proof = await proveRanges(
    multiProofRanges(indexes, checkpoint.size),
    checkpoint.size,
    service.get(LogStore).reader(service.get(LogStore).replicas.replicas[0]!),
  )
  const span = { from: new Date(attestation.from), to: new Date(attestation.to), now: new Date(attestation.issuedAt) }
  const schedule = agreed.signed.body.sources[0]!.schedule
  const periods = attestPeriods(
    schedule,
    span,
    shown.map((leaf) => leaf.event),
    100,
  )
  return lie((honest) => ({
    ...honest,
    periods: [...periods],
    log: { ...honest.log, leaves: shown, proof: proof.map((hash) => encodeBase64(hash)) },
  }))
}

test('a source that is due by the clocks of a place is mirrored, missed and attested by them', async () => {
  const nightly = { cron: '30 2 * * *', timeZone: 'Asia/Kathmandu', graceHours: 6 }
  const tower = await service.agree([{ source: 'tower', url: repository.path, schedule: nightly }])
  const from = new Date(Date.parse(tower.signed.body.sources[0]!.schedule.startsAt))
  // Half past two at night is a quarter to nine in the evening in UTC.
  const evening = (days: number) => new Date(Math.floor(from.getTime() / dayMs + days) * dayMs + 20.75 * hourMs)
  const first = from <= evening(0) ? 0 : 1
  for (const [days, hours] of [
    [first, 1],
    [first + 2, 1],
  ] as const) {
    service.clock.time = new Date(evening(days).getTime() + hours * hourMs)
    await service.get(RecordMissed).run()
    await service.mirror(tower, 'tower')
  }
  await service.publish()
  const wish = { agreementId: tower.id, source: 'tower', from, to: evening(first + 3) }
  const { bytes } = await service.get(AttestSource).run(wish)
  const { periods } = await verifyAttestation(bytes, tower.signed, { tagSecret: Buffer.from(tower.annex.tagSecret, 'hex'), leaves: null })
  expect(periods.map(({ dueAt, outcome }) => [dueAt, outcome])).toEqual([
    [evening(first).toISOString(), 'deposit'],
    [evening(first + 1).toISOString(), 'missed'],
    [evening(first + 2).toISOString(), 'unchanged'],
  ])
})
