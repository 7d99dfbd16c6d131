import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { AgreementShelf } from '../escrow/agreement-shelf.js'
import { AdvanceRequest } from './advance-request.js'
import { unavailableParties, type Unavailable } from './availability.js'
import { ReleaseFiles } from './release-files.js'
import { listRequests, listStatements } from './release.table.js'
import { verifierOf } from './statement-verifier.js'

/** Lets every request of an agreement know who can no longer vote: a quorum that nobody could reach freezes it, with an alarm. */
@Injectable()
export class ApplyAvailability {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(AdvanceRequest) private readonly request: AdvanceRequest,
  ) {}

  /**
   * Bring every open request of an agreement up to date. Idempotent: what a run that stopped has left is done by the next one.
   *
   * @throws EscrowError `STORE_*`, `DATABASE_*`
   */
  async run(agreementId: string, signal?: AbortSignal): Promise<readonly Unavailable[]> {
    const unavailable = await this.of(agreementId, signal)
    const parties = unavailable.map(({ party }) => party).sort()
    for (const { requestId, dueAt, progress } of await this.database.query((db) => listRequests(db, agreementId, rowsMax))) {
      if (dueAt === null || progress.state.name === 'released' || progress.unavailable.join(' ') === parties.join(' ')) continue
      const news = unavailable.find(({ party }) => !progress.unavailable.includes(party))?.decidedBy
      const decidedBy = news === undefined ? {} : { decidedBy: { digest: news.digest, party: news.signer } }
      await this.request.run(requestId, { kind: 'unavailable', parties, ...decidedBy }, undefined, signal)
    }
    return unavailable
  }

  /**
   * Who is unavailable, counted from statements that are verified again with the version in force: whoever left the agreement is forgotten.
   *
   * @throws EscrowError `OBJECT_*`, `STORE_*`, `SIGNATURE_INVALID`: what cannot be read cannot be left out of a count
   */
  async of(agreementId: string, signal?: AbortSignal): Promise<readonly Unavailable[]> {
    const rows = await this.database.query((db) => listStatements(db, agreementId, agreementId))
    const said = rows.filter((row) => row.type === 'escrow/statement/availability/v1')
    if (said.length === 0) return []
    const { signed } = await this.agreements.get(agreementId)
    const documents = new Map<string, Uint8Array>()
    for (const row of said) documents.set(row.digest, await this.files.read(row.key, signal))
    const verify = verifierOf(signed, documents)
    const verified = said.flatMap(({ digest }) => {
      try {
        return [verify(digest)]
      } catch (error) {
        // Signed with a key that a later version has taken away.
        if (error instanceof EscrowError && error.code === 'SIGNATURE_INVALID') return []
        throw error
      }
    })
    return unavailableParties(verified, signed.body.parties)
  }
}
