import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import type { Tx } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { insertAcceptance } from '../../escrow/archive/share.table.js'
import { listEpochs, settleEpochs, type VaultEpochRow } from '../../escrow/archive/agreement.table.js'
import { epochsAtArming, epochToArm, writeVersion } from '../../escrow/agreement/amended-rows.js'
import { requireJurisdiction } from '../../escrow/require-jurisdiction.js'
import { documentRetainUntil } from '../../escrow/retention.js'
import { acceptanceName, type Acceptance } from '../../escrow/agreement/share-acceptance.js'
import { StoreDocument } from '../../escrow/archive/store-document.js'
import { Clock } from '../../core/environment.js'
import type { Agreement, AgreementAnnex } from '../../format/agreement.js'
import { epochOf, type SignedAgreement } from '../../format/signed-agreement.js'
import { EventLog, type EventDraft, type Recorded } from '../../log/event-log.js'
import { objectKeys, type ObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { insertNewStatement } from '../release.table.js'
import { recordedDraft, statementRow, tagSecretOf, type FreshStatement } from '../record-turn.js'
import { verifyStatement } from '../rules/statement-verifier.js'

/** An amendment to which everybody has agreed who must. */
export interface Amendment {
  /** The version in force. */
  readonly known: KnownAgreement
  readonly signed: SignedAgreement
  readonly annex: AgreementAnnex
  /** Signed by those who agreed. */
  readonly statements: readonly Uint8Array[]
  /** Of every custodian for every epoch where shares were dealt anew; empty otherwise. */
  readonly acceptances: readonly Acceptance[]
  readonly epochs: readonly VaultEpochRow[]
  readonly credentialFiles: ReadonlyMap<string, string>
}

/** Stores a version with all that put it into force; then rows and log entries follow in one transaction. */
@Injectable()
export class PutInForce {
  constructor(
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Refuse a version that our stores do not fit. @throws EscrowError `REPLICA_POLICY` */
  requireJurisdiction(body: Agreement): void {
    requireJurisdiction(body, this.replicas.replicas)
  }

  /**
   * Put a version into force. If we stop before the transaction, what is stored are orphans that no leaf names.
   *
   * @throws EscrowError `AGREEMENT_STATE` when another version came into force meanwhile; `STORE_*`, `DATABASE_*`
   */
  async run(amendment: Amendment & { readonly sealedAnnex: Uint8Array }, signal?: AbortSignal): Promise<void> {
    const { known, acceptances, epochs, signed } = amendment
    const statements = amendment.statements.map((bytes) => this.placed(amendment, bytes))
    const armed = acceptances.length === 0 ? null : epochToArm(epochs, namedBy(signed))
    if (known.row.state === 'armed' && armed === null) requireCurrent(epochs, signed)
    await this.keepDocuments(amendment, statements, signal)
    const tagSecret = tagSecretOf(known)
    await this.log.recordAll(
      this.drafts(amendment, statements, armed).map((draft) => ({ draft, tagSecret })),
      (tx, recorded) => this.write(tx, { amendment, statements, armed, recorded }),
      signal,
    )
  }

  private placed({ known }: Amendment, bytes: Uint8Array): FreshStatement {
    const verified = verifyStatement(bytes, known.signed)
    return { verified, bytes, key: objectKeys.agreementStatement(known.signed.body.agreement, verified.digest) }
  }

  private async keepDocuments(
    amendment: Amendment & { readonly sealedAnnex: Uint8Array },
    statements: readonly FreshStatement[],
    signal?: AbortSignal,
  ): Promise<void> {
    const { signed, acceptances, sealedAnnex } = amendment
    const { agreement, version } = signed.body
    const rest = { agreementId: agreement, attemptId: null, retainUntil: documentRetainUntil(signed.body) }
    const keep = (key: ObjectKey, bytes: Uint8Array, purpose: 'agreement' | 'annex' | 'statement') =>
      this.store.run({ key, bytes, purpose, ...rest }, signal)
    for (const { key, bytes } of statements) await keep(key, bytes, 'statement')
    for (const one of acceptances) {
      const key = objectKeys.vaultStatement(agreement, version, acceptanceName(one))
      // A run that died may have stored another statement to the same effect.
      await this.store.replace({ key, bytes: one.bytes, purpose: 'statement', ...rest }, signal)
    }
    await keep(objectKeys.annex(agreement, version), sealedAnnex, 'annex')
    await keep(objectKeys.agreement(agreement, version), signed.bytes, 'agreement')
  }

  private drafts(
    { known, signed, acceptances }: Amendment,
    statements: readonly FreshStatement[],
    armed: number | null,
  ): readonly EventDraft[] {
    const { agreement, version } = signed.body
    const subject = { agreement, subject: agreement }
    const { digest } = signed
    const drafts: EventDraft[] = statements.map((one) => recordedDraft(one, subject))
    drafts.push({ type: 'escrow/event/agreement-amended/v1', ...subject, version, digest, previousDigest: known.signed.digest })
    if (armed === null) return drafts
    const { recipient } = epochOf(signed.body, armed)
    const reserveEpoch = namedBy(signed).find((epoch) => epoch > armed) ?? armed
    const accepted = acceptances.map((one) => one.digest)
    return [
      ...drafts,
      { type: 'escrow/event/vault-armed/v1', ...subject, version, digest, epoch: armed, recipient, reserveEpoch, acceptances: accepted },
    ]
  }

  private async write(
    tx: Tx,
    what: {
      readonly amendment: Amendment
      readonly statements: readonly FreshStatement[]
      readonly armed: number | null
      readonly recorded: readonly Recorded[]
    },
  ): Promise<void> {
    const { amendment, statements, armed, recorded } = what
    const { known, signed, annex, credentialFiles, acceptances } = amendment
    const { agreementId } = known.row
    const at = new Date(recorded.at(-1)?.event.at ?? this.clock.now())
    const isArmed = known.row.state === 'armed'
    await writeVersion(tx, { signed, annex, previousDigest: known.signed.digest, credentialFiles, armed: isArmed, at })
    for (const one of statements) await insertNewStatement(tx, statementRow(one, agreementId, agreementId, this.clock.now()))
    if (armed === null) return
    await settleEpochs(tx, agreementId, epochsAtArming(await listEpochs(tx, agreementId), armed))
    const first = signed.body.vault.epochs[0]?.epoch
    for (const { body, digest } of acceptances.filter((one) => one.body.epoch === first)) {
      const row = { agreementId, version: signed.body.version, custodianIndex: body.index, statementDigest: digest }
      await insertAcceptance(tx, { ...row, acceptedAt: new Date(body.issuedAt) })
    }
  }
}

function namedBy({ body }: SignedAgreement): readonly number[] {
  return body.vault.epochs.map(({ epoch }) => epoch)
}

/** Deposits must go on: a version without shares dealt anew keeps the epoch that takes them. */
function requireCurrent(epochs: readonly VaultEpochRow[], signed: SignedAgreement): void {
  const current = epochs.find(({ state }) => state === 'armed' || state === 'exposed')
  if (current !== undefined && namedBy(signed).includes(current.epoch)) return
  throw new EscrowError('AGREEMENT_INVALID', `expected epoch ${current?.epoch ?? 'in use'} to be kept, or shares dealt anew`)
}
