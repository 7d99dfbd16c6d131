// Orders against the operator, and holds: what is registered, what must stay silent for a while, and that neither moves any material.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { LegalCheck, type StatementOf } from '../../src/format/statement.js'
import { findLegalOrder } from '../../src/release/legal/legal-order.table.js'
import { listGrants } from '../../src/release/grant/grant.table.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { sourceFiles } from '../architecture/source-files.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

const canary = 'Office of the quiet canary'

const orderAgainstUs = (fields: Parameters<ReleaseHouse['legalOrder']>[0]): Promise<Uint8Array> =>
  house.legalOrder({ issuer: canary, ...fields })

const step = (order: string, what: StatementOf<'legal-order-step'>['step']): Promise<Uint8Array> =>
  house.signAsAgent('legal-order-step', { order, step: what, proof: 'ab'.repeat(32) })

const row = (order: string) => house.app.get(Database).query((db) => findLegalOrder(db, order))

/** Files at a replica in which the words lie, in the open or in DSSE's base64. */
function placesOf(words: string): readonly string[] {
  const shifted = [0, 1, 2].map((by) =>
    Buffer.from(`${'x'.repeat(by)}${words}`)
      .toString('base64')
      .slice(by === 0 ? 0 : 4, -4),
  )
  return readdirSync(join(house.folder, 'replicas', 'a'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => [words, ...shifted].some((text) => readFileSync(path).includes(text)))
}

test('an order with a gag leaves nothing readable and no event of the agreement, until its day; then everything comes into the open', async () => {
  // What else is due in this year is said once.
  await house.tick()
  const before = await house.eventsOf()
  const until = new Date(house.clock.now().getTime() + 40 * dayMs).toISOString()
  const bytes = await orderAgainstUs({ noticeForbidden: true, noticeForbiddenUntil: until })
  const { digest } = peekStatement(bytes)
  await house.record(bytes)
  const check = await step(digest, { kind: 'check-done', check: 'authenticity' })
  for (const again of [bytes, check, check]) await house.record(again)
  await house.wait(35 * dayMs)
  expect([await house.eventsOf(), placesOf(canary), (await row(digest))?.state]).toEqual([before, [], 'overdue'])
  // Yet the log has fixed what was recorded, and when: one leaf for each statement.
  expect(await house.eventsOf(`sealed-${digest.slice(0, 20)}`)).toEqual(['record-sealed', 'record-sealed'])
  await house.wait(6 * dayMs)
  expect((await house.eventsOf()).slice(before.length)).toEqual(['statement-recorded', 'statement-recorded', 'legal-order-advanced'])
  expect(placesOf(canary).length).toBeGreaterThan(0)
  expect((await row(digest))?.progress.noticeAllowed).toBe(true)
})

test('an order in the open is contested, its checks are done, and it is closed; no grant, share or request comes of it', async () => {
  const bytes = await orderAgainstUs({ kind: 'seizure' })
  const { digest } = peekStatement(bytes)
  const [registered] = await house.record(bytes)
  expect(registered?.state).toBe('registered, notify-parties')
  await house.record(await step(digest, { kind: 'contested', until: new Date(house.clock.now().getTime() + 90 * dayMs).toISOString() }))
  await house.wait(60 * dayMs)
  expect((await row(digest))?.state).toBe('contested')
  const answer = await step(digest, { kind: 'answered', outcome: 'nothing-held' })
  expect(await refusal(house.record(answer))).toBe('ORDER_STATE')
  for (const check of LegalCheck.options) await house.record(await step(digest, { kind: 'check-done', check }))
  await house.record(answer)
  await house.record(answer)
  expect((await row(digest))?.state).toBe('answered')
  expect(await refusal(step(digest, { kind: 'answered', outcome: 'annulled' }).then((late) => house.record(late)))).toBe('ORDER_STATE')
  expect(await refusal(step('cd'.repeat(32), { kind: 'notice-allowed' }).then((stray) => house.record(stray)))).toBe('NOT_FOUND')
  const forged = house.sign('legal-order-step', 'partner', { order: digest, step: { kind: 'notice-allowed' }, proof: 'ab'.repeat(32) })
  expect(await refusal(forged.then((other) => house.record(other)))).toBe('SIGNER_REFUSED')
  expect([await house.requests(), await house.app.get(Database).query((db) => listGrants(db, digest))]).toEqual([[], []])
})

test('no file that serves an order against us can reach a share, a grant, a request or an envelope', () => {
  const files = new Map(sourceFiles('src').map((file) => [file.path, file]))
  const reached = new Set(['src/release/legal/record-legal-order.ts'])
  for (const path of reached) for (const to of files.get(path)?.imports ?? []) reached.add(to)
  const ways = /grant-access|relay-share|submit-request|crypto\/holder|open-envelope|sealed-file|cli\//
  expect([...reached].filter((path) => ways.test(path))).toEqual([])
  expect(reached.size).toBeGreaterThan(20)
})

test('a hold on every request names its signer, stops the clocks, and ends by itself', async () => {
  await house.reachApproval()
  const until = new Date(house.clock.now().getTime() + 5 * dayMs).toISOString()
  const matter = { action: 'place' as const, requestDigest: null, until, reference: 'H 1', reason: 'Inquiry.' }
  expect(await refusal(house.sign('legal-hold', 'arbiter', matter).then((bytes) => house.record(bytes)))).toBe('SIGNER_REFUSED')
  await house.record(await house.sign('legal-hold', 'ministry', matter))
  const { progress } = await house.request()
  expect(progress.state).toMatchObject({ name: 'held', signer: 'ministry', until })
  await house.wait(4 * dayMs)
  expect(await house.state()).toBe('held')
  await house.wait(2 * dayMs)
  expect(await house.state()).toBe('approval')
})
