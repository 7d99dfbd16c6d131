/**
 * What viewers ask for most, each in one statement that is built without any viewer and filled with one at every run: key and role are
 * parameters like all others, and the rule stands in the text (`pinsViewer`). As in `visible.table.ts`, what is not visible is not there.
 */
import { and, asc, desc, eq, getTableColumns, gt, lt, sql } from 'drizzle-orm'
import type { Database, Db } from '../../db/database.js'
import { prepared, type Places, type Prepared } from '../../db/prepared.js'
import { first, page } from '../../db/rows.js'
import type { Viewer } from '../../http/viewer.js'
import { agreementTable, partyTable, vaultEpochTable, type AgreementRow, type EpochState } from '../archive/agreement.table.js'
import { depositTable, type DepositRow } from '../archive/deposit.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { shareAcceptanceTable } from '../archive/share.table.js'
import { sourceTable, type SourceRow } from '../archive/source.table.js'
import { pinsViewer } from './visible.table.js'

type Asker = Pick<Viewer, 'fingerprint' | 'role'>
/** What runs them. */
type Reader = Pick<Database, 'read'>

/** The places of key and role. */
const asker = (given: Places<Asker>) => ({ fingerprint: given('fingerprint', partyTable.fingerprint), role: given('role') })
/** What fills them. */
const asked = ({ fingerprint, role }: Viewer): Asker => ({ fingerprint, role })

const agreementsOf: Prepared<Asker & { readonly after: string; readonly limit: number }, AgreementRow> = prepared(
  'agreements_of',
  (db, given) =>
    db
      .select()
      .from(agreementTable)
      .where(and(pinsViewer(db, asker(given), agreementTable.agreementId), gt(agreementTable.agreementId, given('after'))))
      .orderBy(asc(agreementTable.agreementId))
      .limit(given('limit')),
)

/** Agreements by id. @param after - the last id of the page before; '' for the first. */
export async function listAgreementsOf(reader: Reader, viewer: Viewer, after: string, limit: number): Promise<readonly AgreementRow[]> {
  return reader.read(agreementsOf, { ...asked(viewer), after, limit: page(limit) })
}

/** An agreement with the states of its vault's epochs, oldest first, and the custodians that have accepted the version in force, by index. */
export interface WholeAgreement {
  readonly row: AgreementRow
  readonly epochs: readonly { readonly epoch: number; readonly state: EpochState }[]
  readonly accepted: readonly number[]
}

const agreementOf: Prepared<Asker & { readonly agreementId: string }, WholeAgreement> = prepared('agreement_of', (db, given) => {
  const { epoch, state } = vaultEpochTable
  const ofEpoch = sql`json_build_object('epoch', ${epoch}, 'state', ${state})`
  const epochs = db
    .select({ list: sql<WholeAgreement['epochs']>`coalesce(json_agg(${ofEpoch} order by ${epoch}), '[]'::json)`.as('epoch_list') })
    .from(vaultEpochTable)
    .where(eq(vaultEpochTable.agreementId, agreementTable.agreementId))
    .as('epochs')
  const { agreementId, version, custodianIndex } = shareAcceptanceTable
  const accepted = db
    .select({
      list: sql<readonly number[]>`coalesce(json_agg(${custodianIndex} order by ${custodianIndex}), '[]'::json)`.as('custodian_list'),
    })
    .from(shareAcceptanceTable)
    .where(and(eq(agreementId, agreementTable.agreementId), eq(version, agreementTable.version)))
    .as('accepted')
  return db
    .select({ row: getTableColumns(agreementTable), epochs: epochs.list, accepted: accepted.list })
    .from(agreementTable)
    .crossJoinLateral(epochs)
    .crossJoinLateral(accepted)
    .where(and(eq(agreementTable.agreementId, given('agreementId')), pinsViewer(db, asker(given), agreementTable.agreementId)))
})

/** One agreement with its vault, or null. */
export async function findWholeAgreementOf(reader: Reader, viewer: Viewer, agreementId: string): Promise<WholeAgreement | null> {
  return first(await reader.read(agreementOf, { ...asked(viewer), agreementId }))
}

/** What a source says of its newest deposit. */
export type LatestDeposit = Pick<DepositRow, 'depositId' | 'sequence' | 'kind' | 'takenAt' | 'manifestDigest' | 'blocking'>

