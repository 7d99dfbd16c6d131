import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { periodAfter, type Rhythm } from '../../escrow/source/schedule.js'
import { listSources, type SourceRow } from '../../escrow/archive/source.table.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { findSilence, saveSilence, type SilenceRow } from './custody.table.js'
import { silenceCondition, watchSilence, type SignsOfLife, type SilenceVerdict, type WatchLimits } from './dead-mans-switch.js'
import { LastWord } from './last-word.js'
import { tagSecretOf } from '../record-turn.js'
import { againOnConflict } from '../request/release-desk.js'
import { parseReleasePolicy } from '../rules/release-policy.js'

/** Windows are days long, so a look every hour is often enough. */
export const lookEveryMs = 3_600_000

/** The dead man's switch: notices a depositor's silence, tells of it, and proposes a request. It can do nothing more. */
@Injectable()
export class WatchDepositor {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(LastWord) private readonly words: LastWord,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Look for one depositor now.
   *
   * @returns the state that the switch has gone to; '' where nothing changed.
   * @throws EscrowError `NOT_FOUND`, `AGREEMENT_INVALID`, `STORE_*`, `DATABASE_*`
   */
  async look(agreementId: string, signal?: AbortSignal): Promise<{ readonly subject: string; readonly state: string }> {
    return againOnConflict(async () => {
      const known = await this.agreements.get(agreementId)
      const row = await this.database.query((db) => findSilence(db, agreementId))
      const armed = known.row.state === 'armed'
      const judged = armed ? await this.judge(known, row, signal) : null
      const { name } = judged?.verdict.watch ?? { name: 'present' }
      await this.save(known, row, judged, signal)
      return { subject: agreementId, state: (judged?.verdict.events.length ?? 0) === 0 ? '' : `depositor ${name}` }
    })
  }

  private async judge(known: KnownAgreement, row: SilenceRow | null, signal?: AbortSignal): Promise<Judged | null> {
    const { release } = known.signed.body
    if (Object.keys(release).length === 0) return null
    const policy = parseReleasePolicy(release)
    const condition = silenceCondition(policy)
    if (condition === null) return null
    const limits: WatchLimits = { ...policy.silence, wordDaysMax: policy.clocks.contestDaysMax }
    const before = row?.watch ?? { name: 'present' }
    const verdict = watchSilence(before, await this.signsOf(known, signal), limits, this.clock.now())
    return { condition, from: before.name, verdict }
  }

  private async signsOf(known: KnownAgreement, signal?: AbortSignal): Promise<SignsOfLife> {
    const { agreementId, armedAt, createdAt } = known.row
    const expectedFrom = armedAt ?? createdAt
    const sources: SourceRow[] = []
    for (let after = ''; ;) {
      const page = await this.database.query((db) => listSources(db, agreementId, after, rowsMax))
      sources.push(...page)
      const last = page.at(-1)
      if (last === undefined) break
      after = last.source
    }
    const now = this.clock.now()
    // A source that the operator has paused is silent too: a pause must not hide anything.
    const due = sources.filter(({ state }) => state !== 'ended').map((source) => deadlineOf(source, source.freshAt ?? expectedFrom))
    const overdue = due.filter((at) => at <= now).sort((left, right) => left.getTime() - right.getTime())
    return { depositDueAt: overdue[0] ?? null, wordAt: await this.words.of(known, sources, signal), expectedFrom }
  }

  private async save(known: KnownAgreement, row: SilenceRow | null, judged: Judged | null, signal?: AbortSignal): Promise<void> {
    const { agreementId } = known.row
    const lookAt = new Date(this.clock.now().getTime() + lookEveryMs)
    const next = { agreementId, watch: judged?.verdict.watch ?? { name: 'present' as const }, lookAt }
    if (judged === null || judged.verdict.events.length === 0) {
      await this.database.transaction((tx) => saveSilence(tx, row, next))
      return
    }
    const draft = draftOf(AgreementId.parse(agreementId), judged)
    await this.log.record({ draft, tagSecret: tagSecretOf(known) }, (tx) => saveSilence(tx, row, next), signal)
  }
}

interface Judged {
  readonly condition: string
  readonly from: SilenceVerdict['watch']['name']
  readonly verdict: SilenceVerdict
}

function draftOf(agreement: AgreementId, { condition, from, verdict }: Judged): EventDraft {
  const { watch } = verdict
  const [reasons, until] = watch.name === 'present' ? [[], null] : [[...watch.reasons], watch.until]
  return { type: 'escrow/event/silence-advanced/v1', agreement, subject: agreement, condition, from, to: watch.name, reasons, until }
}

function deadlineOf(rhythm: Rhythm, from: Date): Date {
  return periodAfter(rhythm, from).deadlineAt
}
