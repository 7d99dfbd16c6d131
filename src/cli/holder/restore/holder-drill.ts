// Rehearsals at a party: a vote that can release nothing, and a restore that is measured.
import { resolve } from 'node:path'
import { SystemClock } from '../../../core/environment.js'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { fingerprintWords } from '../../../crypto/fingerprint-words.js'
import { AnySummons, type DrillSummons, type RestoreSummons } from '../../../format/drill.js'
import { keysOf, openAgreement, type SignedAgreement } from '../../../format/signed-agreement.js'
import { openDocument } from '../../../format/signed-document.js'
import { listLocalRefs } from '../../../git/restore-repository.js'
import { trustAgreement } from '../../../store/archive-agreement.js'
import { newestOpenable, readHistory } from '../../../store/source-history.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile } from '../../files.js'
import { open } from './holder-open.js'
import { openNamedArchive } from '../../open-archive.js'
import { openSigner, signedResult, writeStatement } from '../../party/sign-statement.js'

interface SigningOptions {
  readonly as: string
  readonly agreement: string
  readonly out: string
}

/** Answer an approval drill. @throws EscrowError `SIGNATURE_INVALID`, `STATEMENT_INVALID`, `STATEMENT_EXPIRED` */
export async function voteInDrill(
  _context: CommandContext,
  options: SigningOptions & { readonly refuse: boolean; readonly reason: string },
  path: string,
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const { summons, digest } = await openSummons(path, signer.agreement)
  if (summons.type !== 'escrow/approval-drill/v1') throw new EscrowError('STATEMENT_INVALID', 'expected the summons to an approval drill')
  const { agreement, epoch, recipients } = summons
  const { reason, out } = options
  const name = options.refuse ? ('refusal' as const) : ('approval' as const)
  const signed = options.refuse
    ? await writeStatement(signer, { name: 'refusal', epoch, out }, { covers: [{ requestDigest: digest, agreement }], reason })
    : await writeStatement(
        signer,
        { name: 'approval', epoch, out },
        { covers: [{ requestDigest: digest, agreement, epoch, recipients }], reason },
      )
  const result = signedResult(name, signer, signed, out)
  return { ...result, lines: [...linesOfDrill(summons, signer.agreement), ...result.lines] }
}

function linesOfDrill({ condition, endsAt, recipients }: DrillSummons, { body }: SignedAgreement): readonly string[] {
  return columns([
    ['DRILL', 'this vote releases nothing'],
    ['agreement', body.title],
    ['condition', condition],
    ['until', endsAt],
    ...recipients.map((recipient): [string, string] => ['for', fingerprintWords(recipient)]),
  ])
}

interface RestoreOptions extends SigningOptions {
  readonly rehearsal: string
  readonly from: string
  readonly to: string
  readonly share: readonly string[]
}

/**
 * Restore the canary of a rehearsal, measure how long it took and how old the newest real deposit is, and sign what came of it. Also a
 * failure is signed: whoever hides one rehearses nothing.
 *
 * @throws EscrowError `SIGNATURE_INVALID`, `STATEMENT_*`, `AGREEMENT_DIGEST`; then nothing is signed
 */
