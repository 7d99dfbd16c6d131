// The custodian's client. It shows and signs only what it has verified itself, from a case folder and the agreement pinned at arming.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../../core/environment.js'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { encodeBase64 } from '../../../crypto/base64.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import { encodeReleasedShare } from '../../../format/share.js'
import { epochOf } from '../../../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { exists } from '../../files.js'
import { jsonOf, linesOf, recipientLines } from './holder-case-lines.js'
import { openCase, openPinned, pinnedFor, requireNothingHidden, type OpenedCase } from './holder-case.js'
import { loggedState, requireQuorum, requireReleasing } from './holder-case-votes.js'
import { requireEvidence } from './holder-evidence.js'
import { firstSeen, openOutage, requireHeard } from './holder-outage.js'
import { openShares } from '../agreement/holder-vault.js'
import { openPartyFolder } from '../../party/party-folder.js'
import { requirePinned } from '../../party/pinned-agreements.js'
import { openSigner, signedResult, writeStatement } from '../../party/sign-statement.js'

/** List the cases in a mailbox folder, each verified; what does not verify is named with its reason, and the exit code is 3. */
export async function inbox(
  _context: CommandContext,
  options: { readonly agreement: readonly string[] },
  folder: string,
): Promise<CommandResult> {
  const pinned = await openPinned(options.agreement)
  const rows: [string, string][] = []
  let refused = 0
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name)
    if (!(await exists(join(path, 'request.json')))) continue
    try {
      const one = await openCase(path, await pinnedFor(path, pinned), { now: null })
      const { state, since } = loggedState(one)
      rows.push([name, `${state} since ${since}; ${one.request.statement.condition}, asked by ${one.request.signer}`])
    } catch (error) {
      if (!isEscrowError(error)) throw error
      refused += 1
      rows.push([name, `DO NOT SIGN: ${error.message} [${error.code}]`])
    }
  }
  const lines = rows.length === 0 ? [`no case lies in ${folder}`] : columns(rows)
  return {
    json: { cases: rows.map(([name, words]) => ({ name, words })), refused },
    lines,
    ...(refused > 0 ? { exitCode: 3 as const } : {}),
  }
}

/** Show one case: who, what, why, evidence, clocks, votes, and the beneficiary's key in words. Exit 3 when the log hides what you heard. */
export async function show(
  _context: CommandContext,
  options: { readonly agreement: readonly string[]; readonly heard?: readonly string[] },
  folder: string,
): Promise<CommandResult> {
  const now = new SystemClock().now()
  const pinned = await pinnedFor(folder, await openPinned(options.agreement))
  const one = await openCase(folder, pinned, { now: null, heard: options.heard })
  return { json: jsonOf(one, now), lines: linesOf(one, now), ...(one.hidden.length > 0 ? { exitCode: 3 as const } : {}) }
}

interface VoteOptions {
  readonly as: string
  readonly agreement: readonly string[]
  readonly reason: string
  readonly out: string
  readonly heard?: readonly string[]
  readonly unseenEvidence?: boolean
  readonly outage?: readonly string[]
}

/**
 * Approve every case given, with one statement.
 *
 * @throws EscrowError whatever does not verify or match; `STATEMENT_HIDDEN` when the log does not show what this party heard itself;
 *   `EVIDENCE_MISSING` unless it wants to judge without. Nothing is signed then
 */
export async function approve(_context: CommandContext, options: VoteOptions, ...folders: string[]): Promise<CommandResult> {
  const { signer, cases, now } = await openCases(options, folders)
  for (const one of cases) {
    requireNothingHidden(one)
    if (one.unlogged) await requireTurn(one, options.as, now)
    const judged = one.evidence.filter(
      ({ statement }) => statement === one.frame.digest || one.orders.some(({ digest }) => digest === statement),
    )
    if (options.unseenEvidence !== true) requireEvidence(judged)
  }
  const covers = cases.map(({ frame }) => ({
    requestDigest: frame.digest,
    agreement: frame.agreement,
    epoch: frame.epoch,
    recipients: [...frame.recipients],
  }))
  const wish = { name: 'approval' as const, epoch: cases[0]?.frame.epoch ?? 1, out: options.out }
  const digest = await writeStatement(signer, wish, { covers, reason: options.reason })
  const result = signedResult('approval', signer, digest, options.out)
  return { ...result, lines: [...cases.flatMap((one) => linesOf(one, now)), ...result.lines] }
}

