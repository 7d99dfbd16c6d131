// Every write of a submission, a vote and a relayed share fails twice: not stored, and stored but the answer was lost, each with the machine
// dead afterwards. The same document given again brings the case exactly where it would be, and nothing is there twice.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { logTag } from '../../src/format/log-entry.js'
import { listChain } from '../../src/log/log.table.js'
import { AgreementShelf } from '../../src/escrow/archive/agreement-shelf.js'
import { tagSecretOf } from '../../src/release/record-turn.js'
import { GrantAccess } from '../../src/release/grant/grant-access.js'
import { listAccesses, listGrants } from '../../src/release/grant/grant.table.js'
import { ServeDownload } from '../../src/release/grant/serve-download.js'
import { findRequestByDigest, listHeldShares, listStatements, type RequestRow } from '../../src/release/release.table.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { failingAdapters, FailingWrites, type WriteFault } from '../doubles/failing-writes.js'
import { ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'

const writes = new FailingWrites()
let template: ReleaseTemplate
let house: ReleaseHouse

beforeAll(async () => {
  template = await ReleaseTemplate.make()
}, 300_000)
afterAll(() => template.remove())
// A release burns the epoch under which the next request would be.
beforeEach(async () => {
  house = await ReleaseHouse.open(template, failingAdapters(writes))
}, 120_000)
afterEach(() => house.close())

const faults: readonly WriteFault[] = ['not stored, then dead', 'stored, then dead']
const rowOf = async (digest: string): Promise<RequestRow | null> => house.app.get(Database).query((db) => findRequestByDigest(db, digest))

async function eventsOf(requestId: string): Promise<readonly string[]> {
  const known = await house.app.get(AgreementShelf).get(house.agreement.body.agreement)
  const tag = Buffer.from(logTag(tagSecretOf(known), requestId)).toString('hex')
  const entries = await house.app.get(Database).query((db) => listChain(db, tag, 0, 1000))
  expect(entries.map((entry) => entry.tagNumber)).toEqual(entries.map((_, place) => place + 1))
  return entries.map((entry) => entry.eventType.split('/')[2] ?? '')
}

/** Try with the n-th write failing, for every n until none is reached; each time on something fresh. */
async function everyWrite(
  prepare: () => Promise<{ readonly act: () => Promise<unknown>; readonly check: () => Promise<void> }>,
): Promise<number> {
  for (let at = 1; ; at += 1) {
    for (const fault of faults) {
      const { act, check } = await prepare()
      writes.plan(at, fault)
      await act().catch(() => undefined)
      const { struck } = writes
      writes.revive()
      await act()
      await house.tick()
      await check()
      if (!struck) return at
    }
  }
}

test('a submission', async () => {
  const reached = await everyWrite(async () => {
    const bytes = await house.ask()
    const { digest } = peekStatement(bytes)
    return {
      act: () => house.record(bytes),
      check: async () => {
        const row = await rowOf(digest)
        expect(row).toMatchObject({ state: 'submitted', revision: 1 })
        expect(await eventsOf(row?.requestId ?? '')).toEqual(['statement-recorded', 'request-advanced'])
      },
    }
  })
  expect(reached).toBeGreaterThan(6)
}, 300_000)

/** Requests that wait for votes, one after the other. */
async function waiting(count: number): Promise<readonly RequestRow[]> {
  const digests: string[] = []
  for (let made = 0; made < count; made += 1) {
    const bytes = await house.ask()
    await house.record(bytes)
    digests.push(peekStatement(bytes).digest)
  }
  const rows = async () => (await Promise.all(digests.map((digest) => rowOf(digest)))).flatMap((row) => row ?? [])
  for (let days = 0; days < 60 && (await rows()).some((row) => row.state !== 'approval'); days += 1) await house.wait(dayMs)
  return rows()
}

const cover = (row: RequestRow) => ({
  requestDigest: row.requestDigest,
  agreement: row.agreementDigest,
  epoch: row.epoch,
  recipients: [house.recipientOf('partner')],
})

test('a vote', async () => {
  const rows = [...(await waiting(30))]
  const reached = await everyWrite(async () => {
    const row = rows.pop()
    if (row === undefined) throw new Error('more writes than requests')
    const bytes = await house.sign('approval', 'notary', { covers: [cover(row)], reason: 'So be it.' })
    const before = await eventsOf(row.requestId)
    return {
      act: () => house.record(bytes),
      check: async () => {
        const after = await rowOf(row.requestDigest)
        expect([after?.state, after?.progress.votes.length]).toEqual(['approval', 1])
        expect(await eventsOf(row.requestId)).toEqual([...before, 'statement-recorded', 'request-advanced'])
        const statements = await house.app.get(Database).query((db) => listStatements(db, row.requestId, row.agreementId))
        expect(statements).toHaveLength(2)
      },
    }
  })
  expect(reached).toBeGreaterThan(6)
}, 300_000)

test('the share with which a case is released', async () => {
  const rows = [...(await waiting(70))]
  for (const party of ['notary', 'university', 'chamber']) {
    await house.record(await house.sign('approval', party, { covers: rows.map((row) => cover(row)), reason: 'So be it.' }))
  }
  await house.wait(25 * hourMs)
  const reached = await everyWrite(async () => {
    const row = rows.pop()
    if (row === undefined) throw new Error('more writes than requests')
    const share = (party: string) => house.shareOf(party, { requestDigest: row.requestDigest })
    await house.record(await share('notary'))
    await house.record(await share('university'))
    const bytes = await share('chamber')
    return {
      act: () => house.record(bytes),
      check: async () => {
        expect((await rowOf(row.requestDigest))?.state).toBe('released')
        const shares = await house.app.get(Database).query((db) => listHeldShares(db, row.requestId))
        expect(shares.map((one) => one.releasedAt !== null && one.storedAt !== null)).toEqual([true, true, true])
        const recorded = (await eventsOf(row.requestId)).filter((type) => type === 'statement-recorded')
        // The request, three approvals and three shares, each once.
        expect(recorded).toHaveLength(7)
      },
    }
  })
  expect(reached).toBeGreaterThan(15)
}, 600_000)

/** Requests that wait for shares. */
async function approved(count: number): Promise<RequestRow[]> {
  const rows = [...(await waiting(count))]
  for (const party of ['notary', 'university', 'chamber']) {
    await house.record(await house.sign('approval', party, { covers: rows.map((row) => cover(row)), reason: 'So be it.' }))
  }
  await house.wait(25 * hourMs)
  return rows
}

/** The next of them, released; the service gives its grant when it is looked at next. */
async function released(rows: RequestRow[]): Promise<RequestRow> {
  const row = rows.pop()
  if (row === undefined) throw new Error('more writes than requests')
  const { requestDigest } = row
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party, { requestDigest }))
  return row
}

