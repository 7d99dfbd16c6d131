import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { openDocument } from '../../format/signed-document.js'
import { ShareAccept, type StatementOf } from '../../format/statement.js'
import { EventLog } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { insertAcceptance, listAcceptances } from '../archive/share.table.js'
import { findVersionByDigest, moveAgreement, moveEpoch } from '../archive/agreement.table.js'
import { documentRetainUntil } from '../retention.js'
import { moveSources } from '../archive/source.table.js'
import { acceptanceName, verifyAcceptance, type Acceptance } from './share-acceptance.js'
import { StoreDocument } from '../archive/store-document.js'

/** How far the arming of a vault is. */
export interface Arming {
  readonly agreement: string
  readonly armed: boolean
  /** Custodians whose acceptances of every epoch are recorded, by index. */
  readonly accepted: readonly number[]
  readonly custodians: number
}

/** Records that custodians accepted their shares; with the last of them the vault is armed and takes deposits. */
@Injectable()
export class ArmVault {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record acceptances, all of one agreement. Each custodian's must be there for every epoch. Idempotent.
   *
   * @param documents - signed statements; attacker-controlled.
   * @throws EscrowError `SIGNATURE_INVALID`, `STATEMENT_INVALID`, `STATEMENT_EXPIRED`, `SHARE_INVALID` when it names another index or recipient
   */
  async run(documents: readonly Uint8Array[], signal?: AbortSignal): Promise<Arming> {
    const known = await this.agreementOf(documents)
    const acceptances = documents.map((bytes) => verifyAcceptance(known.signed, bytes, this.clock.now()))
    for (const [index, own] of byCustodian(known, acceptances)) await this.record(known, { index, own }, signal)
    const { agreementId, version, state } = known.row
    const rows = await this.database.query((db) => listAcceptances(db, agreementId, version))
    const custodians = known.signed.body.vault.custodians.length
    const complete = rows.length === custodians
    if (complete && state === 'registered')
      await this.arm(
        known,
        rows.map((row) => row.statementDigest),
      )
    return { agreement: agreementId, armed: complete, accepted: rows.map((row) => row.custodianIndex), custodians }
  }

  /** The statements name their agreement; which one that is we know, not they. */
  private async agreementOf(documents: readonly Uint8Array[]): Promise<KnownAgreement> {
    const [first] = documents
    if (first === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected at least one acceptance')
    const { agreement: digest } = peek(first)
    const version = await this.database.query((db) => findVersionByDigest(db, digest))
    if (version === null) throw new EscrowError('AGREEMENT_DIGEST', `no agreement here has the digest ${digest}`)
    return this.shelf.get(version.agreementId)
  }

  private async record(
    known: KnownAgreement,
    custodian: { readonly index: number; readonly own: readonly Acceptance[] },
    signal?: AbortSignal,
  ): Promise<void> {
    const { agreementId, version } = known.row
    const recorded = await this.database.query((db) => listAcceptances(db, agreementId, version))
    if (recorded.some((row) => row.custodianIndex === custodian.index)) return
    for (const acceptance of custodian.own) {
      const key = objectKeys.vaultStatement(known.signed.body.agreement, version, acceptanceName(acceptance))
      const retainUntil = documentRetainUntil(known.signed.body)
      // An earlier run that died may have stored another statement to the same effect.
      await this.store.replace({ key, bytes: acceptance.bytes, purpose: 'statement', agreementId, attemptId: null, retainUntil }, signal)
    }
    const current = custodian.own.find((acceptance) => acceptance.body.epoch === known.signed.body.vault.epochs[0]?.epoch)
    if (current === undefined) return
    const statementDigest = current.digest
    await this.database.transaction((tx) =>
      insertAcceptance(tx, {
        agreementId,
        version,
        custodianIndex: custodian.index,
        statementDigest,
        acceptedAt: new Date(current.body.issuedAt),
      }),
    )
  }

  private async arm(known: KnownAgreement, acceptances: readonly string[]): Promise<void> {
    const { agreementId, version } = known.row
    const { body, digest } = known.signed
    const [current, reserve, ...later] = body.vault.epochs
    if (current === undefined || reserve === undefined) throw new EscrowError('AGREEMENT_INVALID', 'expected a current and a reserve epoch')
    const draft = {
      type: 'escrow/event/vault-armed/v1' as const,
      agreement: body.agreement,
      subject: body.agreement,
      version,
      digest,
      epoch: current.epoch,
      recipient: current.recipient,
      reserveEpoch: reserve.epoch,
      acceptances: [...acceptances],
    }
    await this.log.record({ draft, tagSecret: Buffer.from(known.annex.tagSecret, 'hex') }, async (tx, { event }) => {
      await moveAgreement(tx, { agreementId, from: 'registered', to: 'armed', at: new Date(event.at) })
      await moveEpoch(tx, { agreementId, epoch: current.epoch, from: 'dealt', to: 'armed' })
      for (const { epoch } of [reserve, ...later]) await moveEpoch(tx, { agreementId, epoch, from: 'dealt', to: 'reserve' })
      await moveSources(tx, agreementId, 'waiting', 'active')
    })
  }
}

function peek(bytes: Uint8Array): StatementOf<'share-accept'> {
  let seen: StatementOf<'share-accept'> | null = null
  try {
    openDocument(bytes, {
      schema: ShareAccept,
      keys: (body) => {
        seen = body
        return []
      },
      what: 'share acceptance',
    })
  } catch (error) {
    if (seen === null) throw error
  }
  if (seen === null) throw new EscrowError('FORMAT_INVALID', 'expected a share acceptance')
  return seen
}

/** The acceptances of each custodian that accepted every epoch. @throws EscrowError `STATEMENT_INVALID` naming an epoch that is absent */
function byCustodian(known: KnownAgreement, acceptances: readonly Acceptance[]): ReadonlyMap<number, readonly Acceptance[]> {
  const indices = [...new Set(acceptances.map((acceptance) => acceptance.body.index))]
  return new Map(
    indices.map((index) => {
      const own = acceptances.filter((acceptance) => acceptance.body.index === index)
      const absent = known.signed.body.vault.epochs.find((epoch) => !own.some((acceptance) => acceptance.body.epoch === epoch.epoch))
      if (absent !== undefined)
        throw new EscrowError('STATEMENT_INVALID', `expected custodian ${index} to accept epoch ${absent.epoch} too`)
      return [index, own]
    }),
  )
}