export async function restoreInDrill(context: CommandContext, options: RestoreOptions, path: string): Promise<CommandResult> {
  const clock = new SystemClock()
  const startedAt = clock.now().toISOString()
  const signer = await openSigner(options)
  const { summons, digest } = await openSummons(path, signer.agreement)
  if (summons.type !== 'escrow/restore-drill/v1') throw new EscrowError('STATEMENT_INVALID', 'expected the summons to a restore drill')
  const rehearsal = openAgreement(await readNamedFile(options.rehearsal, signedDocumentBytesMax))
  if (rehearsal.digest !== summons.rehearsal) {
    throw new EscrowError('AGREEMENT_DIGEST', `expected the rehearsal ${summons.rehearsal}, got ${rehearsal.digest}`)
  }
  const restored = await restore(context, options, summons)
  const verifiedAt = restored.found === null ? null : clock.now().toISOString()
  const takenAt = await newestDeposit(options.from, signer.agreement, context.signal)
  const matter = { drill: digest, startedAt, verifiedAt, takenAt, canaryFound: restored.found === true, fault: restored.fault }
  const epoch = signer.agreement.body.vault.epochs[0]?.epoch ?? 1
  const signed = await writeStatement(signer, { name: 'drill-result', epoch, out: options.out }, matter)
  const result = signedResult('drill-result', signer, signed, options.out)
  const passed = restored.found === true && takenAt !== null
  const lines = columns([
    ['canary', restored.found === true ? 'restored' : `NOT restored${restored.fault === null ? '' : `: ${restored.fault}`}`],
    ['started', startedAt],
    ['verified', verifiedAt ?? 'never'],
    ['newest deposit', takenAt ?? 'none that verifies'],
  ])
  return { json: { ...matter, file: options.out }, lines: [...lines, ...result.lines], exitCode: passed ? 0 : 3 }
}

/** `found` null: the repository never came. A fault of this machine is none of the deposit. */
async function restore(
  context: CommandContext,
  { as, rehearsal, from, to, share }: RestoreOptions,
  { source, canary }: RestoreSummons,
): Promise<{ readonly found: boolean | null; readonly fault: string | null }> {
  try {
    await open(context, { as, agreement: rehearsal, from, to, source, share })
    const refs = await listLocalRefs(resolve(to), {}, context.signal)
    return { found: refs.some(({ oid }) => oid === canary), fault: null }
  } catch (error) {
    if (!isEscrowError(error)) throw error
    const ours = /^(?:SCRATCH|GIT|FILE|FOLDER|KEY)_/.test(error.code)
    return { found: null, fault: ours ? `${error.message} [${error.code}]` : null }
  }
}

/** How old a release would find the worst-kept source: the oldest of the newest deposits. @returns null when a source has none */
async function newestDeposit(from: string, pinned: SignedAgreement, signal: AbortSignal): Promise<string | null> {
  const reader = await openNamedArchive(from)
  const taken: string[] = []
  for (const { source } of pinned.body.sources) {
    const tree = await reader.tree(pinned.body.agreement, source, signal)
    const folders = tree.sources.get(source)
    if (folders === undefined) return null
    const { agreement: trusted } = await trustAgreement(reader, tree, pinned, signal)
    const newest = newestOpenable(await readHistory(reader, { source, folders, trusted, now: new SystemClock().now() }, signal))
    if (newest === null) return null
    taken.push(newest.manifest.takenAt)
  }
  return taken.sort()[0] ?? null
}

async function openSummons(
  path: string,
  { body, digest }: SignedAgreement,
): Promise<{ readonly summons: AnySummons; readonly digest: string }> {
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  const opened = openDocument(bytes, { schema: AnySummons, keys: keysOf(body, 'agent'), what: 'summons' })
  const { origin, agreement, endsAt } = opened.body
  if (agreement !== digest || origin !== body.origin) {
    throw new EscrowError('AGREEMENT_DIGEST', `expected a summons under the agreement you pinned, ${digest}, got one under ${agreement}`)
  }
  if (new SystemClock().now().toISOString() >= endsAt)
    throw new EscrowError('STATEMENT_EXPIRED', `expected a drill under way, got one that ended ${endsAt}`)
  if (opened.body.type === 'escrow/approval-drill/v1') requirePinned(opened.body, body.parties)
  return { summons: opened.body, digest: opened.digest }
}

function requirePinned({ recipients }: DrillSummons, parties: SignedAgreement['body']['parties']): void {
  const pinned = parties.flatMap((party) => (party.role === 'beneficiary' ? [party.recipient, party.recoveryRecipient] : []))
  const stranger = recipients.find((recipient) => !pinned.includes(recipient))
  if (stranger !== undefined) throw new EscrowError('STATEMENT_INVALID', `expected recipients that the agreement pins, got ${stranger}`)
}
