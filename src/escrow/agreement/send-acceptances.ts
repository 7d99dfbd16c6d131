import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { readUnverified } from '../../format/signed-document.js'
import { ShareAccept } from '../../format/statement.js'
import type { Viewer } from '../../http/viewer.js'
import { ArmVault, type Arming } from './arm-vault.js'
import { PublishLog } from '../deposit/publish-log.js'
import { findVersionOf } from '../visible/visible.table.js'

/** Takes acceptances that come over the network, and publishes what they added to the log. */
@Injectable()
export class SendAcceptances {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ArmVault) private readonly armVault: ArmVault,
    @Inject(PublishLog) private readonly publish: PublishLog,
  ) {}

  /**
   * Record acceptances of one agreement. Idempotent.
   *
   * @param documents - signed statements; attacker-controlled.
   * @throws EscrowError `NOT_FOUND` unless each names the agreement, which must be visible; otherwise as `ArmVault.run`
   */
  async run(viewer: Viewer, agreementId: string, documents: readonly Uint8Array[]): Promise<Arming> {
    for (const bytes of documents) {
      const { agreement } = readUnverified(bytes, ShareAccept, 'share acceptance')
      const version = await this.database.query((db) => findVersionOf(db, viewer, agreement))
      if (version?.agreementId !== agreementId) throw new EscrowError('NOT_FOUND', `expected acceptances of ${agreementId}`)
    }
    const arming = await this.armVault.run(documents)
    await this.publish.run()
    return arming
  }
}
