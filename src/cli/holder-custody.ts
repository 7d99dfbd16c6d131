// The custodian's client. It shows and signs only what it has verified itself, from a case folder and the agreement pinned at arming.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { encodeBase64 } from '../crypto/base64.js'
import { fingerprintWords } from '../crypto/fingerprint-words.js'
import { sealBytes } from '../crypto/seal-envelope.js'
import { encodeReleasedShare } from '../format/share.js'
import { epochOf, partyOf } from '../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { exists } from './files.js'
import { countVotes, loggedState, openCase, openPinned, pinnedFor, requireReleasing, type OpenedCase } from './holder-case.js'
import { openShares } from './holder-vault.js'
import { openPartyFolder } from './party-folder.js'
import { openSigner, signedResult, writeStatement } from './sign-statement.js'

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
      const one = await openCase(path, await pinnedFor(path, pinned), null)
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

/** Show one case: who, what, why, evidence, clocks, votes, and the beneficiary's fingerprint in words. */
export async function show(
  _context: CommandContext,
  options: { readonly agreement: readonly string[] },
  folder: string,
): Promise<CommandResult> {
  const one = await openCase(folder, await pinnedFor(folder, await openPinned(options.agreement)), null)
  return { json: jsonOf(one), lines: linesOf(one) }
}

interface VoteOptions {
  readonly as: string
  readonly agreement: readonly string[]
  readonly reason: string
  readonly out: string
}

/** Approve every case given, with one statement. @throws EscrowError whatever does not verify or match; nothing is signed then */
export async function approve(_context: CommandContext, options: VoteOptions, ...folders: string[]): Promise<CommandResult> {
  const { signer, cases } = await openCases(options, folders)
  const covers = cases.map(({ frame }) => ({
    requestDigest: frame.digest,
    agreement: frame.agreement,
    epoch: frame.epoch,
    recipients: [...frame.recipients],
  }))
  const wish = { name: 'approval' as const, epoch: cases[0]?.frame.epoch ?? 1, out: options.out }
  const digest = await writeStatement(signer, wish, { covers, reason: options.reason })
  const result = signedResult('approval', signer, digest, options.out)
  return { ...result, lines: [...cases.flatMap((one) => linesOf(one)), ...result.lines] }
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
  for (const folder of folders) cases.push(await openCase(folder, await pinnedFor(folder, pinned), now))
  const [first] = cases
  if (first === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected at least one case')
  return { signer: { party: await openPartyFolder(options.as), agreement: first.agreement }, cases }
}

/**
 * Seal this custodian's share anew to the pinned recipients of a request, once the log shows the approvals and the cooling-off is over.
 *
 * @throws EscrowError `REQUEST_STATE` before that; `SHARE_INVALID`; whatever does not verify; nothing is written then
 */
export async function releaseShareFor(
  _context: CommandContext,
  options: { readonly as: string; readonly agreement: string; readonly share: string; readonly out: string },
  folder: string,
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const one = await openCase(folder, signer.agreement, null)
  requireReleasing(one)
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

function linesOf(one: OpenedCase): readonly string[] {
  const { request, frame, orders } = one
  const { statement } = request
  const { state, since } = loggedState(one)
  const tally = countVotes(one, new SystemClock().now())
  return [
    `${statement.request}  ${state} since ${since}`,
    ...columns([
      ['agreement', `${one.agreement.body.title}; the digest is the one you pinned`],
      ['asked by', frame.requesters.map((name) => describeParty(one, name)).join(', ')],
      ['condition', `${frame.terms.condition} (${frame.terms.kind})`],
      ['grounds', statement.grounds],
      ...statement.deposits.map(({ source, sequence }): [string, string] => [
        'deposit',
        `${source}, ${sequence ?? 'the newest that opens'}`,
      ]),
      ...statement.evidence.map(({ title, sha256 }): [string, string] => ['evidence', `${title}  sha256 ${sha256}`]),
      ...orders.map(({ signer }): [string, string] => ['order signed by', describeParty(one, signer)]),
      ...tally.bodies.map((body): [string, string] => [
        body.body,
        `${body.approvals.length} of ${body.need} approve (${body.approvals.join(', ') || 'nobody'}); refused by ${body.refusals.join(', ') || 'nobody'}`,
      ]),
      ['clocks', `approval ${frame.terms.clocks.approvalHours} h, cooling-off ${frame.terms.clocks.coolingOffHours} h; silence is refusal`],
      ['log', `${one.events.length} events, each proven; no gap`],
    ]),
    ...recipientLines(one),
  ]
}

function recipientLines(one: OpenedCase): readonly string[] {
  return one.request.statement.beneficiaries.flatMap(({ party, recipient }) =>
    columns([
      ['goes to', describeParty(one, party)],
      ['key in words', fingerprintWords(recipient)],
    ]),
  )
}

function describeParty(one: OpenedCase, name: string): string {
  const { role, organisation, standing } = partyOf(one.agreement.body, name)
  return `${name}, ${role} (${organisation}, ${standing.country})`
}

function jsonOf(one: OpenedCase) {
  const { request, frame, orders } = one
  const { bodies, verdict } = countVotes(one, new SystemClock().now())
  return {
    request: request.statement.request,
    digest: frame.digest,
    ...loggedState(one),
    condition: frame.terms.condition,
    grounds: request.statement.grounds,
    deposits: request.statement.deposits,
    evidence: request.statement.evidence,
    orders: orders.map(({ digest, signer }) => ({ digest, signer })),
    beneficiaries: request.statement.beneficiaries.map(({ party, recipient }) => ({
      party,
      recipient,
      words: fingerprintWords(recipient),
    })),
    votes: { verdict, bodies },
    events: one.events.length,
  }
}
