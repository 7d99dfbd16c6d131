import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import { AdvanceRequest } from './advance-request.js'
import { ReleaseFiles } from '../release-files.js'
import { isHoldable } from '../rules/release-step.js'
import { listRequests, listStatements } from '../release.table.js'
import { standingHolds } from './standing-holds.js'
import { verifierOf } from '../rules/statement-verifier.js'

/** Lets holds on an agreement as a whole take effect on each of its requests, also on those that came after the hold. */
@Injectable()
export class PlaceHolds {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(AdvanceRequest) private readonly request: AdvanceRequest,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Hold what is to be held. Idempotent: of a request each hold takes effect once, so that what was lifted for it stays lifted.
   *
   * @throws EscrowError `STORE_*`, `DATABASE_*`, `OBJECT_*`
   */
  async run(agreementId: string, signal?: AbortSignal): Promise<void> {
    const rows = await this.database.query((db) => listStatements(db, agreementId, agreementId, ['escrow/statement/legal-hold/v1']))
    if (rows.length === 0) return
    const documents = await this.files.of(rows, signal)
    const { signed } = await this.agreements.get(agreementId)
    const verify = verifierOf(signed, documents)
    const said = rows.flatMap(({ digest }) => {
      try {
        return [verify(digest)]
      } catch (error) {
        // Signed under keys that a later version has taken away.
        if (isEscrowError(error, 'SIGNATURE_INVALID')) return []
        throw error
      }
    })
    const [hold] = standingHolds(said, signed.body, this.clock.now())
    const bytes = hold === undefined ? undefined : documents.get(hold.digest)
    if (hold === undefined || bytes === undefined) return
    for (const { requestId, progress } of await this.database.query((db) => listRequests(db, agreementId, rowsMax))) {
      if (isHoldable(progress.state) && !progress.seen.includes(hold.digest)) await this.hold(requestId, hold.digest, bytes, signal)
    }
  }

  /** A request may refuse: its holds are used up, or it was submitted under another version. */
  private async hold(requestId: string, digest: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      await this.request.run(requestId, { kind: 'statement', digest }, bytes, signal)
    } catch (error) {
      if (!(error instanceof EscrowError) || !['REQUEST_STATE', 'STATEMENT_INVALID', 'STATEMENT_EXPIRED'].includes(error.code)) throw error
    }
  }
}
