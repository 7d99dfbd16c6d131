// What is said about an agreement as a whole: a hold that stops requests to come, and keys that a party wants to have instead of its own.
import { expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { listUnstoredShares } from '../../src/release/release.table.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

const held = { name: 'held', reason: 'legal-hold', signer: 'ministry' }
const stateOf = async (requestId: string) => (await house.requests()).find((row) => row.requestId === requestId)?.progress.state
async function hold(party: string, action: 'place' | 'lift', days: number, requestDigest: string | null = null): Promise<void> {
  const until = new Date(house.clock.now().getTime() + days * dayMs).toISOString()
  await house.record(await house.sign('legal-hold', party, { action, requestDigest, until, reference: 'H 1', reason: 'Inquiry.' }))
}

test('a hold on an agreement without a request holds those that come, of an order too, until it is lifted', async () => {
  for (const [party, action] of [
    ['notary', 'place'],
    ['arbiter', 'place'],
    ['partner', 'lift'],
  ] as const) {
    expect(await refusal(hold(party, action, 20))).toBe('SIGNER_REFUSED')
  }
  await hold('ministry', 'place', 20)
  await house.record(await house.ask())
  const asked = await house.request()
  expect(asked.progress.state).toMatchObject({ ...held, resume: { name: 'submitted' } })
  await house.record(await house.order('vendor'))
  await house.tick()
  const [ordered] = (await house.requests()).filter((row) => row.orderDigest !== null)
  expect(ordered?.progress.state).toMatchObject({ ...held, resume: { name: 'approval' } })
  // What was lifted for one request stays lifted for it; the other is still held.
  await hold('ministry', 'lift', 20, asked.requestDigest)
  await house.wait(hourMs)
  await house.tick()
  expect([await stateOf(asked.requestId), await stateOf(ordered?.requestId ?? '')]).toMatchObject([{ name: 'submitted' }, held])
  await hold('arbiter', 'lift', 20)
  expect(await stateOf(ordered?.requestId ?? '')).toMatchObject({ name: 'approval' })
  await house.tick()
  expect(await stateOf(ordered?.requestId ?? '')).toMatchObject({ name: 'approval' })
})

test('shares that come during a hold are passed on when it is lifted, and not before', async () => {
  await house.reachReleasing()
  await hold('ministry', 'place', 2)
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
  expect([await house.state(), await house.heldShares()]).toEqual(['held', 3])
  await hold('ministry', 'lift', 2)
  expect(await house.state()).toBe('released')
  expect(await house.app.get(Database).query((db) => listUnstoredShares(db, null, 10))).toEqual([])
})

test('a key change is signed with the old key and on record, and moves nothing: the pinned keys speak until an amendment', async () => {
  await house.reachApproval()
  const other = house.agreement.body.parties.find(({ party }) => party === 'auditor')
  const change = { subject: 'notary', keys: other?.keys ?? [], recipient: null, recoveryRecipient: null, reason: 'The card is old.' }
  // With the key that is to be pinned it cannot be signed: whoever steals nothing but a seat gains nothing.
  expect(await refusal(house.sign('key-change', 'notary', change, { as: 'auditor' }).then((bytes) => house.record(bytes)))).toBe(
    'SIGNATURE_INVALID',
  )
  await house.record(await house.sign('key-change', 'notary', change))
  expect(await house.eventsOf()).toContain('statement-recorded')
  const cover = {
    requestDigest: (await house.request()).requestDigest,
    agreement: house.agreement.digest,
    epoch: 1,
    recipients: [house.recipientOf('partner')],
  }
  const byNewKey = house.sign('approval', 'notary', { covers: [cover], reason: 'Yes.' }, { as: 'auditor' })
  expect(await refusal(byNewKey.then((bytes) => house.record(bytes)))).toBe('SIGNATURE_INVALID')
  const [outcome] = await house.approve('notary')
  expect(outcome?.error).toBe(null)
  expect((await house.request()).progress.votes).toHaveLength(1)
})
