import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import type { DepositRow } from '../../escrow/archive/deposit.table.js'
import { CheckFixity } from '../../verify/check-fixity.js'
import { listWithoutGoodCopy } from '../../verify/verify.table.js'
import { GrantedObjects } from './granted-objects.js'

/** The fresh fixity check before a grant: every byte that a beneficiary will need is read at every replica. */
@Injectable()
export class ReadAgain {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(CheckFixity) private readonly fixity: CheckFixity,
    @Inject(GrantedObjects) private readonly objects: GrantedObjects,
  ) {}

  /**
   * Read every object of deposits and of those that they rest on, receipts and explanations included. A bad copy becomes a finding as always.
   *
   * @throws EscrowError `OBJECT_CORRUPT` naming an object of which no replica has a good copy
   */
  async run(agreementId: string, deposits: readonly DepositRow[], signal?: AbortSignal): Promise<void> {
    const chains = new Map<string, DepositRow>()
    for (const deposit of deposits) {
      const chain = deposit.baseSequence === deposit.sequence ? [deposit] : await this.objects.chain(agreementId, deposit)
      for (const row of chain) chains.set(row.depositId, row)
    }
    const objects = [...new Set((await this.objects.of([...chains.values()])).map(({ objectId }) => objectId))]
    for (let at = 0; at < objects.length; at += rowsMax) {
      const some = objects.slice(at, at + rowsMax)
      await this.fixity.run({ all: false, replica: null, objects: some }, signal)
      const [lost] = await this.database.query((db) => listWithoutGoodCopy(db, some))
      if (lost !== undefined) throw new EscrowError('OBJECT_CORRUPT', `expected a good copy of ${lost.key} at some replica, got none`)
    }
  }
}
