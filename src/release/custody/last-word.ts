import { Inject, Injectable } from '@nestjs/common'
import { Database } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { ReadDocument } from '../../escrow/archive/read-document.js'
import type { SourceRow } from '../../escrow/archive/source.table.js'
import { AgreementId } from '../../format/ids.js'
import { objectKeys } from '../../store/object-key.js'
import { findLastExplanation, listWordsOf } from './custody.table.js'
import { peekStatement } from '../rules/statement-verifier.js'

/** Of the statements recorded last, so many are read: one that was signed long before it was recorded is no news. */
const wordsRead = 20

/** Finds out when the depositor last signed anything that was recorded here. */
@Injectable()
export class LastWord {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
  ) {}

  /**
   * The moment of the depositor's last word: when it signed, not when somebody recorded it, so that an old statement kept back proves nothing.
   *
   * @param sources - of the agreement; a sealed deposit is signed by the depositor too.
   * @returns null when it never signed anything but the agreement.
   * @throws EscrowError `OBJECT_*`, `STORE_*` when a statement cannot be read
   */
  async of(known: KnownAgreement, sources: readonly SourceRow[], signal?: AbortSignal): Promise<Date | null> {
    const { agreementId } = known.row
    const depositor = known.signed.body.parties.find((party) => party.role === 'depositor')?.party ?? ''
    const rows = await this.database.query((db) => listWordsOf(db, agreementId, depositor, wordsRead))
    const explained = await this.database.query((db) => findLastExplanation(db, agreementId))
    const keys = rows.map((row) => row.key)
    if (explained !== null) {
      keys.push(objectKeys.explanation({ ...explained, agreement: AgreementId.parse(agreementId) }, explained.digest))
    }
    const signed = sources.flatMap(({ mode, freshAt }) => (mode === 'sealed' && freshAt !== null ? [freshAt.toISOString()] : []))
    for (const key of new Set(keys)) signed.push(peekStatement(await this.documents.bytes(key, signal)).statement.issuedAt)
    const last = signed.sort().at(-1)
    return last === undefined ? null : new Date(last)
  }
}
