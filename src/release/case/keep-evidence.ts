import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { sha256Hex } from '../../crypto/digest.js'
import { Database } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId } from '../../format/ids.js'
import { evidenceOf } from '../../format/statement.js'
import { objectKeys } from '../../store/object-key.js'
import { listSubjects } from '../release.table.js'
import { ReleaseFiles } from '../release-files.js'
import { peekStatement } from '../rules/statement-verifier.js'

/** A document that travels with a statement. */
export interface EvidenceToKeep {
  /** Digest of the recorded statement that names it. */
  readonly statement: string
  /** At most `evidenceBytesMax`; attacker-controlled, and never looked into. */
  readonly bytes: Uint8Array
}

/** Keeps the documents that recorded statements rest on, so that everybody who judges a case can read them. */
@Injectable()
export class KeepEvidence {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
  ) {}

  /**
   * Keep one document in every agreement in which its statement was recorded. Idempotent.
   *
   * @returns its digest.
   * @throws EscrowError `NOT_FOUND` when the statement was not recorded here; `DIGEST_MISMATCH` when it names no such document: we keep
   *   nothing that nobody has signed for; `STORE_*`
   */
  async run({ statement, bytes }: EvidenceToKeep, signal?: AbortSignal): Promise<string> {
    const recorded = await this.database.query((db) => listSubjects(db, statement))
    const byAgreement = new Map(recorded.map((row) => [row.agreementId, row]))
    if (byAgreement.size === 0) throw new EscrowError('NOT_FOUND', `no statement ${statement.slice(0, 16)} is recorded here`)
    const sha256 = sha256Hex(bytes)
    for (const [agreementId, row] of byAgreement) {
      const document = (await this.files.about(row.subject, agreementId, signal)).get(statement)
      const named = document === undefined ? [] : evidenceOf(peekStatement(document).statement)
      if (!named.some((one) => one.sha256 === sha256 && one.sizeBytes === bytes.byteLength)) {
        throw new EscrowError('DIGEST_MISMATCH', `expected a document that statement ${statement.slice(0, 16)} names, got ${sha256}`)
      }
      const known = await this.agreements.get(agreementId)
      await this.files.keep(known, objectKeys.evidence(AgreementId.parse(agreementId), sha256), bytes, signal)
    }
    return sha256
  }
}
