// What viewers see through the prepared statements of visible-prepared.table.ts: one statement, many viewers, each with what is its own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.js'
import * as agreements from '../../src/escrow/archive/agreement.table.js'
import { insertDeposit } from '../../src/escrow/archive/deposit.table.js'
import { holdLease, takeLease } from '../../src/escrow/archive/lease.table.js'
import { insertAcceptance } from '../../src/escrow/archive/share.table.js'
import * as visible from '../../src/escrow/visible/visible-prepared.table.js'
import type { Role } from '../../src/format/agreement.js'
import type { Viewer } from '../../src/http/viewer.js'
import { emptyAllTables } from '../doubles/test-database.js'
import { agreementId, day, digestOf, insertArchive, newDeposit, source } from './archive-rows.js'

const viewer = (key: string, role: Role): Viewer => ({ tokenId: 'tok_a', fingerprint: digestOf(key), role })
const partner = viewer('partner', 'beneficiary')
const strangers = [viewer('stranger', 'beneficiary'), viewer('partner', 'depositor'), viewer('vendor', 'beneficiary')]

/** The laws of what is prepared for viewers, on every adapter. */
export function visibleTablesContract(adapter: string, open: () => Promise<Database>): void {
  describe(`what viewers ask for most, on ${adapter}`, () => {
    let database: Database

    beforeAll(async () => {
      database = await open()
      await database.transaction(async (tx) => {
        await emptyAllTables(tx)
        await insertArchive(tx, ['core', 'docs'])
        await agreements.insertParties(tx, [
          { agreementId, party: 'partner', role: 'beneficiary', fingerprint: partner.fingerprint },
          { agreementId, party: 'vendor', role: 'depositor', fingerprint: digestOf('vendor') },
        ])
        const epoch = (number: number) => ({ agreementId, epoch: number, recipient: 'age1', state: 'dealt' as const })
        await agreements.insertEpochs(tx, [epoch(2), epoch(1)])
        for (const custodianIndex of [3, 1]) {
          const statementDigest = digestOf(`share ${custodianIndex}`)
          await insertAcceptance(tx, { agreementId, version: 1, custodianIndex, statementDigest, acceptedAt: day(1) })
        }
        const lease = await takeLease(tx, { ...source, holder: 'worker', now: day(1), expiresAt: day(2) })
        const held = await holdLease(tx, lease)
        for (const sequence of [1, 2, 3]) await insertDeposit(tx, held, newDeposit(sequence, 1))
      })
    })
    afterAll(() => database.close())

    /** Each question with an answer for who may see, and for who may not. */
    const questions = (who: Viewer) => ({
      agreements: visible.listAgreementsOf(database, who, '', 10),
      agreement: visible.findWholeAgreementOf(database, who, agreementId),
      sources: visible.listSourcesOf(database, who, { agreementId, after: '', limit: 10 }),
      source: visible.findSourceOf(database, who, source),
      deposits: visible.listDepositsOf(database, who, { ...source, before: null, limit: 2 }),
      deposit: visible.findDepositOf(database, who, newDeposit(2, 1).depositId),
    })
    const answers = async (who: Viewer) => {
      const asked = Object.entries(questions(who))
      return Object.fromEntries(await Promise.all(asked.map(async ([name, answer]) => [name, await answer] as const)))
    }

    test('a member sees an agreement with its epochs and acceptances in order, sources with their newest deposit, and deposits', async () => {
      expect(await answers(partner)).toMatchObject({
        agreements: [{ agreementId }],
        agreement: {
          row: { agreementId, createdAt: day(1), digest: digestOf('agreement 1') },
          epochs: [
            { epoch: 1, state: 'dealt' },
            { epoch: 2, state: 'dealt' },
          ],
          accepted: [1, 3],
        },
        sources: [
          { row: { source: 'core' }, latest: { sequence: 3, depositId: newDeposit(3, 1).depositId, takenAt: day(3) } },
          { row: { source: 'docs' }, latest: null },
        ],
        source: { row: { source: 'core', periodAt: day(1) }, latest: { sequence: 3 } },
        deposits: [{ sequence: 3 }, { sequence: 2 }],
        deposit: { sequence: 2 },
      })
    })

    test('a page goes on after the one before', async () => {
      const after = (name: string) => visible.listSourcesOf(database, partner, { agreementId, after: name, limit: 10 })
      expect((await after('core')).map(({ row }) => row.source)).toEqual(['docs'])
      expect(await after('docs')).toEqual([])
      const before = (sequence: number) => visible.listDepositsOf(database, partner, { ...source, before: sequence, limit: 2 })
      expect((await before(2)).map((row) => row.sequence)).toEqual([1])
      expect(await visible.listAgreementsOf(database, partner, agreementId, 10)).toEqual([])
    })

    test('whoever asks at the same time with another key, or the same key in another role, sees nothing', async () => {
      const nothing = { agreements: [], agreement: null, sources: [], source: null, deposits: [], deposit: null }
      const [member, ...others] = await Promise.all([partner, ...strangers, partner].map(answers))
      expect(others.slice(0, -1)).toEqual(strangers.map(() => nothing))
      expect(others.at(-1)).toEqual(member)
      expect(member?.['deposits']).toHaveLength(2)
    })
  })
}
