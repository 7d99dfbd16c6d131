import { Inject, Injectable } from '@nestjs/common'
import { isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import type { StatementType } from '../../format/statement.js'
import { unavailableParties, type Unavailable } from './availability.js'
import { ReleaseFiles } from '../release-files.js'
import { listStatements, type StatementRow } from '../release.table.js'
import { verifierOf } from '../rules/statement-verifier.js'

const changing: readonly StatementType[] = ['escrow/statement/availability/v1', 'escrow/statement/agreement-amendment/v1']

/** Who can no longer vote in an agreement. */
export interface Availability {
  readonly unavailable: readonly Unavailable[]
  /** What was recorded last that can have changed it, either way: a word about somebody, or an amendment. Null when nothing was. */
  readonly lastSaid: StatementRow | null
}

/** Counts who can no longer vote, from signed statements that are verified again each time. */
@Injectable()
export class CountAvailability {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
  ) {}

  /**
   * Count with the version in force: whoever left the agreement is forgotten.
   *
   * @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*`: what cannot be read cannot be left out of a count
   */
  async run(agreementId: string, signal?: AbortSignal): Promise<Availability> {
    const rows = await this.database.query((db) => listStatements(db, agreementId, agreementId, changing))
    const lastSaid = rows.at(-1) ?? null
    const said = rows.filter(({ type }) => type === 'escrow/statement/availability/v1')
    if (said.length === 0) return { unavailable: [], lastSaid }
    const { signed } = await this.agreements.get(agreementId)
    const verify = verifierOf(signed, await this.files.of(said, signal))
    const verified = said.flatMap(({ digest }) => {
      try {
        return [verify(digest)]
      } catch (error) {
        // Signed with a key that a later version has taken away.
        if (isEscrowError(error, 'SIGNATURE_INVALID')) return []
        throw error
      }
    })
    return { unavailable: unavailableParties(verified, signed.body.parties), lastSaid }
  }
}

/** Whether such a statement can make somebody available or unavailable. */
export function changesAvailability(type: StatementType): boolean {
  return changing.includes(type)
}
