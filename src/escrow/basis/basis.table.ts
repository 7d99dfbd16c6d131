import { and, desc, eq, getTableColumns, inArray, sql } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first } from '../../db/rows.js'
import { vaultEpochTable, type VaultEpochRow } from '../archive/agreement.table.js'
import { attachmentTable } from './attachment.table.js'
import { attemptTable, openStates } from './attempt.table.js'
import { depositTable, type DepositRow } from '../archive/deposit.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { storedObjectTable, type StoredObjectRow } from '../archive/object.table.js'
import { sourceTable, type SourceRow } from '../archive/source.table.js'

/** A source, and what its next deposit rests on as the index has it. */
export interface FoundBasis {
  readonly row: SourceRow
  /** An earlier run has left an attempt that was neither published nor abandoned. */
  readonly attemptOpen: boolean
  /** Attached files wait that no deposit names yet. */
  readonly attachmentsWait: boolean
  /** The epoch that deposits are sealed to; null while the vault is not armed. */
  readonly epoch: VaultEpochRow | null
  /** The newest deposit, and its manifest as an object; null before the first. */
  readonly latest: DepositRow | null
  readonly manifest: StoredObjectRow | null
}

const basisFound: Prepared<SourceKey, FoundBasis> = prepared('basis_found', (db, given) => {
  const latest = db
    .select()
    .from(depositTable)
    .where(and(eq(depositTable.agreementId, sourceTable.agreementId), eq(depositTable.source, sourceTable.source)))
    .orderBy(desc(depositTable.sequence))
    .limit(1)
    .as('latest')
  const current = and(eq(vaultEpochTable.agreementId, sourceTable.agreementId), inArray(vaultEpochTable.state, ['armed', 'exposed']))
  return db
    .select({
      row: getTableColumns(sourceTable),
      attemptOpen: sql<boolean>`exists ${attemptsOfSource(db)}`,
      attachmentsWait: sql<boolean>`exists ${waitingOfSource(db)}`,
      epoch: getTableColumns(vaultEpochTable),
      latest: latest._.selectedFields,
      manifest: getTableColumns(storedObjectTable),
    })
    .from(sourceTable)
    .leftJoin(vaultEpochTable, current)
    .leftJoinLateral(latest, sql`true`)
    .leftJoin(storedObjectTable, and(eq(storedObjectTable.depositId, latest.depositId), eq(storedObjectTable.purpose, 'manifest')))
    .where(and(eq(sourceTable.agreementId, given('agreementId')), eq(sourceTable.source, given('source'))))
})

function attemptsOfSource(db: Db) {
  const { agreementId, source, state } = attemptTable
  return db
    .select({ state })
    .from(attemptTable)
    .where(and(eq(agreementId, sourceTable.agreementId), eq(source, sourceTable.source), inArray(state, openStates)))
}

function waitingOfSource(db: Db) {
  const { agreementId, source, state } = attachmentTable
  return db
    .select({ state })
    .from(attachmentTable)
    .where(and(eq(agreementId, sourceTable.agreementId), eq(source, sourceTable.source), eq(state, 'waiting')))
}

/** A source with what its next deposit rests on, in one statement: most looks end with it. Null when there is no such source. */
export async function findBasis(db: Db, { agreementId, source }: SourceKey): Promise<FoundBasis | null> {
  return first(await basisFound(db, { agreementId, source }))
}
