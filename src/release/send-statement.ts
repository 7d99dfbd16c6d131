import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { PublishLog } from '../escrow/deposit/publish-log.js'
import { RecordExplanation, type Explained } from '../escrow/deposit/record-explanation.js'
import { findVersionOf, visibleAmong } from '../escrow/visible/visible.table.js'
import type { Viewer } from '../http/viewer.js'
import { RecordStatement } from './record-statement.js'
import type { Outcome } from './order/register-order.js'
import { peekStatement } from './rules/statement-verifier.js'
import { SweepReleases } from './sweep/sweep-releases.js'

/** What a statement came to. */
export interface Sent {
  /** Subject by subject; only of agreements that the sender sees. */
  readonly outcomes: readonly Outcome[]
  /** For explanations of findings; null otherwise. */
  readonly explained: Explained | null
}

/** Takes a signed statement that comes over the network, does what it makes due, and publishes what that added to the log. */
@Injectable()
export class SendStatement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(RecordStatement) private readonly record: RecordStatement,
    @Inject(RecordExplanation) private readonly explain: RecordExplanation,
    @Inject(SweepReleases) private readonly sweep: SweepReleases,
    @Inject(PublishLog) private readonly publish: PublishLog,
  ) {}

  /**
   * Record a statement. Idempotent. Whoever may see its agreement may send it; what it says, its signer says.
   *
   * @param bytes - attacker-controlled.
   * @throws EscrowError `NOT_FOUND` when the sender does not see the agreement that it names; as `RecordStatement.run`, `RecordExplanation.run`
   */
  async run(viewer: Viewer, bytes: Uint8Array): Promise<Sent> {
    const { statement } = peekStatement(bytes)
    const version = await this.database.query((db) => findVersionOf(db, viewer, statement.agreement))
    if (version === null) throw new EscrowError('NOT_FOUND', `no agreement has the digest ${statement.agreement}`)
    const sent = await this.dispatch(statement.type, bytes)
    await this.publish.run()
    return { ...sent, outcomes: await this.visible(viewer, sent.outcomes) }
  }

  private async dispatch(type: string, bytes: Uint8Array): Promise<Sent> {
    if (type === 'escrow/statement/finding-explanation/v1') return { outcomes: [], explained: await this.explain.run(bytes) }
    const outcomes = await this.record.run(bytes)
    // Whatever else is due is done too, but told only where all parties know of it: an order against the agent may have to be kept secret.
    const swept = (await this.sweep.run()).filter(({ subject }) => subject.startsWith('req_'))
    return { outcomes: [...outcomes, ...swept], explained: null }
  }

  /** An order reaches agreements, and the sweep moves requests, that are no business of the sender. */
  private async visible(viewer: Viewer, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
    if (outcomes.length === 0) return []
    const ids = [...new Set(outcomes.map((outcome) => outcome.agreementId))]
    const own = await this.database.query((db) => visibleAmong(db, viewer, ids))
    return outcomes.filter((outcome) => own.has(outcome.agreementId))
  }
}