const count = (types: readonly string[], type: string): number => types.filter((one) => one === type).length

test('a grant', async () => {
  const rows = await approved(60)
  const reached = await everyWrite(async () => {
    const row = await released(rows)
    return {
      act: () => house.app.get(GrantAccess).run(row.requestId),
      check: async () => {
        expect(await house.app.get(Database).query((db) => listGrants(db, row.requestId))).toHaveLength(1)
        expect(count(await eventsOf(row.requestId), 'grant-given')).toBe(1)
      },
    }
  })
  expect(reached).toBeGreaterThan(4)
}, 600_000)

test('a download and its refusal: row and event together, or neither', async () => {
  const row = await released(await approved(1))
  await house.tick()
  const key = `agreements/${row.agreementId}/agreement-1.json`
  for (const [party, type] of [
    ['partner', 'grant-used'],
    ['notary', 'grant-refused'],
  ] as const) {
    const fetchOnce = async () => {
      const { body } = await house.app.get(ServeDownload).run({ requestId: row.requestId, party, address: '192.0.2.1', key })
      for await (const block of body) expect(block.length).toBeGreaterThan(0)
    }
    const reached = await everyWrite(async () => ({
      act: () => fetchOnce().catch((error: unknown) => (party === 'notary' ? undefined : Promise.reject(error as Error))),
      check: async () => {
        const rows = await house.app.get(Database).query((db) => listAccesses(db, row.requestId, 0, 1000))
        const mine = rows.filter((access) => access.party === party)
        expect(count(await eventsOf(row.requestId), type)).toBe(Math.min(mine.length, type === 'grant-refused' ? 20 : 1000))
      },
    }))
    expect(reached).toBeGreaterThan(2)
  }
}, 600_000)

test('a revocation', async () => {
  const rows = await approved(30)
  const reached = await everyWrite(async () => {
    const row = await released(rows)
    await house.tick()
    const { requestDigest } = row
    const bytes = await house.sign('grant-revocation', 'ministry', {
      requestDigest,
      beneficiary: 'partner',
      reason: 'The licence was broken.',
    })
    return {
      act: () => house.record(bytes),
      check: async () => {
        const [grant] = await house.app.get(Database).query((db) => listGrants(db, row.requestId))
        expect(grant?.revokedAt).not.toBe(null)
        expect(count(await eventsOf(row.requestId), 'grant-revoked')).toBe(1)
      },
    }
  })
  expect(reached).toBeGreaterThan(4)
}, 600_000)
