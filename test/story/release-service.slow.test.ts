// Releases as the service records them, from signed documents to grants: each story is the minutes of one case.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { listEpochs } from '../../src/escrow/archive/agreement.table.js'
import { listGrants } from '../../src/release/grant/grant.table.js'
import { findOrder } from '../../src/release/release.table.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

const sharesInStore = (): readonly string[] => {
  const names = readdirSync(join(house.folder, 'replicas', 'a', 'objects'), { recursive: true, encoding: 'utf8' })
  return [...new Set(names.flatMap((name) => /\/shares\/[0-9a-f]{64}/.exec(name) ?? []))]
}
const orderState = async (digest: string): Promise<string | undefined> =>
  (await house.app.get(Database).query((db) => findOrder(db, digest, house.agreement.body.agreement)))?.state

test('an order of partner and ministry is contested, lost, approved by three of five, released and granted', async () => {
  const lodged = await house.order('partner')
  const { digest } = peekStatement(lodged)
  expect((await house.record(lodged))[0]?.state).toBe('lodged')
  expect((await house.record(await house.order('ministry')))[0]?.state).toBe('registered')
  const contested = { order: digest, court: 'Court of Appeals', docket: 'A-17', grounds: 'By all legal means.', evidence: [] }
  await house.record(await house.sign('contestation', 'vendor', contested))
  expect(await orderState(digest)).toBe('contested')
  const lost = { subject: { kind: 'order' as const, digest }, outcome: 'proceed' as const, grounds: 'Having heard both.', evidence: [] }
  await house.record(await house.sign('ruling', 'arbiter', lost))
  expect(await orderState(digest)).toBe('effective')
  await house.tick()
  expect(await house.state()).toBe('approval')
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  expect(await house.state()).toBe('coolingOff')
  await house.wait(25 * hourMs)
  expect(await house.state()).toBe('releasing')
  await house.record(await house.shareOf('notary'))
  await house.record(await house.shareOf('university'))
  expect([await house.state(), sharesInStore()]).toEqual(['releasing', []])
  await house.record(await house.shareOf('chamber'))
  expect(await house.state()).toBe('released')
  expect(sharesInStore()).toHaveLength(3)
  await house.tick()
  const { requestId, agreementId } = await house.request()
  const [grant] = await house.app.get(Database).query((db) => listGrants(db, requestId))
  expect(grant).toMatchObject({ beneficiary: 'partner', deposits: [{ source: 'product', sequence: 1 }] })
  const epochs = await house.app.get(Database).query((db) => listEpochs(db, agreementId))
  expect(epochs.map(({ epoch, state }) => [epoch, state])).toEqual([
    [1, 'burned'],
    [2, 'armed'],
  ])
})

test('three of five refuse: the request is over and no share is taken', async () => {
  await house.reachApproval()
  for (const party of ['notary', 'university', 'chamber']) await house.refuse(party)
  expect(await house.state()).toBe('rejected')
  expect(await refusal(house.shareOf('notary').then((share) => house.record(share)))).toBe('REQUEST_STATE')
})

test('silence is refusal', async () => {
  await house.reachApproval()
  await house.approve('notary')
  await house.approve('university')
  await house.wait(73 * hourMs)
  expect(await house.state()).toBe('expired')
})

test('a withdrawal while shares are handed over leaves none behind', async () => {
  const { requestDigest } = await house.reachReleasing()
  await house.record(await house.shareOf('notary'))
  await house.record(await house.shareOf('university'))
  expect(await house.heldShares()).toBe(2)
  await house.record(await house.sign('withdrawal', 'partner', { requestDigest, reason: 'Settled.' }))
  expect([await house.state(), await house.heldShares(), sharesInStore()]).toEqual(['withdrawn', 0, []])
  expect(await refusal(house.shareOf('chamber').then((share) => house.record(share)))).toBe('REQUEST_STATE')
})

