// Acting from files alone when the service is gone (DESIGN section 7, `logUnavailableDays`). There is no log to look into, so what the log
// would show is judged from the signed statements themselves, from what this party has heard, and from this machine's own clock.
import { join } from 'node:path'
import { EscrowError } from '../../../core/errors.js'
import { outageFreshHours } from '../../../core/limits.js'
import { noteBytesMax } from '../../../core/limits.js'
import { verifyOutage, type Outage } from '../../../format/outage.js'
import type { SignedAgreement } from '../../../format/signed-agreement.js'
import type { VerifiedStatement } from '../../../release/rules/quorum.js'
import { contestEnds, windowEnd } from '../../../release/rules/release-clocks.js'
import type { RequestFrame } from '../../../release/rules/release-state.js'
import { exists, readNamedFile, writeNamedFile } from '../../files.js'

/** Verify witnesses' attestations against the pinned agreement. @throws EscrowError as `verifyOutage` */
export async function openOutage(
  files: readonly string[],
  pinned: SignedAgreement,
  terms: { readonly days: number; readonly now: Date },
): Promise<Outage> {
  const notes = await Promise.all(files.map((path) => readNamedFile(path, noteBytesMax)))
  return verifyOutage(notes, pinned.body.log, { ...terms, freshHours: outageFreshHours })
}

/**
 * When this party first saw a request. Without a log no other date of it can be believed: whoever asks may date its own request back.
 *
 * @param folder - the party's keys; the date is kept there.
 * @returns the date kept earlier; `now`, and kept from now on, when there is none.
 * @throws EscrowError `FILE_UNREADABLE`, `FORMAT_INVALID`
 */
export async function firstSeen(folder: string, request: string, now: Date): Promise<Date> {
  const path = join(folder, 'first-seen', request)
  if (!(await exists(path))) await writeNamedFile(path, `${now.toISOString()}\n`, { secret: true })
  const at = new Date((await readNamedFile(path, 100)).toString('utf8').trim())
  if (!Number.isNaN(at.getTime())) return at
  throw new EscrowError('FORMAT_INVALID', `${path}: expected a moment`)
}

/** What is judged without a log. */
export interface UnloggedCase {
  readonly frame: RequestFrame
  readonly statements: readonly VerifiedStatement[]
}

/**
 * Refuse to go on with a request whose depositor has not been heard.
 *
 * @param turn.seen - when this party first saw the request; the windows to object begin then, and are as long as the agreement has them.
 * @throws EscrowError `REQUEST_STATE` naming what stands in the way: the time to object, an objection without a ruling, a ruling against it,
 *   a withdrawal, a hold
 */
export function requireHeard({ frame, statements }: UnloggedCase, turn: { readonly seen: Date; readonly now: Date }): void {
  const { now } = turn
  const open = objectionEnd(frame, turn.seen)
  if (now < open) throw stands(`the time to object runs until ${open.toISOString()}`)
  for (const { signer, statement } of statements) {
    if (statement.type === 'escrow/statement/shutdown-order/v1' && new Date(statement.effectiveAt) > now) {
      throw stands(`the order behind it is effective on ${statement.effectiveAt}`)
    }
    if (statement.type === 'escrow/statement/withdrawal/v1' && frame.requesters.includes(signer)) throw stands(`${signer} has withdrawn it`)
    if (statement.type === 'escrow/statement/ruling/v1' && roleOf(frame, signer) === 'arbiter' && statement.outcome === 'reject') {
      throw stands('the arbiter has rejected it')
    }
    if (statement.type !== 'escrow/statement/legal-hold/v1' || !frame.terms.holdSigners.includes(signer)) continue
    if (statement.action === 'place' && new Date(statement.until) > now && !isLifted(statements, signer, statement.issuedAt)) {
      throw stands(`${signer} holds it until ${statement.until}`)
    }
  }
  requireNoObjection({ frame, statements }, now)
}

/** The formal check, the service and the objection, one after the other as if the service were there; none where the contest is in court. */
function objectionEnd(frame: RequestFrame, seen: Date): Date {
  const windows = ['submitted', 'admitted', 'notice'] as const
  return windows.reduce((at, name) => windowEnd(name, at, frame), seen)
}

function requireNoObjection({ frame, statements }: UnloggedCase, now: Date): void {
  const proceeds = statements.some(
    ({ signer, statement }) =>
      statement.type === 'escrow/statement/ruling/v1' && roleOf(frame, signer) === 'arbiter' && statement.outcome === 'proceed',
  )
  if (proceeds) return
  for (const { signer, statement } of statements) {
    const objects = statement.type === 'escrow/statement/contrary-instruction/v1' || statement.type === 'escrow/statement/contestation/v1'
    if (!objects || roleOf(frame, signer) !== 'depositor') continue
    const { docketBy, rulingBy } = contestEnds(new Date(statement.issuedAt), frame.terms)
    const until = statement.evidence.length > 0 ? rulingBy : docketBy
    if (now < until) throw stands(`${signer} objects, and no ruling has been given; it counts until ${until.toISOString()}`)
  }
}

function isLifted(statements: readonly VerifiedStatement[], signer: string, placedAt: string): boolean {
  return statements.some(
    (one) =>
      one.signer === signer &&
      one.statement.type === 'escrow/statement/legal-hold/v1' &&
      one.statement.action === 'lift' &&
      one.statement.issuedAt > placedAt,
  )
}

function roleOf(frame: RequestFrame, party: string): string | undefined {
  return frame.roster.parties.find((one) => one.party === party)?.role
}

function stands(why: string): EscrowError {
  return new EscrowError('REQUEST_STATE', `expected a request that nothing stands against, but ${why}`)
}
