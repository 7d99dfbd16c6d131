import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { Agent } from '../../escrow/agent.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { findCurrentEpoch } from '../../escrow/archive/agreement.table.js'
import { AnySummons } from '../../format/drill.js'
import { AgreementId } from '../../format/ids.js'
import { signDocument } from '../../format/signed-document.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { drillDigest } from './drill.js'
import { insertDrill } from './drill.table.js'
import { tagSecretOf } from '../record-turn.js'
import { ReleaseFiles } from '../release-files.js'
import { parseReleasePolicy, termsOf } from '../rules/release-policy.js'

/** What is to be rehearsed. */
export type DrillWish =
  | { readonly kind: 'approval'; readonly condition: string }
  | { readonly kind: 'restore'; readonly rehearsal: string; readonly source: string; readonly canary: string }

const hourMs = 3_600_000

/** Summons parties to a rehearsal. It has no way to a share: its digest is no request's, and no state of it hands anything over. */
@Injectable()
export class StartDrill {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Start a drill.
   *
   * @param hours - 1 to 2160: how long there is to answer.
   * @returns its digest and the signed summons, to be handed to the parties.
   * @throws EscrowError `NOT_FOUND` for an unknown agreement, condition or source; `VAULT_NOT_ARMED`; `ARGUMENT_INVALID` for a rehearsal that
   *   is the agreement itself: its shares would be real; `STORE_*`
   */
  async run(
    agreementId: string,
    wish: DrillWish,
    hours: number,
    signal?: AbortSignal,
  ): Promise<{ readonly drill: string; readonly summons: Uint8Array }> {
    const known = await this.agreements.get(agreementId)
    const body = await this.compose(known, wish, hours)
    const summons = signDocument({ body, schema: AnySummons, key: this.agent.keys.signingKey })
    const drill = drillDigest(body)
    const agreement = AgreementId.parse(agreementId)
    const key = objectKeys.drillDocument(agreement, drill, drill)
    await this.files.keep(known, key, summons, signal)
    const { endsAt, summonedAt } = body
    const draft: EventDraft = { type: 'escrow/event/drill-started/v1', agreement, subject: agreement, drill, kind: wish.kind, endsAt }
    const row = { drillDigest: drill, agreementId, agreementDigest: known.signed.digest, kind: wish.kind, summonsKey: key }
    await this.log.record(
      { draft, tagSecret: tagSecretOf(known) },
      (tx) => insertDrill(tx, { ...row, startedAt: new Date(summonedAt), endsAt: new Date(endsAt) }),
      signal,
    )
    return { drill, summons }
  }

  private async compose(known: KnownAgreement, wish: DrillWish, hours: number): Promise<AnySummons> {
    const { body, digest } = known.signed
    const now = this.agent.clock.now()
    const first = {
      origin: body.origin,
      agreement: digest,
      nonce: Buffer.from(this.agent.entropy.bytes(16)).toString('hex'),
      summonedAt: now.toISOString(),
      endsAt: new Date(now.getTime() + hours * hourMs).toISOString(),
    }
    if (wish.kind === 'restore') {
      const { signed } = await this.agreements.get(wish.rehearsal)
      if (signed.body.agreement === body.agreement) {
        throw new EscrowError('ARGUMENT_INVALID', 'expected a rehearsal with a vault of its own, got the agreement itself')
      }
      if (!signed.body.sources.some(({ source }) => source === wish.source))
        throw new EscrowError('NOT_FOUND', `${wish.rehearsal} has no source ${wish.source}`)
      return { type: 'escrow/restore-drill/v1', ...first, rehearsal: signed.digest, source: wish.source, canary: wish.canary }
    }
    termsOf(parseReleasePolicy(body.release), wish.condition)
    const current = await this.database.query((db) => findCurrentEpoch(db, body.agreement))
    if (current === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${body.agreement} has no armed epoch`)
    const recipients = body.parties.flatMap(({ role, recipient }) => (role === 'beneficiary' && recipient !== null ? [recipient] : []))
    return {
      type: 'escrow/approval-drill/v1',
      ...first,
      epoch: current.epoch,
      condition: wish.condition,
      recipients: recipients.slice(0, rowsMax),
    }
  }
}