test('a substituted beneficiary key is refused wherever it is put', async () => {
  const recipient = house.recipientOf('foundation')
  const swapped = house.ask({ beneficiaries: [{ party: 'partner', recipient }] })
  expect(await refusal(swapped.then((bytes) => house.record(bytes)))).toBe('STATEMENT_INVALID')
  await house.reachApproval()
  const row = await house.request()
  const cover = { requestDigest: row.requestDigest, agreement: row.agreementDigest, epoch: 1, recipients: [recipient] }
  const approval = await house.sign('approval', 'notary', { covers: [cover], reason: 'So be it.' })
  expect(await refusal(house.record(approval))).toBe('STATEMENT_INVALID')
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  await house.wait(25 * hourMs)
  const file = Buffer.from('not even an age file').toString('base64')
  expect(await refusal(house.shareOf('notary', { sealedShares: [{ recipient, file }] }).then((b) => house.record(b)))).toBe('SHARE_INVALID')
  expect(await house.heldShares()).toBe(0)
})

test('replayed statements change nothing; expired, forged and foreign ones are refused', async () => {
  const asked = await house.ask()
  await house.record(asked)
  const before = await house.request()
  await house.record(asked)
  expect(await house.request()).toEqual(before)
  expect(await refusal(house.record(await house.ask({}, { as: 'vendor' })))).toBe('SIGNATURE_INVALID')
  const stale = await house.ask({}, { lifeDays: 1 })
  house.clock.advance(2 * dayMs)
  expect(await refusal(house.record(stale))).toBe('STATEMENT_EXPIRED')
  const { requestDigest } = before
  const foreign = await house.sign('withdrawal', 'partner', { requestDigest, reason: 'Settled.' }, { agreement: 'ab'.repeat(32) })
  expect(await refusal(house.record(foreign))).toBe('STATEMENT_INVALID')
  const older = await house.sign('withdrawal', 'partner', { requestDigest, reason: 'Settled.' }, { epoch: 2 })
  expect(await refusal(house.record(older))).toBe('STATEMENT_INVALID')
  expect(await house.state()).toBe('submitted')
})

test('two custodians and an operator who calls twice are not three people', async () => {
  await house.reachApproval()
  await house.approve('notary')
  await house.approve('notary', 'And once more, in other words.')
  await house.approve('university')
  expect(await refusal(house.approve('agent'))).not.toBe(null)
  expect(await house.state()).toBe('approval')
  await house.wait(73 * hourMs)
  expect(await house.state()).toBe('expired')
})

test('the depositor objects with a docket, and the arbiter rejects the request', async () => {
  await house.record(await house.ask())
  const { requestDigest } = await house.request()
  const docket = { title: 'docket', sha256: 'ab'.repeat(32), sizeBytes: 1, mediaType: 'application/pdf' }
  await house.record(await house.sign('contrary-instruction', 'vendor', { requestDigest, grounds: 'We are solvent.', evidence: [docket] }))
  expect(await house.state()).toBe('contested')
  const subject = { kind: 'request' as const, digest: requestDigest }
  const ruling = { subject, outcome: 'reject' as const, grounds: 'The register shows no insolvency.', evidence: [] }
  expect(await refusal(house.sign('ruling', 'partner', ruling).then((bytes) => house.record(bytes)))).toBe('SIGNER_REFUSED')
  await house.record(await house.sign('ruling', 'arbiter', ruling))
  expect(await house.state()).toBe('rejected')
})

test('a guardian vetoes once: approvals given before do not count after it', async () => {
  const { requestDigest } = await house.reachApproval()
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  await house.record(await house.sign('veto', 'ministry', { requestDigest, reason: 'Wait for the appeal.' }))
  expect(await house.state()).toBe('approval')
  house.clock.advance(hourMs)
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  expect(await house.state()).toBe('coolingOff')
  const again = await house.sign('veto', 'ministry', { requestDigest, reason: 'And again.' })
  expect(await refusal(house.record(again))).toBe('REQUEST_STATE')
})
