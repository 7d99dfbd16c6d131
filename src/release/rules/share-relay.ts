/**
 * Which sealed shares may be passed on, and when. The relay never opens one: it sees a signature, an index and an age file, names what
 * cannot be right, and holds everything back until t custodians who still approve have delivered and the state is `releasing`. Whether
 * a share is *correct* only its reader can tell; with more than t, readers leave bad ones out.
 */
import type { StatementOf } from '../../format/statement.js'
import { EscrowError } from '../../core/errors.js'
import { envelopeHeaderBytesMax } from '../../core/limits.js'
import { custodianBody, personsOf } from './electorate.js'
import { tallyVotes, type VerifiedStatement, type VerifyStatement } from './quorum.js'
import type { ReleaseProgress, ReleaseState, RequestFrame } from './release-state.js'

/** Why a share is not passed on. */
export type ShareProblem =
  | 'other-statement'
  | 'other-request'
  | 'not-the-holder'
  | 'not-approved'
  | 'recipients-differ'
  | 'no-age-file'
  | 'copied'
  | 'replaced'

/** A share that is structurally right. */
export interface HeldShare {
  readonly digest: string
  readonly party: string
  readonly index: number
}

export interface RefusedShare {
  readonly digest: string
  readonly party: string
  readonly problem: ShareProblem
}

export interface ShareRelay {
  readonly held: readonly HeldShare[]
  readonly refused: readonly RefusedShare[]
  /** Digests that may go to the beneficiaries; empty while too few are held or the state forbids it. */
  readonly releasable: readonly string[]
}

/**
 * Sort what custodians have delivered.
 *
 * @param digests - share-release statements in the order in which they came.
 * @returns every one of them either held or refused with its problem; `releasable` is all that is held, or nothing.
 * @throws EscrowError whatever `verify` throws.
 *
 * Idempotent. Source: DESIGN section 7, "Two phases for custodians".
 */
export function sortShares(
  digests: readonly string[],
  progress: ReleaseProgress,
  turn: { readonly frame: RequestFrame; readonly now: Date; readonly verify: VerifyStatement },
): ShareRelay {
  const { frame, verify } = turn
  const approving = approversOf(progress, turn)
  const accepted = new Map<string, VerifiedShare>()
  const refused: RefusedShare[] = []
  for (const digest of new Set(digests)) {
    const verified = verify(digest)
    const problem = problemOf(verified, { frame, approving, accepted })
    if (problem !== null || !isShareRelease(verified)) {
      refused.push({ digest, party: verified.signer, problem: problem ?? 'other-statement' })
      continue
    }
    const earlier = accepted.get(verified.signer)
    if (earlier !== undefined) refused.push({ digest: earlier.digest, party: earlier.signer, problem: 'replaced' })
    // At the end again: the order is that of what counts.
    accepted.delete(verified.signer)
    accepted.set(verified.signer, verified)
  }
  const held = [...accepted.values()].map(({ digest, signer, statement }) => ({ digest, party: signer, index: statement.index }))
  return { held, refused, releasable: mayPassOn(held, progress.state, frame) ? held.map((share) => share.digest) : [] }
}

/**
 * Demand that these shares complete a release.
 *
 * @throws EscrowError `SHARES_TOO_FEW` naming what is wrong with those that do not count; whatever `verify` throws.
 */
export function requireShares(
  digests: readonly string[],
  progress: ReleaseProgress,
  turn: { readonly frame: RequestFrame; readonly now: Date; readonly verify: VerifyStatement },
): void {
  const { held, refused, releasable } = sortShares(digests, progress, turn)
  if (releasable.length > 0) return
  const reasons = refused.map((share) => `${share.party} ${share.problem}`).join(', ')
  const need = turn.frame.roster.vault.threshold
  throw new EscrowError(
    'SHARES_TOO_FEW',
    `expected shares of ${need} approving custodians, got ${held.length}${reasons && ` (${reasons})`}`,
  )
}

