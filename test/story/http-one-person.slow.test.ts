// One person with several keys, tokens and accounts in front of a running service: it has one vote and one share all the same.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import type { Party } from '../../src/format/agreement.js'
import { HttpCaller, type ProblemBody } from '../doubles/http-caller.js'
import { HttpHouse, type SentBody } from '../doubles/http-house.js'

const second = signingKeyFromSeed(new SystemEntropy().bytes(32))
const secondKey = { kind: 'ed25519' as const, publicKey: second.publicKey }
/** The notary has pinned two keys; `twin` is the same person with an account of its own. */
const cards = (card: Party): Party => {
  if (card.party === 'notary') return { ...card, keys: [...card.keys, secondKey] }
  return card.party === 'twin' ? { ...card, name: 'Notary', organisation: ' NOTARY ' } : card
}

let house: HttpHouse
let request: string
let digest: string
/** The notary at its second desk: another key, another token. */
let elsewhere: HttpCaller
beforeAll(async () => {
  // No rule but that of persons stands in the way: approvals may all come from one country and one organisation.
  const jurisdiction = { custodianCountriesMin: 1, custodianOrganisationsMin: 1 }
  house = await HttpHouse.open({ parties: [['twin', 'approver', 'CH']], cards, jurisdiction })
  elsewhere = await HttpCaller.as(house.service.app, { ...house.service.party('notary').card, keys: [secondKey] })
  const { outcomes } = await house.send('partner', house.ask())
  request = outcomes[0]?.subject ?? ''
  digest = (await (await house.as('partner')).json<{ digest: string }>(`/v1/release-requests/${request}`)).digest
  await house.until(request, 'approval')
}, 120_000)
afterAll(() => house.close())

const post = async (caller: HttpCaller, bytes: Uint8Array) => {
  const answer = await caller.document('/v1/statements', bytes)
  const said = answer.status === 200 ? (answer.body as SentBody).outcomes[0]?.code : (answer.body as ProblemBody).code
  return [answer.status, said ?? null]
}
const state = async () => (await (await house.as('partner')).json<{ state: string }>(`/v1/release-requests/${request}`)).state

test('a custodian who votes with two keys through two tokens, and with a second account, has one vote', async () => {
  const notary = await house.as('notary')
  expect(await post(notary, house.approval('notary', digest))).toEqual([200, null])
  expect(await post(elsewhere, house.approval('notary', digest, { key: second }))).toEqual([200, null])
  const [status, code] = await post(await house.as('twin'), house.approval('twin', digest))
  expect([status, code]).toEqual([403, 'SIGNER_REFUSED'])
  // In the name of somebody else neither of the keys signs anything.
  expect((await post(elsewhere, house.approval('chamber', digest, { key: second })))[1]).toBe('SIGNATURE_INVALID')
  expect(await post(await house.as('university'), house.approval('university', digest))).toEqual([200, null])
  expect(await state()).toBe('approval')
  expect(await post(await house.as('chamber'), house.approval('chamber', digest))).toEqual([200, null])
  expect(await state()).not.toBe('approval')
})

test('its share counts once, whichever key hands it over', async () => {
  await house.until(request, 'releasing')
  expect(await post(await house.as('notary'), house.share('notary', digest))).toEqual([200, null])
  await post(elsewhere, house.share('notary', digest, { key: second }))
  await post(await house.as('twin'), house.share('notary', digest, { key: 'twin' }))
  expect(await post(await house.as('university'), house.share('university', digest))).toEqual([200, null])
  expect(await state()).toBe('releasing')
  expect(await post(await house.as('chamber'), house.share('chamber', digest))).toEqual([200, null])
  expect(await state()).toBe('released')
})
