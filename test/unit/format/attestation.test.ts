import { expect, test } from 'vitest'
import { Agreement } from '../../../src/format/agreement.js'
import { Attestation } from '../../../src/format/attestation.js'
import { attestPeriods } from '../../../src/format/attested-periods.js'
import type { Event } from '../../../src/format/event.js'
import type { SignedAgreement } from '../../../src/format/signed-agreement.js'
import { verifyAttestation } from '../../../src/format/verify-attestation.js'
import agreementVectors from '../../vectors/agreement.json' with { type: 'json' }
import vectors from '../../vectors/attestation.json' with { type: 'json' }

const body = Agreement.parse(JSON.parse(agreementVectors.text))
const agreement: SignedAgreement = { body, digest: agreementVectors.digest, bytes: new Uint8Array(), signedBy: [] }
const bytes = Buffer.from(vectors.document)
const tagSecret = Buffer.from(vectors.tagSecret, 'hex')
const leaves = Buffer.from(vectors.leaves, 'base64')

test('vector: an attestation leads from the agreement to a cosigned checkpoint, and its list of leaves hides nothing', async () => {
  const verified = await verifyAttestation(bytes, agreement, { tagSecret, leaves: [leaves] })
  expect(verified).toMatchObject({ digest: vectors.digest, degraded: false, completeness: 'scanned', tagChecked: true })
  expect(Buffer.from(verified.checkpoint.root).toString('base64')).toBe(vectors.root)
  expect(verified.periods.map(({ outcome, events }) => [outcome, ...events])).toEqual([
    ['deposit', 1],
    ['unchanged', 2],
    ['missed', 3],
  ])
  expect(await verifyAttestation(bytes, agreement, { tagSecret: null, leaves: null })).toMatchObject({
    completeness: 'open-ended',
    tagChecked: false,
  })
})

test.for<[string, Uint8Array | null, Uint8Array]>([
  ['another secret', Buffer.alloc(32, 8), leaves],
  ['a list of one leaf less', null, leaves.subarray(0, -64)],
  ['an empty list', null, new Uint8Array()],
  ['a list of other leaves', null, Buffer.alloc(leaves.length, 1)],
])('%s is refused', async ([, secret, list]) => {
  await expect(verifyAttestation(bytes, agreement, { tagSecret: secret, leaves: [list] })).rejects.toMatchObject({ code: 'PROOF_INVALID' })
})

test.for([
  ['a list that is longer', Buffer.concat([leaves, leaves])],
  ['a list with half a leaf', leaves.subarray(0, -1)],
] as const)('%s is refused before it is believed', async ([, list]) => {
  await expect(verifyAttestation(bytes, agreement, { tagSecret, leaves: [list] })).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
})

test.for([0, 1, 100, bytes.length - 1])('an attestation cut off after %i bytes is refused', async (length) => {
  const cut = verifyAttestation(bytes.subarray(0, length), agreement, { tagSecret, leaves: null })
  await expect(cut).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
})

const attestation = Attestation.parse(
  JSON.parse(Buffer.from((JSON.parse(vectors.document) as { payload: string }).payload, 'base64').toString()),
)
const [stored, unchanged, missed] = attestation.log.leaves.map((leaf) => leaf.event) as [Event, Event, Event]
const { schedule } = body.sources[0]!
const span = { from: new Date(attestation.from), to: new Date('2026-11-21T00:00:00.000Z'), now: new Date('2026-12-01T00:00:00.000Z') }
const outcome = (events: readonly Event[], now = span.now) =>
  attestPeriods(schedule, { ...span, now }, events, 10).map((period) => `${period.outcome}${period.late ? ' late' : ''}`)
const at = (event: Event, moment: string, dueAt: string | null = null) =>
  ({ ...event, at: moment, ...('dueAt' in event ? { dueAt } : {}) }) as Event
const failed = { ...unchanged, type: 'escrow/event/deposit-failed/v1', code: 'STORE_UNREACHABLE' } as unknown as Event
const refused = { ...unchanged, type: 'escrow/event/deposit-refused/v1', code: 'PACK_INVALID' } as unknown as Event

// The due time is 02:00, its deadline 14:00 of the same day.
test.for<[string, readonly Event[], string]>([
  ['no event at all', [], 'nothing'],
  ['a deposit at the due time', [at(stored, '2026-11-20T02:00:00.000Z')], 'deposit'],
  ['a deposit at the deadline', [at(stored, '2026-11-20T14:00:00.000Z')], 'deposit'],
  ['a deposit just before the due time', [at(stored, '2026-11-20T01:59:59.999Z')], 'nothing'],
  ['a deposit just after the deadline', [at(stored, '2026-11-20T14:00:00.001Z')], 'nothing'],
  [
    'a deposit after the deadline that names the due time',
    [at(stored, '2026-11-20T15:00:00.000Z', '2026-11-20T02:00:00.000Z')],
    'deposit late',
  ],
  ['a failure', [at(failed, '2026-11-20T03:00:00.000Z')], 'failed'],
  ['a refusal after a failure', [at(failed, '2026-11-20T03:00:00.000Z'), at(refused, '2026-11-20T04:00:00.000Z')], 'refused'],
  ['a failure and then nothing new', [at(failed, '2026-11-20T03:00:00.000Z'), at(unchanged, '2026-11-20T04:00:00.000Z')], 'unchanged'],
  ['a miss', [{ ...missed, dueAt: '2026-11-20T02:00:00.000Z' } as Event], 'missed'],
  ['a miss of another due time, recorded now', [at(missed, '2026-11-20T03:00:00.000Z', '2026-11-19T02:00:00.000Z')], 'nothing'],
  [
    'a miss, and a deposit that names the due time later',
    [{ ...missed, dueAt: '2026-11-20T02:00:00.000Z' } as Event, at(stored, '2026-11-20T18:00:00.000Z', '2026-11-20T02:00:00.000Z')],
    'missed late',
  ],
])('%s', ([, events, expected]) => {
  expect(outcome(events)).toEqual([expected])
})

test('a due time is open until its deadline has passed, and not a moment longer', () => {
  expect(outcome([], new Date('2026-11-20T14:00:00.000Z'))).toEqual(['open'])
  expect(outcome([], new Date('2026-11-20T14:00:00.001Z'))).toEqual(['nothing'])
})

test('an attestation with one more field, or without any of its fields, is refused', () => {
  expect(Attestation.safeParse({ ...attestation, more: 1 }).success).toBe(false)
  for (const field of Object.keys(attestation)) {
    const { [field]: _left, ...rest } = attestation as Record<string, unknown>
    expect(Attestation.safeParse(rest).success, field).toBe(false)
  }
})