/**
 * Whether delivered shares may stay with the relay. Where not, whoever stores them removes them in the same transaction: a withdrawal,
 * a lost quorum or an expiry leaves nothing behind that could be passed on later.
 */
export function keepsShares(state: ReleaseState): boolean {
  if (state.name === 'held') return state.resume.name === 'releasing'
  return state.name === 'releasing' || state.name === 'released'
}

type VerifiedShare = VerifiedStatement & { readonly statement: StatementOf<'share-release'> }

interface ShareRules {
  readonly frame: RequestFrame
  readonly approving: ReadonlySet<string>
  readonly accepted: ReadonlyMap<string, VerifiedShare>
}

function problemOf(verified: VerifiedStatement, rules: ShareRules): ShareProblem | null {
  if (!isShareRelease(verified)) return 'other-statement'
  const { signer, statement } = verified
  const { frame, approving, accepted } = rules
  const here = statement.origin === frame.origin && statement.agreement === frame.agreement && statement.epoch === frame.epoch
  if (!here || statement.requestDigest !== frame.digest) return 'other-request'
  const holder = frame.roster.vault.custodians.find((custodian) => custodian.index === statement.index)
  if (holder?.party !== signer || statement.party !== signer) return 'not-the-holder'
  if (!approving.has(signer)) return 'not-approved'
  const recipients = statement.sealedShares.map((share) => share.recipient).sort()
  if (recipients.join(' ') !== [...frame.recipients].sort().join(' ')) return 'recipients-differ'
  if (!statement.sealedShares.every((share) => looksSealed(share.file))) return 'no-age-file'
  const others = [...accepted.values()].filter((other) => other.signer !== signer)
  const copied = others.some((other) => statement.sealedShares.some((share) => filesOf(other).has(share.file)))
  return copied ? 'copied' : null
}

function filesOf(share: VerifiedShare): ReadonlySet<string> {
  return new Set(share.statement.sealedShares.map((sealed) => sealed.file))
}

function isShareRelease(verified: VerifiedStatement): verified is VerifiedShare {
  return verified.statement.type === 'escrow/statement/share-release/v1'
}

/** One native stanza and a MAC line (c2sp.org/age); attacker-controlled, so nothing beyond the frame of the header is read. */
function looksSealed(file: string): boolean {
  const head = Buffer.from(file, 'base64').subarray(0, envelopeHeaderBytesMax).toString('latin1')
  const header = /^age-encryption\.org\/v1\n-> X25519 [A-Za-z0-9+/]{43}\n[A-Za-z0-9+/]{43}\n--- [A-Za-z0-9+/]{43}\n/.exec(head)
  // After the header: a nonce of 16 bytes and at least one chunk with its tag of 16 bytes.
  return header !== null && Buffer.from(file, 'base64').byteLength > header[0].length + 32
}

/** Accounts of every person whose approval stands; a person with two accounts may deliver from either. */
function approversOf(
  progress: ReleaseProgress,
  turn: { readonly frame: RequestFrame; readonly now: Date; readonly verify: VerifyStatement },
): ReadonlySet<string> {
  const at = progress.state.name === 'releasing' || progress.state.name === 'released' ? new Date(progress.state.since) : turn.now
  const { bodies } = tallyVotes(progress, turn.frame, { at, verify: turn.verify })
  const approving = new Set(bodies.find((body) => body.body === custodianBody)?.approvals)
  const persons = personsOf(turn.frame.roster.parties)
  return new Set([...persons].filter(([, person]) => approving.has(person)).map(([party]) => party))
}

/** Two shares of one person are one custodian's: t means t people. */
function mayPassOn(held: readonly HeldShare[], state: ReleaseState, frame: RequestFrame): boolean {
  if (state.name !== 'releasing' && state.name !== 'released') return false
  const persons = personsOf(frame.roster.parties)
  return new Set(held.map((share) => persons.get(share.party))).size >= frame.roster.vault.threshold
}