/** A source with its newest deposit. */
export interface SourceWithLatest {
  readonly row: SourceRow
  readonly latest: LatestDeposit | null
}

/** The newest deposit of the source at hand: one step in the index, however many deposits there are. */
function latestDeposit(db: Db) {
  const { depositId, sequence, kind, takenAt, manifestDigest, blocking } = depositTable
  return db
    .select({ depositId, sequence, kind, takenAt, manifestDigest, blocking })
    .from(depositTable)
    .where(and(eq(depositTable.agreementId, sourceTable.agreementId), eq(depositTable.source, sourceTable.source)))
    .orderBy(desc(sequence))
    .limit(1)
    .as('latest')
}

function sourcesWithLatest(db: Db) {
  const found = latestDeposit(db)
  const { depositId, sequence, kind, takenAt, manifestDigest, blocking } = found
  return db
    .select({ row: getTableColumns(sourceTable), latest: { depositId, sequence, kind, takenAt, manifestDigest, blocking } })
    .from(sourceTable)
    .leftJoinLateral(found, sql`true`)
}

const sourcesOf: Prepared<Asker & { readonly agreementId: string; readonly after: string; readonly limit: number }, SourceWithLatest> =
  prepared('sources_of', (db, given) => {
    const rule = and(eq(sourceTable.agreementId, given('agreementId')), gt(sourceTable.source, given('after')))
    return sourcesWithLatest(db)
      .where(and(rule, pinsViewer(db, asker(given), sourceTable.agreementId)))
      .orderBy(asc(sourceTable.source))
      .limit(given('limit'))
  })

/** Sources of an agreement by name. @param wanted.after - the last name of the page before; '' for the first. */
export async function listSourcesOf(
  reader: Reader,
  viewer: Viewer,
  wanted: { readonly agreementId: string; readonly after: string; readonly limit: number },
): Promise<readonly SourceWithLatest[]> {
  return reader.read(sourcesOf, { ...asked(viewer), ...wanted, limit: page(wanted.limit) })
}

const sourceOf: Prepared<Asker & SourceKey, SourceWithLatest> = prepared('source_of', (db, given) => {
  const rule = and(eq(sourceTable.agreementId, given('agreementId')), eq(sourceTable.source, given('source')))
  return sourcesWithLatest(db).where(and(rule, pinsViewer(db, asker(given), sourceTable.agreementId)))
})

/** One source, or null. */
export async function findSourceOf(reader: Reader, viewer: Viewer, { agreementId, source }: SourceKey): Promise<SourceWithLatest | null> {
  return first(await reader.read(sourceOf, { ...asked(viewer), agreementId, source }))
}

const depositsOf: Prepared<Asker & SourceKey & { readonly before: number; readonly limit: number }, DepositRow> = prepared(
  'deposits_of',
  (db, given) => {
    const ofSource = and(eq(depositTable.agreementId, given('agreementId')), eq(depositTable.source, given('source')))
    return db
      .select()
      .from(depositTable)
      .where(and(ofSource, lt(depositTable.sequence, given('before')), pinsViewer(db, asker(given), depositTable.agreementId)))
      .orderBy(desc(depositTable.sequence))
      .limit(given('limit'))
  },
)

/** Deposits of a source, newest first. @param wanted.before - the last sequence of the page before; null for the first. */
export async function listDepositsOf(
  reader: Reader,
  viewer: Viewer,
  wanted: SourceKey & { readonly before: number | null; readonly limit: number },
): Promise<readonly DepositRow[]> {
  const before = wanted.before ?? Number.MAX_SAFE_INTEGER
  return reader.read(depositsOf, { ...asked(viewer), ...wanted, before, limit: page(wanted.limit) })
}

const depositOf: Prepared<Asker & { readonly depositId: string }, DepositRow> = prepared('deposit_of', (db, given) =>
  db
    .select()
    .from(depositTable)
    .where(and(eq(depositTable.depositId, given('depositId')), pinsViewer(db, asker(given), depositTable.agreementId))),
)

/** One deposit, or null. */
export async function findDepositOf(reader: Reader, viewer: Viewer, depositId: string): Promise<DepositRow | null> {
  return first(await reader.read(depositOf, { ...asked(viewer), depositId }))
}
