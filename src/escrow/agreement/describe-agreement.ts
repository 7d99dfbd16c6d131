import { Inject, Injectable } from '@nestjs/common'
import { Database } from '../../db/database.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { listAcceptances } from '../archive/share.table.js'
import { listEpochs, type AgreementState, type EpochState } from '../archive/agreement.table.js'
import { findLatestDeposit, type DepositRow } from '../archive/deposit.table.js'
import { listSources, type SourceRow } from '../archive/source.table.js'

const shownMax = 500

/** An agreement as its operator sees it. */
export interface AgreementDescription {
  readonly signed: SignedAgreement
  readonly state: AgreementState
  readonly epochs: readonly { readonly epoch: number; readonly state: EpochState }[]
  /** How many custodians have accepted their shares. */
  readonly accepted: number
  /** The first 500. */
  readonly sources: readonly { readonly row: SourceRow; readonly latest: DepositRow | null }[]
}

/** Collects what is known of agreements, for people. */
@Injectable()
export class DescribeAgreement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
  ) {}

  /**
   * Describe one agreement, or the first 500.
   *
   * @throws EscrowError `NOT_FOUND`
   */
  async run(agreementId: string | null): Promise<readonly AgreementDescription[]> {
    const known = agreementId === null ? await this.shelf.list('', shownMax) : [await this.shelf.get(agreementId)]
    const described: AgreementDescription[] = []
    for (const one of known) described.push(await this.describe(one))
    return described
  }

  private async describe({ row, signed }: KnownAgreement): Promise<AgreementDescription> {
    const { agreementId, version, state } = row
    const epochs = await this.database.query((db) => listEpochs(db, agreementId))
    const acceptances = await this.database.query((db) => listAcceptances(db, agreementId, version))
    const rows = await this.database.query((db) => listSources(db, agreementId, '', shownMax))
    const sources: AgreementDescription['sources'][number][] = []
    for (const source of rows) sources.push({ row: source, latest: await this.database.query((db) => findLatestDeposit(db, source)) })
    return { signed, state, epochs: epochs.map((one) => ({ epoch: one.epoch, state: one.state })), accepted: acceptances.length, sources }
  }
}
