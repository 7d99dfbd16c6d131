// What another version of an agreement does to the index: the same when it is put into force and when the index is made anew.
import type { Tx } from '../../db/database.js'
import type { AgreementAnnex } from '../../format/agreement.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import { objectKeys } from '../../store/object-key.js'
import { listEpochs, putVersionInForce, settleEpochs, type EpochState, type VaultEpochRow } from '../archive/agreement.table.js'
import { agreementRow, partyRows, sourceRow } from './register-agreement.js'
import { amendSources } from '../archive/source.table.js'

/** A version with what its index needs. */
export interface NextVersion {
  readonly signed: SignedAgreement
  readonly annex: AgreementAnnex
  readonly previousDigest: string
  readonly credentialFiles: ReadonlyMap<string, string>
  /** Whether the vault takes deposits, so that new sources are due at once. */
  readonly armed: boolean
  readonly at: Date
}

/** Write a version that has come into force; epochs that it does not name are over. @throws EscrowError `AGREEMENT_STATE`, `DATABASE_CONFLICT` */
export async function writeVersion(tx: Tx, next: NextVersion): Promise<void> {
  const { signed, annex, at } = next
  const { body, digest } = signed
  const agreementId = body.agreement
  const { version, title, threshold, custodianCount, retentionDays, endsAt } = agreementRow(body, digest)
  const documentKey = objectKeys.agreement(agreementId, version)
  await putVersionInForce(tx, {
    row: { agreementId, version, digest, title, threshold, custodianCount, retentionDays, endsAt },
    previousDigest: next.previousDigest,
    version: { agreementId, version, digest, documentKey, annexKey: objectKeys.annex(agreementId, version), createdAt: at },
    parties: partyRows(body),
    epochs: body.vault.epochs.map(({ epoch, recipient }) => ({ agreementId, epoch, recipient, state: 'dealt' })),
  })
  const named = body.vault.epochs.map(({ epoch }) => epoch)
  const over = (await listEpochs(tx, agreementId)).filter(({ epoch }) => !named.includes(epoch))
  await settleEpochs(
    tx,
    agreementId,
    over.map(({ epoch }) => ({ epoch, state: 'burned' })),
  )
  const state = next.armed ? ('active' as const) : ('waiting' as const)
  const rows = body.sources.map((source) => ({
    ...sourceRow(agreementId, source, annex, next.credentialFiles.get(source.source) ?? null),
    state,
  }))
  await amendSources(tx, agreementId, rows)
}

/**
 * The states of a vault's epochs once `armed` takes deposits.
 *
 * @returns every epoch: what was sealed to before is over, what was dealt or waited is the reserve.
 */
export function epochsAtArming(
  rows: readonly Pick<VaultEpochRow, 'epoch' | 'state'>[],
  armed: number,
): readonly Pick<VaultEpochRow, 'epoch' | 'state'>[] {
  const stateOf = ({ epoch, state }: Pick<VaultEpochRow, 'epoch' | 'state'>): EpochState => {
    if (epoch === armed) return 'armed'
    return state === 'dealt' || state === 'reserve' ? 'reserve' : 'burned'
  }
  return rows.map((row) => ({ epoch: row.epoch, state: stateOf(row) }))
}

/**
 * Which epoch takes deposits once shares that were dealt anew are accepted.
 *
 * @param rows - the vault's epochs before the change.
 * @param named - the epochs of the next version.
 * @returns the current one where it is kept and none of its shares was released; otherwise the lowest that nobody has used yet.
 */
export function epochToArm(rows: readonly Pick<VaultEpochRow, 'epoch' | 'state'>[], named: readonly number[]): number | null {
  const stateOf = (epoch: number): EpochState => rows.find((row) => row.epoch === epoch)?.state ?? 'dealt'
  const current = named.find((epoch) => stateOf(epoch) === 'armed')
  if (current !== undefined) return current
  const fresh = named.filter((epoch) => stateOf(epoch) === 'dealt' || stateOf(epoch) === 'reserve')
  return fresh.sort((left, right) => left - right)[0] ?? null
}
