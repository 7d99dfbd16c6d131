import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import type { EventDraft } from '../../log/event-log.js'
import { aboutRequest } from '../record-turn.js'
import type { VerifyStatement } from '../rules/quorum.js'
import { advance, type ReleaseInput } from '../rules/release-request.js'
import { againOnConflict, ReleaseDesk } from './release-desk.js'
import type { ReleaseState } from '../rules/release-state.js'
import { caseVerifier, type RequestCase } from './request-shelf.js'
import { peekStatement } from '../rules/statement-verifier.js'

/** Moves one request by one input: a clock, an act of the agent, or a statement. */
@Injectable()
export class AdvanceRequest {
  constructor(
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Apply an input. Idempotent for clocks and for statements that are known.
   *
   * @param document - the bytes of the statement, where the input is one; attacker-controlled.
   * @returns the state afterwards.
   * @throws EscrowError as `advance`; `NOT_FOUND`; `STORE_*`; then nothing has happened
   */
  async run(requestId: string, input: ReleaseInput, document?: Uint8Array, signal?: AbortSignal): Promise<ReleaseState> {
    return againOnConflict(async () => {
      const one = await this.desk.requests.get(requestId, signal)
      const fresh = document === undefined ? new Map<string, Uint8Array>() : new Map([[peekStatement(document).digest, document]])
      const verify = caseVerifier(one, fresh)
      const { progress } = one.row
      const step = advance(progress, input, { frame: one.frame, now: this.clock.now(), verify })
      if (step.events.length === 0) return step.progress.state
      const statements = [...fresh]
        .filter(([digest]) => step.progress.seen.includes(digest) && !progress.seen.includes(digest))
        .map(([digest, bytes]) => aboutRequest(one.row, verify(digest), bytes))
      await this.desk.turns.run({ ...one, step, statements, drafts: noticeDraft(one, input, verify) }, undefined, signal)
      return step.progress.state
    })
  }
}

/** Proven service is an event of its own: the depositor's time to object runs from it. */
function noticeDraft({ row, known }: RequestCase, input: ReleaseInput, verify: VerifyStatement): readonly EventDraft[] {
  const statement = input.kind === 'statement' ? verify(input.digest).statement : null
  if (statement?.type !== 'escrow/statement/notice-served/v1') return []
  const request = RequestId.parse(row.requestId)
  const depositors = known.signed.body.parties.filter((party) => party.role === 'depositor')
  const subject = { agreement: AgreementId.parse(row.agreementId), subject: request, request }
  return depositors.map(({ party }) => ({ type: 'escrow/event/notice-served/v1', ...subject, party, notice: statement.proof }))
}
