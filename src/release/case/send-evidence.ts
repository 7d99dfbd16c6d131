import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { visibleAmong } from '../../escrow/visible/visible.table.js'
import type { Viewer } from '../../http/viewer.js'
import { KeepEvidence, type EvidenceToKeep } from './keep-evidence.js'
import { listSubjects } from '../release.table.js'

/** Takes documents that recorded statements name, over the network. */
@Injectable()
export class SendEvidence {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(KeepEvidence) private readonly keep: KeepEvidence,
  ) {}

  /**
   * Keep one document. Idempotent.
   *
   * @returns its digest.
   * @throws EscrowError `NOT_FOUND` when the sender sees none of the agreements in which the statement was recorded; as `KeepEvidence.run`
   */
  async run(viewer: Viewer, evidence: EvidenceToKeep): Promise<string> {
    const recorded = await this.database.query((db) => listSubjects(db, evidence.statement))
    const ids = [...new Set(recorded.map((row) => row.agreementId))]
    const own = ids.length === 0 ? new Set() : await this.database.query((db) => visibleAmong(db, viewer, ids))
    if (own.size === 0) throw new EscrowError('NOT_FOUND', `no statement ${evidence.statement.slice(0, 16)} is recorded here`)
    return this.keep.run(evidence)
  }
}
