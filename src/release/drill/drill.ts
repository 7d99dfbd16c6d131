/**
 * Rehearsals. An approval drill is voted on like a release, but its subject is the digest of a drill: no release request has that
 * digest, so its approvals cover nothing, its shares are refused by the relay as another request's, and it has no state in which
 * anything is handed over.
 */
import { sha256Hex } from '../../crypto/digest.js'
import { canonicalize } from '../../format/canonical-json.js'
import type { AnySummons, DrillSummons } from '../../format/drill.js'
import { electorateOf, eligible } from '../rules/electorate.js'
import { tallyVotes, type Tally, type VerifyStatement } from '../rules/quorum.js'
import type { DrillIntervals } from '../rules/release-policy.js'
import type { RequestFrame } from '../rules/release-state.js'

/** What voters cover with their approvals in a drill, where a release has the digest of its request. */
export function drillDigest(summons: AnySummons): string {
  return sha256Hex(canonicalize(summons))
}

/** How long one voter took. */
export interface DrillAnswer {
  readonly person: string
  readonly body: string
  readonly vote: 'approval' | 'refusal' | 'silent'
  readonly answerMinutes: number | null
}

export interface ApprovalDrillReport {
  readonly drill: string
  readonly verdict: Tally['verdict']
  readonly answers: readonly DrillAnswer[]
  /** Minutes until the votes sufficed; null when they never did. */
  readonly quorumMinutes: number | null
  readonly outcome: 'pass' | 'fail'
}

/** A vote given in a drill, with the moment at which it was recorded. */
export interface DrillVote {
  readonly digest: string
  readonly recordedAt: string
}

/**
 * Report on an approval drill: who answered, how fast, and whether it would have been enough.
 *
 * @param frame - roster and requesters of a release under the same condition.
 * @param votes - in the order in which they were recorded; those after the summons ended are not counted.
 * @returns `pass` when the quorum was there in time. People who were silent are named: they would have refused.
 * @throws EscrowError whatever `verify` throws.
 */
export function reportApprovalDrill(
  summons: DrillSummons,
  frame: Pick<RequestFrame, 'requesters' | 'roster'>,
  votes: readonly DrillVote[],
  verify: VerifyStatement,
): ApprovalDrillReport {
  const drill = drillDigest(summons)
  const { agreement, epoch, recipients, origin } = summons
  const rehearsal = { ...frame, digest: drill, agreement, epoch, recipients, origin }
  const inTime = votes.filter((vote) => vote.recordedAt < summons.endsAt)
  const tallyOf = (cast: readonly DrillVote[], at: string): Tally => {
    const counted = cast.map(({ digest }) => ({ digest, round: 1 }))
    return tallyVotes({ votes: counted, round: 1, unavailable: [], vetoedAt: null }, rehearsal, { at: new Date(at), verify })
  }
  const last = inTime.at(-1)?.recordedAt ?? summons.summonedAt
  const tally = tallyOf(inTime, last)
  const enough = inTime.find((vote, index) => tallyOf(inTime.slice(0, index + 1), vote.recordedAt).verdict === 'approved')
  const quorumMinutes = enough === undefined || tally.verdict !== 'approved' ? null : minutesBetween(summons.summonedAt, enough.recordedAt)
  const answers = answersOf(tally, { frame, votes: inTime, summonedAt: summons.summonedAt, verify })
  return { drill, verdict: tally.verdict, answers, quorumMinutes, outcome: quorumMinutes === null ? 'fail' : 'pass' }
}

/** What a restore drill measured on a rehearsal vault. */
export interface RestoreDrill {
  readonly startedAt: string
  /** When the restored repository had been compared with its manifest; null when it never was. */
  readonly verifiedAt: string | null
  /** When the newest restored deposit was taken; null when none was restored. */
  readonly takenAt: string | null
  readonly canaryFound: boolean
  /** Set when our own machinery failed: no claim about the deposit. */
  readonly fault: string | null
}

export interface RestoreDrillReport {
  readonly outcome: 'pass' | 'fail' | 'error'
  /** Recovery time: from the start to a verified repository. Recovery point: how old the newest restored deposit was at the start. */
  readonly recoveryTimeMinutes: number | null
  readonly recoveryPointMinutes: number | null
}

/** Measure a restore drill: `error` is our own fault, `fail` a claim about the deposit (DESIGN section 1, promise 6). */
export function reportRestoreDrill(drill: RestoreDrill): RestoreDrillReport {
  const { startedAt, verifiedAt, takenAt } = drill
  const recoveryTimeMinutes = verifiedAt === null ? null : minutesBetween(startedAt, verifiedAt)
  const recoveryPointMinutes = takenAt === null ? null : minutesBetween(takenAt, startedAt)
  if (drill.fault !== null) return { outcome: 'error', recoveryTimeMinutes: null, recoveryPointMinutes: null }
  const outcome = verifiedAt !== null && takenAt !== null && drill.canaryFound ? 'pass' : 'fail'
  return { outcome, recoveryTimeMinutes, recoveryPointMinutes }
}

export type DrillKind = 'approval' | 'restore' | 'share-health'

export interface OverdueDrill {
  readonly kind: DrillKind
  readonly dueAt: string
}

/**
 * Rehearsals that are overdue: findings for every party.
 *
 * @param last - when each kind last passed; null counts from `since`, when the agreement was armed.
 * @returns those due by now, most overdue first; empty when none is.
 */
export function overdueDrills(
  last: Readonly<Record<DrillKind, string | null>>,
  rules: { readonly intervals: DrillIntervals; readonly since: string; readonly now: Date },
): readonly OverdueDrill[] {
  const { intervals, since, now } = rules
  const days: Readonly<Record<DrillKind, number>> = {
    approval: intervals.approvalDrillDays,
    restore: intervals.restoreDrillDays,
    'share-health': intervals.shareHealthDays,
  }
  const kinds = ['approval', 'restore', 'share-health'] as const
  return kinds
    .map((kind) => ({ kind, dueAt: new Date(Date.parse(last[kind] ?? since) + days[kind] * 86_400_000).toISOString() }))
    .filter(({ dueAt }) => dueAt <= now.toISOString())
    .sort((left, right) => left.dueAt.localeCompare(right.dueAt))
}

function answersOf(
  tally: Tally,
  drill: {
    readonly frame: Pick<RequestFrame, 'requesters' | 'roster'>
    readonly votes: readonly DrillVote[]
    readonly summonedAt: string
    readonly verify: VerifyStatement
  },
): readonly DrillAnswer[] {
  const { frame, votes, summonedAt, verify } = drill
  const cast = votes.map((vote) => ({ signer: verify(vote.digest).signer, recordedAt: vote.recordedAt }))
  return electorateOf(frame.roster, { requesters: frame.requesters }).flatMap((body) => {
    const counted = tally.bodies.find((candidate) => candidate.body === body.name)
    return eligible(body).map(({ person, parties }) => {
      const vote = voteOf(person, counted)
      const last = cast.filter((one) => parties.includes(one.signer)).at(-1)
      const answerMinutes = vote === 'silent' || last === undefined ? null : minutesBetween(summonedAt, last.recordedAt)
      return { person, body: body.name, vote, answerMinutes }
    })
  })
}

function voteOf(person: string, tally: Tally['bodies'][number] | undefined): DrillAnswer['vote'] {
  if (tally?.approvals.includes(person) === true) return 'approval'
  return tally?.refusals.includes(person) === true ? 'refusal' : 'silent'
}

function minutesBetween(from: string, to: string): number {
  return Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 60_000))
}
