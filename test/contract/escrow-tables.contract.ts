import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BugError } from '../../src/core/errors.js'
import type { Database, Tx } from '../../src/db/database.js'
import * as agreements from '../../src/escrow/archive/agreement.table.js'
import * as attempts from '../../src/escrow/basis/attempt.table.js'
import * as deposits from '../../src/escrow/archive/deposit.table.js'
import * as hosts from '../../src/escrow/source/host.table.js'
import * as leases from '../../src/escrow/archive/lease.table.js'
import * as copies from '../../src/escrow/archive/copy.table.js'
import * as objects from '../../src/escrow/archive/object.table.js'
import * as schedules from '../../src/escrow/source/schedule.table.js'
import * as shares from '../../src/escrow/archive/share.table.js'
import { listShareProofs } from '../../src/release/custody/custody.table.js'
import * as sources from '../../src/escrow/archive/source.table.js'
import { emptyAllTables } from '../doubles/test-database.js'
import { agreementId, day, digestOf, insertArchive, newDeposit, newObject, source, sourceRow } from './archive-rows.js'

const timing = { periodAt: day(2), deadlineAt: day(3), dueAt: day(2) }

/** The laws of the escrow tables, on every adapter. */
export function escrowTablesContract(adapter: string, open: () => Promise<Database>): void {
  describe(`the escrow tables on ${adapter}`, () => {
    let database: Database
    const run = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction(work)
    const wish = (holder: string, now: Date, expiresAt: Date) => ({ ...source, holder, now, expiresAt })
    const take = (holder: string, now: Date, expiresAt: Date) => run((tx) => leases.takeLease(tx, wish(holder, now, expiresAt)))
    const held = async <T>(lease: leases.Lease, work: (tx: Tx, holding: leases.HeldLease) => Promise<T>) =>
      run(async (tx) => work(tx, await leases.holdLease(tx, lease)))

    beforeAll(async () => {
      database = await open()
    })
    beforeEach(() =>
      run(async (tx) => {
        await emptyAllTables(tx)
        await insertArchive(tx)
      }),
    )
    afterAll(() => database.close())

    describe('hosts', () => {
      const visit = (holder: string, now: Date, more: Partial<hosts.HostWish> = {}) => {
        const expiresAt = new Date(now.getTime() + 60_000)
        const pace = { atOnce: 2, everyMs: 1000, burst: 100 }
        return run((tx) => hosts.tryTakeHost(tx, { host: 'git.example', holder, now, expiresAt, ...pace, ...more }))
      }

      test('a host has so many visitors at once, and a slot that was left or has lapsed is free', async () => {
        const all = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => visit(holder, day(1))))
        expect(
          all
            .filter((slot) => slot !== null)
            .map((slot) => String(slot?.slot))
            .toSorted(),
        ).toEqual(['1', '2'])
        expect(await visit('e', day(1), { host: 'other.example' })).not.toBeNull()
        const [left] = all.filter((slot) => slot !== null)
        await database.query((db) => hosts.leaveHost(db, left!, day(1)))
        expect(await visit('f', day(1))).toMatchObject({ slot: left!.slot, holder: 'f' })
        expect(await visit('g', day(1))).toBeNull()
        expect(await visit('h', day(1, 2))).not.toBeNull()
        // Who lost its slot gives nothing back.
        await database.query((db) => hosts.leaveHost(db, left!, day(1)))
        await visit('i', day(1, 2))
        expect(await visit('j', day(1, 2))).toBeNull()
      })

      test('a pace allows its burst, then one visit for each interval, and saves nothing beyond the burst', async () => {
        const at = (ms: number) => new Date(day(1).getTime() + ms)
        const visits = async (ms: number, tries: number) => {
          let taken = 0
          for (let n = 0; n < tries; n += 1) if ((await visit(`${ms}-${n}`, at(ms), { atOnce: 1000, burst: 3 })) !== null) taken += 1
          return taken
        }
        expect(await visits(0, 5)).toBe(3)
        expect(await visits(999, 2)).toBe(0)
        expect(await visits(1000, 2)).toBe(1)
        expect(await visits(3600_000, 5)).toBe(3)
      })

      test('slots and pace of a clock that ran ahead bind nobody', async () => {
        const ahead = new Date(day(1).getTime() + 365 * 86_400_000)
        for (const holder of ['a', 'b']) expect(await visit(holder, ahead, { burst: 2 })).not.toBeNull()
        expect(await visit('c', ahead, { burst: 2 })).toBeNull()
        expect(await visit('d', day(1), { burst: 2 })).not.toBeNull()
      })
    })

    describe('leases', () => {
      test('a lease that lasts ten times as long as it may was written by a wrong clock, and binds nobody', async () => {
        const first = await take('one', day(20), day(21))
        const second = await take('two', day(1), day(1, 10))
        expect(second.fencingToken).toBeGreaterThan(first.fencingToken)
      })

      test('a source has one worker until its lease expires, and then the next with a higher token', async () => {
        const first = await take('one', day(1), day(1, 10))
        const refused = take('two', day(1, 9), day(1, 20))
        await expect(refused).rejects.toMatchObject({ code: 'LEASE_HELD', message: expect.stringContaining('one') as string })
        const second = await take('two', day(1, 10), day(1, 20))
        expect(second.fencingToken).toBeGreaterThan(first.fencingToken)
      })

      test('of workers that ask at once, one gets the lease', async () => {
        const all = await Promise.allSettled(['a', 'b', 'c', 'd'].map((holder) => take(holder, day(1), day(1, 10))))
        expect(all.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      })

      test('who was overtaken can neither hold, renew nor end the lease of the other', async () => {
        const first = await take('one', day(1), day(1, 10))
        const second = await take('two', day(1, 10), day(1, 20))
        await expect(held(first, async () => 1)).rejects.toMatchObject({ code: 'LEASE_LOST' })
        await expect(run((tx) => leases.renewLease(tx, first, day(2)))).rejects.toMatchObject({ code: 'LEASE_LOST' })
        await run((tx) => leases.endLease(tx, first, day(1, 11)))
        expect(await held(second, async () => 1)).toBe(1)
        await expect(take('three', day(1, 12), day(2))).rejects.toMatchObject({ code: 'LEASE_HELD' })
      })

      test('a lease that has expired is as good as before while nobody has taken it', async () => {
        const lease = await take('one', day(1), day(1, 10))
        await run((tx) => leases.renewLease(tx, lease, day(3)))
        await expect(take('two', day(2), day(4))).rejects.toMatchObject({ code: 'LEASE_HELD' })
      })

      test('a token is greater than all before it, though the clock goes back', async () => {
        const first = await take('one', day(5), day(6))
        await run((tx) => leases.endLease(tx, first, day(1)))
        expect((await take('two', day(2), day(3))).fencingToken).toBe(first.fencingToken + 1)
      })

      test('a token is greater than those of a database that was lost', async () => {
        const before = await take('one', day(1), day(1, 10))
        await run((tx) => emptyAllTables(tx))
        expect((await take('one', day(1, 1), day(1, 10))).fencingToken).toBeGreaterThan(before.fencingToken)
      })

      test('an ended lease, and one of the dead, is free at once', async () => {
        await run(async (tx) => leases.endLease(tx, await leases.takeLease(tx, wish('one', day(1), day(9))), day(1, 1)))
        await take('two', day(1, 1), day(9))
        await run((tx) => leases.endLeasesOfTheDead(tx, day(1, 2)))
        await take('three', day(1, 2), day(9))
      })
    })

    describe('sources', () => {
      const names = (rows: readonly { readonly source: string }[]) => rows.map((row) => row.source)
      const sweep = (now: Date, limit = 10) => run((tx) => schedules.sweepDueSources(tx, { now, lookAgainAt: day(5), limit }))

      test('a sweep gives the due ones and again only when it is time to look again', async () => {
        await run((tx) => sources.insertSources(tx, [sourceRow('late', 10), { ...sourceRow('idle'), state: 'paused' }]))
        expect(names(await sweep(day(1, -1)))).toEqual([])
        expect(names(await sweep(day(1)))).toEqual(['core'])
        expect(names(await sweep(day(1, 10)))).toEqual(['late'])
        expect(names(await sweep(day(4)))).toEqual([])
        expect(names(await sweep(day(5))).sort()).toEqual(['core', 'late'])
      })

      test('sweeps at once never give the same source twice and lose none', async () => {
        const many = Array.from({ length: 40 }, (_, i) => `s-${i}`)
        await run((tx) =>
          sources.insertSources(
            tx,
            many.map((name) => sourceRow(name)),
          ),
        )
        const swept: string[] = []
        for (let round = 0; round < 3; round++) swept.push(...(await Promise.all([sweep(day(2)), sweep(day(2))])).flatMap(names))
        expect(swept.sort()).toEqual([...many, 'core'].sort())
      })

      test('only pulled sources are swept, but every active one can miss its deadline', async () => {
        await run((tx) => sources.insertSources(tx, [{ ...sourceRow('sent'), mode: 'push' }]))
        expect(names(await sweep(day(3)))).toEqual(['core'])
        expect(await database.query((db) => schedules.listMissed(db, day(1, 59), 10))).toEqual([])
        expect(names(await database.query((db) => schedules.listMissed(db, day(2), 10))).sort()).toEqual(['core', 'sent'])
        await run((tx) => schedules.moveSchedule(tx, source, timing, day(1)))
        expect(names(await database.query((db) => schedules.listMissed(db, day(2), 10)))).toEqual(['sent'])
      })

      test('a failure is counted and tried again later, and the deadline stays', async () => {
        const lease = await take('one', day(1), day(2))
        for (const retryAt of [day(1, 20), day(1, 40)]) {
          await held(lease, (tx, holding) => sources.recordFailure(tx, holding, { code: 'REMOTE_AUTH', at: day(1, 5), retryAt }))
        }
        const failed = await database.query((db) => sources.findSource(db, source))
        expect(failed).toMatchObject({ failures: 2, failureCode: 'REMOTE_AUTH', dueAt: day(1, 40), lookAt: day(1, 40), deadlineAt: day(2) })
        await held(lease, (tx, holding) => sources.recordUnchanged(tx, holding, day(1, 50), timing))
        const fresh = await database.query((db) => sources.findSource(db, source))
        expect(fresh).toMatchObject({ failures: 0, failureCode: null, failedAt: null, freshAt: day(1, 50), ...timing, nextSequence: 1 })
      })

      test('sources wait with their agreement, and a new remote forgets what the old one could do', async () => {
        expect(await run((tx) => sources.moveSources(tx, agreementId, 'active', 'ended'))).toBe(1)
        await run((tx) => sources.cacheCapability(tx, source, { fetch: ['shallow'] }))
        expect(await database.query((db) => sources.findSource(db, source))).toMatchObject({ capability: { fetch: ['shallow'] } })
        await run((tx) => sources.setRemote(tx, source, { url: 'https://git.example/core', credentialFile: '/keys/core' }))
        expect(await database.query((db) => sources.findSource(db, source))).toMatchObject({
          url: 'https://git.example/core',
          credentialFile: '/keys/core',
          capability: null,
        })
        expect(names(await database.query((db) => sources.listSources(db, agreementId, '', 10)))).toEqual(['core'])
        expect(await database.query((db) => sources.listSources(db, agreementId, 'core', 10))).toEqual([])
      })
    })

    describe('deposits', () => {
      const publish = async (sequence: number, base: number, blocking = false) => {
        const lease = await take('worker', day(sequence), day(sequence))
        const deposit = newDeposit(sequence, base, blocking)
        await held(lease, async (tx, holding) => {
          await deposits.insertDeposit(tx, holding, deposit)
          await deposits.insertFindings(tx, deposit.depositId, blocking ? [{ code: 'REFS_REWRITTEN', severity: 'blocking', count: 2 }] : [])
          await sources.recordFresh(tx, holding, deposit, timing)
        })
        return deposit
      }
      const sequences = (rows: readonly deposits.DepositRow[]) => rows.map((row) => row.sequence)
      const chain = async (upTo: number) => sequences(await database.query((db) => deposits.listChain(db, source, upTo)))

      test('a chain goes from its full deposit to the one that was asked for', async () => {
        for (const sequence of [1, 2, 3, 4, 5]) await publish(sequence, sequence < 4 ? 1 : 4)
        expect(await chain(3)).toEqual([1, 2, 3])
        expect(await chain(4)).toEqual([4])
        expect(await chain(5)).toEqual([4, 5])
        expect(await chain(6)).toEqual([])
        const state = await database.query((db) => sources.findSource(db, source))
        expect(state).toMatchObject({ nextSequence: 6, fullSequence: 4, fullAt: day(4), chainLength: 1, refsDigest: digestOf('refs 5') })
      })

      test('a deposit comes back as it went, by number, by id, as the latest and in pages', async () => {
        const first = await publish(1, 1)
        const second = await publish(2, 1)
        const row = { ...second, ...source, explainedAt: null, receiptDigest: null }
        expect(await database.query((db) => deposits.findDeposit(db, source, 2))).toEqual(row)
        expect(await database.query((db) => deposits.findDepositById(db, second.depositId))).toEqual(row)
        expect(await database.query((db) => deposits.findLatestDeposit(db, source))).toEqual(row)
        expect(await database.query((db) => deposits.findDeposit(db, source, 3))).toBeNull()
        expect(sequences(await database.query((db) => deposits.listDeposits(db, source, Infinity, 1)))).toEqual([2])
        expect(sequences(await database.query((db) => deposits.listDeposits(db, source, 2, 1)))).toEqual([first.sequence])
      })

      test('the same sequence, manifest or leaf twice is a conflict and changes nothing', async () => {
        await publish(1, 1)
        const lease = await take('worker', day(2), day(3))
        const other = newDeposit(2, 1)
        const known = newDeposit(1, 1)
        for (const clash of [{ sequence: 1 }, { manifestDigest: known.manifestDigest }, { leafHash: known.leafHash }]) {
          const twice = held(lease, (tx, holding) => deposits.insertDeposit(tx, holding, { ...other, ...clash }))
          await expect(twice).rejects.toMatchObject({ code: 'DATABASE_CONFLICT' })
        }
        expect(await chain(1)).toEqual([1])
      })

      test('who lost the lease publishes nothing', async () => {
        const lease = await take('slow', day(1), day(1, 1))
        await take('quick', day(1, 1), day(1, 2))
        const late = held(lease, (tx, holding) => deposits.insertDeposit(tx, holding, newDeposit(1, 1)))
        await expect(late).rejects.toMatchObject({ code: 'LEASE_LOST' })
        expect(await chain(1)).toEqual([])
      })

      test('open passes over a deposit with a blocking finding until it is explained', async () => {
        await publish(1, 1)
        const blocked = await publish(2, 1, true)
        const openable = () => database.query((db) => deposits.findLatestOpenable(db, source))
        expect(await openable()).toMatchObject({ sequence: 1 })
        expect(await run((tx) => deposits.settleExplained(tx, blocked.depositId, day(3)))).toBe(false)
        const explanation = { depositId: blocked.depositId, statementDigest: digestOf('why'), at: day(3) }
        await run((tx) => deposits.explainFinding(tx, { ...explanation, code: 'REFS_REWRITTEN' }))
        expect(await run((tx) => deposits.settleExplained(tx, blocked.depositId, day(3)))).toBe(true)
        expect(await openable()).toMatchObject({ sequence: 2, explainedAt: day(3) })
        expect(await database.query((db) => deposits.listFindings(db, blocked.depositId))).toEqual([
          {
            depositId: blocked.depositId,
            code: 'REFS_REWRITTEN',
            severity: 'blocking',
            count: 2,
            explanationDigest: digestOf('why'),
            explainedAt: day(3),
          },
        ])
        const unknown = run((tx) => deposits.explainFinding(tx, { ...explanation, code: 'REF_DELETED' }))
        await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' })
      })

      test('a deposit waits for its receipt until it is recorded', async () => {
        const first = await publish(1, 1)
        await publish(2, 1)
        const waiting = async () => sequences(await database.query((db) => deposits.listUnreceipted(db, null, 10)))
        expect(await waiting()).toEqual([1, 2])
        await run((tx) => deposits.recordReceipt(tx, first.depositId, digestOf('receipt')))
        expect(await waiting()).toEqual([2])
      })

      test('an attempt moves only from the state that it is in', async () => {
        const lease = await take('worker', day(1), day(2))
        const attempt = { attemptId: 'x1', sequence: 1, kind: 'full' as const, baseSequence: 1, epoch: 1, startedAt: day(1) }
        const move = (from: attempts.AttemptState, to: attempts.AttemptState) =>
          held(lease, (tx, holding) => attempts.moveAttempt(tx, holding, { attemptId: 'x1', from, to, at: day(1, 5) }))
        const unfinished = () => database.query((db) => attempts.listOpenAttempts(db, source))
        await held(lease, (tx, holding) => attempts.insertAttempt(tx, holding, attempt))
        await move('taking', 'sealed')
        await expect(move('taking', 'stored')).rejects.toMatchObject({ code: 'DEPOSIT_STATE' })
        expect(await unfinished()).toMatchObject([
          { ...attempt, ...source, state: 'sealed', finishedAt: null, fencingToken: lease.fencingToken },
        ])
        await move('sealed', 'abandoned')
        expect(await unfinished()).toEqual([])
        expect(await database.query((db) => attempts.findAttempt(db, 'x1'))).toMatchObject({ state: 'abandoned', finishedAt: day(1, 5) })
      })

      test('a published attempt gives its objects to the deposit and starts their checks', async () => {
        const objectId = await run((tx) => objects.recordObject(tx, newObject('k1', 'x1')))
        const copy = { objectId, replica: 'left', versionId: 'v1', retainUntil: day(20), storedAt: day(1), nextCheckAt: null }
        await run((tx) => copies.recordCopy(tx, copy))
        const { depositId } = await publish(1, 1)
        await run(async (tx) => {
          await objects.adoptObjects(tx, 'x1', depositId)
          await copies.scheduleFirstChecks(tx, depositId, day(8))
        })
        expect(await database.query((db) => objects.listObjectsOfDeposits(db, [depositId]))).toEqual([
          { ...newObject('k1', 'x1'), objectId, depositId },
        ])
        expect(await database.query((db) => objects.listObjectsOfDeposits(db, []))).toEqual([])
        expect(await database.query((db) => objects.listObjectsOfAttempt(db, 'x1'))).toHaveLength(1)
        expect(await database.query((db) => copies.listCopies(db, objectId))).toMatchObject([{ nextCheckAt: day(8), state: 'present' }])
      })
    })

    describe('objects', () => {
      test('an object may be recorded again as it is, and never with other bytes', async () => {
        const objectId = await run((tx) => objects.recordObject(tx, newObject('k1')))
        expect(await run((tx) => objects.recordObject(tx, newObject('k1')))).toBe(objectId)
        await expect(run((tx) => objects.recordObject(tx, { ...newObject('k1'), sizeBytes: 21 }))).rejects.toBeInstanceOf(BugError)
        expect(await database.query((db) => objects.findObject(db, 'k1'))).toEqual({ ...newObject('k1'), objectId, depositId: null })
        expect(await database.query((db) => objects.findObject(db, 'k2'))).toBeNull()
      })

      test('a copy recorded again keeps the longer retention, and a second current version is a conflict', async () => {
        const objectId = await run((tx) => objects.recordObject(tx, newObject('k1')))
        const copy = { objectId, replica: 'left', versionId: 'v1', retainUntil: day(20), storedAt: day(1), nextCheckAt: null }
        for (const retainUntil of [day(20), day(25), day(10)]) await run((tx) => copies.recordCopy(tx, { ...copy, retainUntil }))
        expect(await database.query((db) => copies.listCopies(db, objectId))).toMatchObject([{ retainUntil: day(25) }])
        const second = run((tx) => copies.recordCopy(tx, { ...copy, versionId: 'v2' }))
        await expect(second).rejects.toMatchObject({ code: 'DATABASE_CONFLICT' })
      })

      test('retention is short where the lock ends too soon, except for orphans and ended agreements', async () => {
        const keep = async (key: string, retainUntil: Date, attemptId: string | null = null) => {
          const objectId = await run((tx) => objects.recordObject(tx, newObject(key, attemptId)))
          await run((tx) =>
            copies.recordCopy(tx, { objectId, replica: 'left', versionId: 'v', retainUntil, storedAt: day(1), nextCheckAt: null }),
          )
        }
        await keep('later', day(20))
        await keep('sooner', day(10))
        await keep('enough', day(25))
        await keep('orphan', day(5), 'x1')
        const short = () => database.query((db) => copies.listShortRetention(db, day(25), 10))
        expect((await short()).map((row) => row.key)).toEqual(['sooner', 'later'])
        const [row] = await short()
        await run((tx) => copies.recordRetention(tx, row!.copy.copyId, day(26)))
        expect((await short()).map((each) => each.key)).toEqual(['later'])
        await run((tx) => agreements.moveAgreement(tx, { agreementId, from: 'registered', to: 'ended', at: day(2) }))
        expect(await short()).toEqual([])
      })

      test('a replica keeps its first day, follows the configuration and is retired, not forgotten', async () => {
        await run((tx) => copies.recordReplica(tx, { replica: 'left', country: 'DE', control: 'FR', addedAt: day(9) }))
        await run((tx) => copies.retireReplica(tx, 'right'))
        expect(await database.query((db) => copies.listReplicas(db))).toEqual([
          { replica: 'left', country: 'DE', control: 'FR', state: 'active', addedAt: day(1) },
          { replica: 'right', country: 'CH', control: 'CH', state: 'retired', addedAt: day(1) },
        ])
      })
    })

    describe('agreements', () => {
      const recipient = (letter: string) => `age1${letter.repeat(58)}`
      const epoch = (number: number) => ({ agreementId, epoch: number, recipient: recipient('q'), state: 'dealt' as const })

      test('an agreement is found by id, by digest of any version, and by the keys of its parties', async () => {
        await run((tx) => agreements.insertParties(tx, [{ agreementId, party: 'vendor', role: 'depositor', fingerprint: digestOf('key') }]))
        expect(await database.query((db) => agreements.findAgreement(db, agreementId))).toMatchObject({
          state: 'registered',
          armedAt: null,
        })
        expect(await database.query((db) => agreements.findVersionByDigest(db, digestOf('agreement 1')))).toMatchObject({ version: 1 })
        expect(await database.query((db) => agreements.findVersion(db, agreementId, 2))).toBeNull()
        expect(await database.query((db) => agreements.listAgreements(db, '', 10))).toHaveLength(1)
        expect(await database.query((db) => agreements.listAgreements(db, agreementId, 10))).toEqual([])
      })

      test('a vault has one current epoch', async () => {
        await run((tx) => agreements.insertEpochs(tx, [epoch(1), epoch(2)]))
        const move = (number: number, from: agreements.EpochState, to: agreements.EpochState) =>
          run((tx) => agreements.moveEpoch(tx, { agreementId, epoch: number, from, to }))
        const current = () => database.query((db) => agreements.findCurrentEpoch(db, agreementId))
        expect(await current()).toBeNull()
        await move(1, 'dealt', 'armed')
        await expect(move(1, 'dealt', 'armed')).rejects.toMatchObject({ code: 'AGREEMENT_STATE' })
        await expect(move(2, 'dealt', 'armed')).rejects.toMatchObject({ code: 'DATABASE_CONFLICT' })
        await move(2, 'dealt', 'reserve')
        await move(1, 'armed', 'exposed')
        expect(await current()).toMatchObject({ epoch: 1, state: 'exposed' })
        await move(1, 'exposed', 'burned')
        await move(2, 'reserve', 'armed')
        expect(await current()).toMatchObject({ epoch: 2 })
        expect((await database.query((db) => agreements.listEpochs(db, agreementId))).map((row) => row.state)).toEqual(['burned', 'armed'])
      })

      test('an agreement moves only from the state that it is in', async () => {
        await run((tx) => agreements.moveAgreement(tx, { agreementId, from: 'registered', to: 'armed', at: day(2) }))
        const again = run((tx) => agreements.moveAgreement(tx, { agreementId, from: 'registered', to: 'armed', at: day(3) }))
        await expect(again).rejects.toMatchObject({ code: 'AGREEMENT_STATE' })
        expect(await database.query((db) => agreements.findAgreement(db, agreementId))).toMatchObject({ state: 'armed', armedAt: day(2) })
      })

      test('a custodian accepts a version once', async () => {
        const accept = (index: number) =>
          run((tx) =>
            shares.insertAcceptance(tx, {
              agreementId,
              version: 1,
              custodianIndex: index,
              statementDigest: digestOf(`${index}`),
              acceptedAt: day(1),
            }),
          )
        await accept(2)
        await accept(1)
        await expect(accept(2)).rejects.toMatchObject({ code: 'DATABASE_CONFLICT' })
        const accepted = await database.query((db) => shares.listAcceptances(db, agreementId, 1))
        expect(accepted.map((row) => row.custodianIndex)).toEqual([1, 2])
      })

      test('a share is healthy by its newest proof', async () => {
        await run((tx) => agreements.insertEpochs(tx, [epoch(1)]))
        const prove = (index: number, provedAt: Date) =>
          run((tx) =>
            shares.recordShareHealth(tx, {
              agreementId,
              epoch: 1,
              custodianIndex: index,
              statementDigest: digestOf('healthy'),
              provedAt,
            }),
          )
        const healthy = async (since: Date) =>
          (await database.query((db) => listShareProofs(db, agreementId))).filter(({ provedAt }) => provedAt > since).length
        expect(await healthy(day(1))).toBe(0)
        await prove(1, day(5))
        await prove(1, day(3))
        await prove(2, day(3))
        expect(await healthy(day(2))).toBe(2)
        expect(await healthy(day(4))).toBe(1)
      })
    })
  })
}
