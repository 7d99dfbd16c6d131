import { Inject, Injectable } from '@nestjs/common'
import { Database } from '../db/database.js'
import { listReplicas, type ReplicaRow } from '../escrow/archive/copy.table.js'
import { VisibleDeposits } from '../escrow/visible/visible-deposits.js'
import type { Viewer } from '../http/viewer.js'
import { listChecksOfDeposit, type CheckOfDeposit } from './visible-fixity.table.js'

/** Reads what checks have found, for somebody. */
@Injectable()
export class VisibleFixity {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(VisibleDeposits) private readonly deposits: VisibleDeposits,
  ) {}

  /** The checks of a deposit's copies, newest first. @param asked.before - the last number of the page before; null for the first. @throws EscrowError `NOT_FOUND` */
  async checks(
    viewer: Viewer,
    asked: { readonly depositId: string; readonly before: number | null; readonly limit: number },
  ): Promise<readonly CheckOfDeposit[]> {
    await this.deposits.get(viewer, asked.depositId)
    return this.database.query((db) => listChecksOfDeposit(db, viewer, asked))
  }

  /** Where every object is kept: in whose hands, under which law. The same for everybody. */
  replicas(): Promise<readonly ReplicaRow[]> {
    return this.database.query(listReplicas)
  }
}
