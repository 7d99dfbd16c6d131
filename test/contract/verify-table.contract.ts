import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Tx } from '../../src/db/database.js'
import * as copies from '../../src/escrow/archive/copy.table.js'
import * as objects from '../../src/escrow/archive/object.table.js'
import * as fixity from '../../src/verify/verify.table.js'
import { emptyAllTables } from '../doubles/test-database.js'
import { day, digestOf, insertArchive, newObject } from './archive-rows.js'

/** The laws of the fixity tables, on every adapter. */
export function verifyTableContract(adapter: string, open: () => Promise<Database>): void {
  describe(`the fixity tables on ${adapter}`, () => {
    let database: Database
    const run = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction(work)

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

    const store = (key: string, replica: string, nextCheckAt: Date | null, versionId = 'v1') =>
      run(async (tx) => {
        const objectId = await objects.recordObject(tx, newObject(key))
        await copies.recordCopy(tx, { objectId, replica, versionId, retainUntil: day(30), storedAt: day(1), nextCheckAt })
        return objectId
      })
    const keys = (rows: readonly fixity.CopyOfObject[]) => rows.map((row) => `${row.object.key} ${row.copy.replica}`)
    const overdue = (now: Date, replica: string | null = null, limit = 10) =>
      database.query((db) => fixity.listOverdueCopies(db, { now, replica, limit }))
    const mark = (copyId: number, outcome: fixity.FixityOutcome, checkedAt: Date, nextCheckAt: Date) =>
      run(async (tx) => {
        await fixity.insertCheck(tx, { copyId, checkedAt, outcome, foundDigest: outcome === 'mismatch' ? digestOf('bad') : null })
        await fixity.markCopy(tx, { copyId, checkedAt, outcome, nextCheckAt })
      })

    test('the most overdue copy comes first, and what is unpublished or not due does not come', async () => {
      await store('b', 'left', day(3))
      await store('a', 'left', day(4))
      await store('a', 'right', day(2))
      await store('unpublished', 'left', null)
      expect(keys(await overdue(day(3)))).toEqual(['a right', 'b left'])
      expect(keys(await overdue(day(9), 'left'))).toEqual(['b left', 'a left'])
      expect(keys(await overdue(day(9), null, 1))).toEqual(['a right'])
      expect(await overdue(day(1))).toEqual([])
    })

    test('many matches are recorded at once, and a superseded copy stays superseded', async () => {
      for (const [key, replica] of [
        ['a', 'left'],
        ['b', 'left'],
        ['a', 'right'],
      ] as const)
        await store(key, replica, day(2))
      const [repaired, ...rest] = (await overdue(day(9))).map(({ copy }) => copy.copyId)
      await run((tx) => fixity.supersedeCopy(tx, repaired!))
      const matches = [repaired!, ...rest].map((copyId, index) => ({ copyId, checkedAt: day(5 + index), nextCheckAt: day(20 + index) }))
      await run((tx) => fixity.recordMatches(tx, matches))
      await run((tx) => fixity.recordMatches(tx, []))
      const due = await overdue(day(30))
      expect(due.map(({ copy }) => [copy.copyId, copy.state, copy.verifiedAt, copy.nextCheckAt])).toEqual(
        rest.map((copyId, index) => [copyId, 'present', day(6 + index), day(21 + index)]),
      )
      for (const { copyId, checkedAt } of matches) {
        const checks = await database.query((db) => fixity.listChecks(db, copyId, 9))
        expect(checks).toMatchObject([{ checkedAt, outcome: 'match', foundDigest: null }])
      }
    })

    test('a check of everything walks all published copies, page by page', async () => {
      for (const key of ['c', 'a', 'b']) await store(key, 'left', day(9))
      await store('unpublished', 'left', null)
      const seen: string[] = []
      for (let afterCopy = 0; ;) {
        const rows = await database.query((db) => fixity.listCopiesInOrder(db, { afterCopy, replica: 'left', limit: 2 }))
        const last = rows.at(-1)
        if (last === undefined) break
        seen.push(...keys(rows))
        afterCopy = last.copy.copyId
      }
      expect(seen).toEqual(['c left', 'a left', 'b left'])
    })

    test('a match is remembered, and a bad copy stays bad until it matches again', async () => {
      await store('a', 'left', day(2))
      const [row] = await overdue(day(2))
      const { copyId } = row!.copy
      await mark(copyId, 'match', day(2), day(5))
      expect((await overdue(day(5)))[0]!.copy).toMatchObject({ state: 'present', verifiedAt: day(2), nextCheckAt: day(5) })
      for (const outcome of ['mismatch', 'missing', 'unreadable'] as const) {
        await mark(copyId, outcome, day(6), day(7))
        const bad = await database.query((db) => fixity.listBadCopies(db, 0, 10))
        expect(bad[0]!.copy).toMatchObject({ state: outcome, verifiedAt: day(2), nextCheckAt: day(7) })
      }
      await mark(copyId, 'match', day(8), day(9))
      expect(await database.query((db) => fixity.listBadCopies(db, 0, 10))).toEqual([])
      const history = await database.query((db) => fixity.listChecks(db, copyId, 10))
      expect(history.map((check) => check.outcome)).toEqual(['match', 'unreadable', 'missing', 'mismatch', 'match'])
      expect(history[3]).toMatchObject({ foundDigest: digestOf('bad') })
    })

    test('a repair supersedes the bad version once, and only the new one is checked', async () => {
      const objectId = await store('a', 'left', day(2))
      const [row] = await overdue(day(2))
      await mark(row!.copy.copyId, 'mismatch', day(2), day(3))
      await run(async (tx) => {
        await fixity.supersedeCopy(tx, row!.copy.copyId)
        await copies.recordCopy(tx, {
          objectId,
          replica: 'left',
          versionId: 'v2',
          retainUntil: day(30),
          storedAt: day(3),
          nextCheckAt: day(4),
        })
      })
      await expect(run((tx) => fixity.supersedeCopy(tx, row!.copy.copyId))).rejects.toMatchObject({ code: 'DATABASE_CONFLICT' })
      await mark(row!.copy.copyId, 'match', day(4), day(5))
      const checked = await overdue(day(9))
      expect(checked.map(({ copy }) => copy.versionId)).toEqual(['v2'])
      expect(await database.query((db) => fixity.countCopies(db))).toEqual([{ replica: 'left', state: 'present', copies: 1 }])
    })

    test('a copy is absent where an active replica has none', async () => {
      await store('a', 'left', day(2))
      await store('b', 'left', day(2))
      await store('b', 'right', day(2))
      await run((tx) => objects.recordObject(tx, newObject('orphan', 'x1')))
      const absent = async () =>
        (await database.query((db) => fixity.listAbsentCopies(db, 0, 10))).map((row) => `${row.object.key} ${row.replica}`)
      expect(await absent()).toEqual(['a right'])
      await run((tx) => copies.recordReplica(tx, { replica: 'third', country: 'CH', control: 'CH', addedAt: day(5) }))
      expect(await absent()).toEqual(['a right', 'a third', 'b third'])
      await run((tx) => copies.retireReplica(tx, 'right'))
      expect(await absent()).toEqual(['a third', 'b third'])
    })
  })
}