/** Refuse every case given, with one statement. @throws EscrowError as `approve` */
export async function refuse(_context: CommandContext, options: VoteOptions, ...folders: string[]): Promise<CommandResult> {
  const { signer, cases } = await openCases(options, folders)
  const covers = cases.map(({ frame }) => ({ requestDigest: frame.digest, agreement: frame.agreement }))
  const wish = { name: 'refusal' as const, epoch: cases[0]?.frame.epoch ?? 1, out: options.out }
  const digest = await writeStatement(signer, wish, { covers, reason: options.reason })
  return signedResult('refusal', signer, digest, options.out)
}

async function openCases(options: VoteOptions, folders: readonly string[]) {
  const pinned = await openPinned(options.agreement)
  const now = new SystemClock().now()
  const cases: OpenedCase[] = []
  for (const folder of folders) {
    const agreement = await pinnedFor(folder, pinned)
    cases.push(await openCase(folder, agreement, { now, heard: options.heard, unlogged: options.outage !== undefined }))
  }
  for (const one of cases) await requireOutage(one, options.outage, now)
  const [first] = cases
  if (first === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected at least one case')
  for (const { agreement } of cases) await requirePinned(options.as, agreement)
  return { signer: { party: await openPartyFolder(options.as), agreement: first.agreement }, cases, now }
}

/**
 * Seal this custodian's share anew to the pinned recipients of a request, once the log shows the approvals and the cooling-off is over.
 *
 * @throws EscrowError `REQUEST_STATE` before that; `SHARE_INVALID`; whatever does not verify; nothing is written then
 */
export async function releaseShareFor(
  _context: CommandContext,
  options: {
    readonly as: string
    readonly agreement: string
    readonly share: string
    readonly out: string
    readonly heard?: readonly string[]
    readonly outage?: readonly string[]
  },
  folder: string,
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const now = new SystemClock().now()
  const one = await openCase(folder, signer.agreement, { now: null, heard: options.heard, unlogged: options.outage !== undefined })
  requireNothingHidden(one)
  await requireOutage(one, options.outage, now)
  if (one.unlogged) {
    await requireTurn(one, options.as, now)
    requireQuorum(one, now)
  } else requireReleasing(one, now)
  const epoch = epochOf(signer.agreement.body, one.frame.epoch)
  const [share] = await openShares(signer.agreement, signer.party, [options.share])
  if (share?.epoch.epoch !== epoch.epoch) throw new EscrowError('SHARE_INVALID', `expected a share of epoch ${epoch.epoch}`)
  const plain = encodeReleasedShare(share.text)
  const sealedShares = one.frame.recipients.map((recipient) => ({
    recipient,
    file: encodeBase64(sealBytes(plain, [recipient], new SystemEntropy())),
  }))
  plain.fill(0)
  const matter = { requestDigest: one.frame.digest, index: share.text.index, sealedShares }
  const digest = await writeStatement(signer, { name: 'share-release', epoch: epoch.epoch, out: options.out }, matter)
  const result = signedResult('share-release', signer, digest, options.out)
  return { ...result, lines: [...recipientLines(one), ...result.lines] }
}

/** Without a log: only as long as witnesses attest that it is silent, for as long as the condition says. */
async function requireOutage(one: OpenedCase, files: readonly string[] | undefined, now: Date): Promise<void> {
  if (files === undefined) return
  await openOutage(files, one.agreement, { days: one.frame.terms.clocks.logUnavailableDays, now })
}

/** The depositor has had its time since this party first saw the request. */
async function requireTurn(one: OpenedCase, folder: string, now: Date): Promise<void> {
  const seen = await firstSeen(folder, one.frame.digest, now)
  requireHeard({ frame: one.frame, statements: [...one.orders, ...one.statements] }, { seen, now })
}
