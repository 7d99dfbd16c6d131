import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { digest, instant, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first, page } from '../../db/rows.js'
import type { Role } from '../../format/agreement.js'

const agreementStates = ['draft', 'registered', 'armed', 'ended'] as const
/** `draft`: not signed by all; `registered`: signed; `armed`: every custodian has accepted its share, deposits may come; `ended`. */
export type AgreementState = (typeof agreementStates)[number]

const epochStates = ['dealt', 'armed', 'reserve', 'exposed', 'burned'] as const
/** `dealt`: not yet accepted; `armed`: sealed to; `reserve`: next; `exposed`: sealed to although a share was released; `burned`: over. */
export type EpochState = (typeof epochStates)[number]

/** The version in force of each agreement. */
export const agreementTable = pgTable(
  'agreement',
  {
    agreementId: text('agreement_id').primaryKey(),
    version: integer('version').notNull(),
    digest: digest('digest').notNull(),
    state: text('state', { enum: agreementStates }).notNull(),
    title: text('title').notNull(),
    /** The service that the statements name. */
    origin: text('origin').notNull(),
    threshold: integer('threshold').notNull(),
    custodianCount: integer('custodian_count').notNull(),
    retentionDays: integer('retention_days').notNull(),
    createdAt: instant('created_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    armedAt: instant('armed_at'),
    endedAt: instant('ended_at'),
  },
  (t) => [oneOf('agreement_state_known', t.state, agreementStates)],
)

/** Every version there was: manifests and statements name an agreement by the digest of one. */
export const agreementVersionTable = pgTable(
  'agreement_version',
  {
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    version: integer('version').notNull(),
    digest: digest('digest').notNull(),
    /** Object keys of the signed document and of its annex. */
    documentKey: text('document_key').notNull(),
    annexKey: text('annex_key'),
    createdAt: instant('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.agreementId, t.version] }), uniqueIndex('agreement_version_digest').on(t.digest)],
)

/** Who may speak in an agreement: one row for each key of each party in the version in force. */
export const partyTable = pgTable(
  'party',
  {
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    party: text('party').notNull(),
    role: text('role').$type<Role>().notNull(),
    /** SHA-256 of the public key. */
    fingerprint: digest('fingerprint').notNull(),
  },
  (t) => [primaryKey({ columns: [t.agreementId, t.party, t.fingerprint] }), index('party_fingerprint').on(t.fingerprint)],
)

/** Key pairs of the vaults. */
export const vaultEpochTable = pgTable(
  'vault_epoch',
  {
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    epoch: integer('epoch').notNull(),
    recipient: text('recipient').notNull(),
    state: text('state', { enum: epochStates }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.agreementId, t.epoch] }),
    uniqueIndex('vault_epoch_current')
      .on(t.agreementId)
      .where(sql`${t.state} in ('armed', 'exposed')`),
    oneOf('vault_epoch_state_known', t.state, epochStates),
  ],
)

export type AgreementRow = typeof agreementTable.$inferSelect
export type AgreementVersionRow = typeof agreementVersionTable.$inferSelect
export type PartyRow = typeof partyTable.$inferSelect
export type VaultEpochRow = typeof vaultEpochTable.$inferSelect
/** Add an agreement. @throws EscrowError `DATABASE_CONFLICT` when there is one of this id. */
export async function insertAgreement(tx: Tx, row: typeof agreementTable.$inferInsert): Promise<void> {
  await tx.insert(agreementTable).values(row)
}

/** Add a version of an agreement. @throws EscrowError `DATABASE_CONFLICT` when there is one of this number or digest. */
export async function insertAgreementVersion(tx: Tx, row: AgreementVersionRow): Promise<void> {
  await tx.insert(agreementVersionTable).values(row)
}

/** Add the parties' keys. @param rows - 1 or more, all of one agreement. */
export async function insertParties(tx: Tx, rows: readonly PartyRow[]): Promise<void> {
  await tx.insert(partyTable).values([...rows])
}

/** Add key pairs of a vault. @param rows - 1 or more. */
export async function insertEpochs(tx: Tx, rows: readonly VaultEpochRow[]): Promise<void> {
  await tx.insert(vaultEpochTable).values([...rows])
}

/** One agreement, or null. */
export async function findAgreement(db: Db, agreementId: string): Promise<AgreementRow | null> {
  return first(await agreementFound(db, { agreementId }))
}

const agreementFound: Prepared<{ readonly agreementId: string }, AgreementRow> = prepared('agreement_found', (db, given) =>
  db
    .select()
    .from(agreementTable)
    .where(eq(agreementTable.agreementId, given('agreementId'))),
)

/** The version that a manifest or statement names by its digest, or null. */
export async function findVersionByDigest(db: Db, digestHex: string): Promise<AgreementVersionRow | null> {
  return first(await db.select().from(agreementVersionTable).where(eq(agreementVersionTable.digest, digestHex)))
}

/** Where the document of a version lies, or null. */
export async function findVersion(db: Db, agreementId: string, version: number): Promise<AgreementVersionRow | null> {
  const rule = and(eq(agreementVersionTable.agreementId, agreementId), eq(agreementVersionTable.version, version))
  return first(await db.select().from(agreementVersionTable).where(rule))
}

/** Digests of every version of an agreement, oldest first. */
export async function listVersionDigests(db: Db, agreementId: string): Promise<readonly string[]> {
  const rows = await db
    .select({ digest: agreementVersionTable.digest })
    .from(agreementVersionTable)
    .where(eq(agreementVersionTable.agreementId, agreementId))
    .orderBy(asc(agreementVersionTable.version))
  return rows.map((row) => row.digest)
}

/** Agreements in order of their ids. @param after - the last id of the page before; '' for the first. */
export async function listAgreements(db: Db, after: string, limit: number): Promise<readonly AgreementRow[]> {
  return db
    .select()
    .from(agreementTable)
    .where(gt(agreementTable.agreementId, after))
    .orderBy(asc(agreementTable.agreementId))
    .limit(page(limit))
}

/** Move an agreement to its next state. @throws EscrowError `AGREEMENT_STATE` when it is not in the state `from`. */
export async function moveAgreement(
  tx: Tx,
  move: { readonly agreementId: string; readonly from: AgreementState; readonly to: AgreementState; readonly at: Date },
): Promise<void> {
  const moment = move.to === 'armed' ? { armedAt: move.at } : move.to === 'ended' ? { endedAt: move.at } : {}
  const moved = await tx
    .update(agreementTable)
    .set({ state: move.to, ...moment })
    .where(and(eq(agreementTable.agreementId, move.agreementId), eq(agreementTable.state, move.from)))
    .returning({ agreementId: agreementTable.agreementId })
  if (moved.length === 0) {
    throw new EscrowError('AGREEMENT_STATE', `expected agreement ${move.agreementId} to be ${move.from} before it becomes ${move.to}`)
  }
}

/** Every epoch of a vault, oldest first. */
export async function listEpochs(db: Db, agreementId: string): Promise<readonly VaultEpochRow[]> {
  return db.select().from(vaultEpochTable).where(eq(vaultEpochTable.agreementId, agreementId)).orderBy(asc(vaultEpochTable.epoch))
}

/**
 * Put the next version of an agreement into force; its state stays. Parties are replaced, new epochs added as `dealt`.
 *
 * @throws EscrowError `AGREEMENT_STATE` when another version than `previousDigest` is in force; `DATABASE_CONFLICT`
 */
export async function putVersionInForce(
  tx: Tx,
  next: {
    readonly row: Pick<
      AgreementRow,
      'agreementId' | 'version' | 'digest' | 'title' | 'threshold' | 'custodianCount' | 'retentionDays' | 'endsAt'
    >
    readonly previousDigest: string
    readonly version: AgreementVersionRow
    readonly parties: readonly PartyRow[]
    readonly epochs: readonly VaultEpochRow[]
  },
): Promise<void> {
  const { row, parties, epochs } = next
  const moved = await tx
    .update(agreementTable)
    .set(row)
    .where(and(eq(agreementTable.agreementId, row.agreementId), eq(agreementTable.digest, next.previousDigest)))
    .returning({ agreementId: agreementTable.agreementId })
  if (moved.length === 0)
    throw new EscrowError('AGREEMENT_STATE', `expected version ${row.version - 1} of ${row.agreementId} to be in force, found another`)
  await tx.insert(agreementVersionTable).values(next.version)
  await tx.delete(partyTable).where(eq(partyTable.agreementId, row.agreementId))
  await tx.insert(partyTable).values([...parties])
  await tx
    .insert(vaultEpochTable)
    .values([...epochs])
    .onConflictDoNothing()
}

/** Set the states of epochs, those that are over first: no two may be current. */
export async function settleEpochs(tx: Tx, agreementId: string, epochs: readonly Pick<VaultEpochRow, 'epoch' | 'state'>[]): Promise<void> {
  const over = epochs.filter(({ state }) => state === 'burned')
  for (const { epoch, state } of [...over, ...epochs.filter((one) => !over.includes(one))]) {
    const rule = and(eq(vaultEpochTable.agreementId, agreementId), eq(vaultEpochTable.epoch, epoch))
    await tx.update(vaultEpochTable).set({ state }).where(rule)
  }
}

/** The epoch that deposits are sealed to, or null while the vault is not armed. */
export async function findCurrentEpoch(db: Db, agreementId: string): Promise<VaultEpochRow | null> {
  return first(await currentEpoch(db, { agreementId }))
}

const currentEpoch: Prepared<{ readonly agreementId: string }, VaultEpochRow> = prepared('current_epoch', (db, given) => {
  const rule = and(eq(vaultEpochTable.agreementId, given('agreementId')), inArray(vaultEpochTable.state, ['armed', 'exposed']))
  return db.select().from(vaultEpochTable).where(rule)
})

/** Move an epoch to its next state. @throws EscrowError `AGREEMENT_STATE` when it is not in the state `from`; `DATABASE_CONFLICT` when another one is current. */
export async function moveEpoch(
  tx: Tx,
  move: { readonly agreementId: string; readonly epoch: number; readonly from: EpochState; readonly to: EpochState },
): Promise<void> {
  const moved = await tx
    .update(vaultEpochTable)
    .set({ state: move.to })
    .where(
      and(eq(vaultEpochTable.agreementId, move.agreementId), eq(vaultEpochTable.epoch, move.epoch), eq(vaultEpochTable.state, move.from)),
    )
    .returning({ epoch: vaultEpochTable.epoch })
  if (moved.length === 0)
    throw new EscrowError('AGREEMENT_STATE', `expected epoch ${move.epoch} to be ${move.from} before it becomes ${move.to}`)
}
