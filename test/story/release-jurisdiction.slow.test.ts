// Where stores and approvers stand may change while a release is under way: what fitted the policy at the vote must fit it at the grant, too.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Adapters } from '../../src/adapters.module.js'
import { Database } from '../../src/db/database.js'
import { listGrants } from '../../src/release/grant/grant.table.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { amend, everybody, nextVersion } from '../doubles/next-version.js'
import { refusal, ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'

let template: ReleaseTemplate
let house: ReleaseHouse
/** Where the operator's stores stand from now on; null for where the configuration says. */
let moved: { readonly country?: string; readonly control?: string }

/** The same stores, whose operator may be sold or move house. */
function movable(adapters: Adapters): Adapters {
  const replicas = adapters.replicas.replicas.map((replica) => ({
    ...replica,
    get country() {
      return moved.country ?? replica.country
    },
    get control() {
      return moved.control ?? replica.control
    },
  }))
  return { ...adapters, replicas: new ReplicaSet(replicas) }
}

beforeAll(async () => {
  template = await ReleaseTemplate.make()
}, 120_000)
afterAll(() => template.remove())
beforeEach(async () => {
  moved = {}
  house = await ReleaseHouse.open(template, movable)
})
afterEach(() => house.close())

const grants = async () => {
  const { requestId } = await house.request()
  return (await house.app.get(Database).query((db) => listGrants(db, requestId))).length
}
const faultOf = async () => (await house.tick()).flatMap(({ error }) => (error === null ? [] : [[error.code, error.message]]))

/** Everybody agrees that a custodian sits somewhere else, or has another owner. */
async function move(party: string, standing: { readonly country?: string; readonly control?: string }): Promise<void> {
  const parties = house.agreement.body.parties.map((one) =>
    one.party === party ? { ...one, standing: { ...one.standing, ...standing } } : one,
  )
  expect((await amend(house, await nextVersion(house, { parties }), everybody)).inForce).toBe(true)
}

test('a custodian that was bought between its vote and the grant gives nothing to its new owner', async () => {
  await house.reachReleasing()
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
  expect(await house.state()).toBe('released')
  await move('notary', { control: 'US' })
  expect(await faultOf()).toEqual([
    ['APPROVER_POLICY', expect.stringContaining('notary: approverCountries: expected control in CH or DE or FR or NL or AT, got US')],
  ])
  expect(await grants()).toBe(0)
})

test('before the shares are passed on it is asked too, and then none of them leaves the service', async () => {
  await house.reachReleasing()
  for (const party of ['notary', 'university']) await house.record(await house.shareOf(party))
  await move('university', { country: 'CN' })
  expect(await refusal(house.shareOf('chamber').then((bytes) => house.record(bytes)))).toBe('APPROVER_POLICY')
  expect([await house.state(), await house.heldShares(), await grants()]).toEqual(['releasing', 2, 0])
})

test('who moves to another country of the policy, or had no vote in it, changes nothing', async () => {
  await house.reachReleasing()
  await move('foundation', { control: 'US' })
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
  expect([await faultOf(), await grants()]).toEqual([[], 1])
})

test.for([
  ['stands in another country', { country: 'US' }, /storeCountries: expected CH, got US/],
  ['has an owner whom the agreement excludes', { control: 'US' }, /storeControlExcluded: US is excluded/],
] as const)('nothing is granted out of a store that %s since the vote; back where it belongs it serves', async ([, where, words]) => {
  await house.reachReleasing()
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
  moved = where
  expect(await faultOf()).toEqual([['REPLICA_POLICY', expect.stringMatching(words)]])
  expect(await grants()).toBe(0)
  moved = {}
  expect([await faultOf(), await grants()]).toEqual([[], 1])
})
