import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { signedDocumentBytesMax } from '../../core/limits.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../format/signed-agreement.js'
import { verifyReceipt } from '../../format/verify-receipt.js'
import { unexplainedFindings } from '../../store/archived-deposit.js'
import { newestOpenable } from '../../store/source-history.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { exists, fileFault, readNamedFile } from '../files.js'
import { openArchive } from '../open-archive.js'
import { formatBytes, formatCount } from '../terminal.js'
import { evidenceNames } from '../../evidence/evidence-files.js'
import { verifyEvidenceFolder } from './verify-evidence-folder.js'
import { seenCheckpoint, typeOfDocument, verifyAttestationFile, type AttestationOptions } from './verify-attestation-file.js'
import { verifyAgreement, type VerifiedAgreement, type VerifiedSource } from '../../evidence/verify-archive.js'
import { verifyCopiedLog, type CopiedLog } from '../../evidence/verify-copied-log.js'
import type { ArchiveProblem } from '../../store/archive-agreement.js'

interface VerifyOptions extends AttestationOptions {
  readonly agreement?: string
  /** Of an evidence folder: where a report of what was verified is to be written. */
  readonly report?: string
}

/**
 * Verify a copy of the archive, or a single receipt, offline and without any secret.
 *
 * @returns exit code 3 when something does not hold.
 * @throws EscrowError `NOT_FOUND` when the folder is no archive; `FILE_UNREADABLE`, `STORE_*`; what is wrong with a pinned agreement
 */
export async function verifyArchive(context: CommandContext, options: VerifyOptions, path: string): Promise<CommandResult> {
  const pinned = options.agreement === undefined ? null : openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  if (pinned !== null) requireSignatures(pinned, { agent: true })
  const found = await stat(path).catch((error: unknown) => {
    throw fileFault(path, error)
  })
  if (found.isFile()) {
    refuseOptions(options, ['report'], 'a folder of evidence')
    return verifyDocumentFile(path, pinned, options)
  }
  refuseOptions(options, ['leaves'], 'an attestation')
  if (pinned === null) refuseOptions(options, ['seen', 'annex'], '--agreement')
  for (const name of [evidenceNames.index, evidenceNames.sums, evidenceNames.leaves])
    if (await exists(join(path, name))) return verifyEvidenceFolder(context, { ...options, path, pinned })
  refuseOptions(options, ['report', 'annex', 'as'], `a folder of evidence; ${path} has no ${evidenceNames.index}`)
  const reader = openArchive(path)
  const present = await reader.agreements(context.signal)
  const wanted = pinned === null ? present : [pinned.body.agreement]
  if (!wanted.every((id) => present.includes(id)) || wanted.length === 0) throw await noArchive(path, pinned)
  const wish = { pinned, now: new SystemClock().now(), progress: context.progress }
  const agreements: VerifiedAgreement[] = []
  for (const id of wanted) agreements.push(await verifyAgreement(reader, id, wish, context.signal))
  const problems = agreements.flatMap((agreement) => agreement.problems)
  const seen = pinned === null ? [] : await Promise.all((options.seen ?? []).map((one) => seenCheckpoint(one, pinned)))
  const log = await verifyCopiedLog(reader, { agreements, now: wish.now, seen, problems }, context.signal)
  return presentArchive({ agreements, problems, log, passedOver: present.length - wanted.length })
}

/** What is given and would mean nothing here is refused: whoever gives it believes that it was looked at. */
function refuseOptions(options: VerifyOptions, names: readonly (keyof VerifyOptions)[], wanted: string): void {
  for (const name of names) {
    const value = options[name]
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue
    throw new EscrowError('ARGUMENT_INVALID', `expected --${name} with ${wanted}`)
  }
}

async function noArchive(path: string, pinned: SignedAgreement | null): Promise<EscrowError> {
  const deeper = `${path.replace(/\/+$/, '')}/objects`
  const hint = (await exists(`${deeper}/agreements`)) ? `; try ${deeper}` : ''
  const what = pinned === null ? 'an archive' : `agreement ${pinned.body.agreement}`
  return new EscrowError('NOT_FOUND', `expected ${what} in ${path}, got none${hint}`)
}

async function verifyDocumentFile(path: string, pinned: SignedAgreement | null, options: AttestationOptions): Promise<CommandResult> {
  if (pinned === null)
    throw new EscrowError('ARGUMENT_INVALID', 'expected --agreement: a document is verified with the keys that the agreement pins')
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  if (typeOfDocument(bytes) === 'escrow/attestation/v1') return verifyAttestationFile(path, pinned, options)
  refuseOptions(options, ['seen', 'leaves', 'annex', 'as'], 'an attestation; a receipt has no leaves to compare with')
  return verifyReceiptFile(bytes, pinned)
}

function verifyReceiptFile(bytes: Uint8Array, pinned: SignedAgreement): CommandResult {
  const { receipt, checkpoint, degraded } = verifyReceipt(bytes, pinned)
  const { witnessQuorum } = pinned.body.log
  const lines = [
    `the receipt holds for deposit ${receipt.sequence} of ${receipt.source}`,
    ...columns([
      ['manifest', receipt.manifest],
      ['envelope', `${receipt.envelope}; compare it with sha256sum of the .bundle.age`],
      ['in the log', `${receipt.log.origin}, leaf ${receipt.log.index} of ${checkpoint.size}`],
      ['witnessed', `${checkpoint.cosignatures.length} of ${witnessQuorum} demanded${degraded ? '; DEGRADED' : ''}`],
    ]),
  ]
  const { source, sequence, manifest, envelope, log } = receipt
  const proof = { origin: log.origin, index: log.index, size: checkpoint.size, cosignatures: checkpoint.cosignatures.length, witnessQuorum }
  return { json: { receipt: { source, sequence, manifest, envelope }, log: proof, degraded, problems: [] }, lines }
}

interface VerifiedCopy {
  readonly agreements: readonly VerifiedAgreement[]
  readonly problems: readonly ArchiveProblem[]
  readonly log: CopiedLog | null
  readonly passedOver: number
}

function presentArchive({ agreements, problems, log, passedOver }: VerifiedCopy): CommandResult {
  const shown = problems.slice(0, problemsShownMax).map(({ error, where }) => `  ${error.code}  ${where}: ${error.message}`)
  const more = problems.length > shown.length ? [`  and ${formatCount(problems.length - shown.length)} more`] : []
  const verdict = problems.length === 0 ? 'everything that was looked at holds' : `${formatCount(problems.length)} things do not hold:`
  const others = passedOver === 0 ? [] : [`${passedOver} other agreements in the folder were not looked at`]
  const lines = [...agreements.flatMap((agreement) => linesOf(agreement)), logLine(log, problems), ...others, verdict, ...shown, ...more]
  const json = {
    agreements: agreements.map((agreement) => jsonOf(agreement)),
    log: log === null ? null : { origin: log.checkpoint.origin, size: log.checkpoint.size, events: log.events, degraded: log.degraded },
    problems: problems.map(({ error, where }) => ({ code: error.code, where, message: error.message })),
  }
  return { json, lines, exitCode: problems.length === 0 ? 0 : 3 }
}

const problemsShownMax = 200

function logLine(log: CopiedLog | null, problems: readonly ArchiveProblem[]): string {
  if (log !== null) {
    const { origin, size, cosignatures } = log.checkpoint
    const witnessed = log.witnessQuorum === 0 ? `${cosignatures.length}` : `${cosignatures.length} of ${log.witnessQuorum} demanded`
    const words = log.degraded ? '; DEGRADED: others may be shown another log, compare checkpoints with them (--seen)' : ''
    return `log  ${origin}, ${formatCount(size)} leaves, cosigned by ${witnessed}${words}; ${formatCount(log.events)} events of what was looked at`
  }
  if (problems.some(({ error }) => /^(?:TILE|CHECKPOINT|LOG)_/.test(error.code))) return 'log  not to be trusted: see below'
  return 'log  not in this folder: whether its newest deposits are missing cannot be told. `escrow replicate` copies the log too'
}

function linesOf({ trusted, accepted, sources }: VerifiedAgreement): readonly string[] {
  const { body, digest } = trusted.newest
  const rows = columns([
    ['digest', trusted.pinned ? `${digest}, as pinned` : digest],
    ['shares', `${accepted.shares} of ${accepted.expected} accepted by ${body.vault.custodians.length} custodians`],
  ])
  const unpinned = '  NOT PINNED: the folder vouches for itself only. Compare the digest with a party, or give --agreement'
  return [
    `${body.agreement}  ${body.title}`,
    ...rows,
    ...(trusted.pinned ? [] : [unpinned]),
    ...sources.flatMap((source) => sourceLines(source)),
  ]
}

function sourceLines(verified: VerifiedSource): readonly string[] {
  const { history, files, bytes } = verified
  const { published, unpublished, notes, source } = history
  const facts = factsOf(verified)
  const newest = published.at(-1)
  return [
    `  ${source}`,
    ...columns(
      [
        [
          'deposits',
          newest === undefined ? 'none' : `${published.length}, the newest is ${newest.place.sequence} with manifest ${newest.digest}`,
        ],
        ['files', `${formatCount(files)} with ${formatBytes(bytes)}`],
        ['receipts', `${facts.receipts}${facts.degraded > 0 ? `, ${facts.degraded} DEGRADED: fewer witnesses than agreed` : ''}`],
        ...published.flatMap((deposit): [string, string][] => {
          const codes = unexplainedFindings(deposit)
          return codes.length === 0 ? [] : [['unexplained', `deposit ${deposit.place.sequence}: ${codes.join(', ')}`]]
        }),
        ...unpublished.map(({ place, reason }): [string, string] => ['unpublished', `${place.sequence} (${place.kind}): ${reason}`]),
        ...notes.map((note): [string, string] => ['note', note]),
      ],
      '    ',
    ),
  ]
}

function factsOf({ history }: VerifiedSource): { readonly receipts: number; readonly degraded: number; readonly explanations: number } {
  const receipts = history.published.flatMap((deposit) => (deposit.receipt === null ? [] : [deposit.receipt]))
  const explanations = history.published.reduce((sum, deposit) => sum + deposit.explanations.length, 0)
  return { receipts: receipts.length, degraded: receipts.filter((receipt) => receipt.degraded).length, explanations }
}

function jsonOf({ trusted, accepted, sources }: VerifiedAgreement): unknown {
  const { body, digest } = trusted.newest
  return {
    agreement: body.agreement,
    digest,
    pinned: trusted.pinned,
    accepted,
    sources: sources.map((verified) => ({
      source: verified.history.source,
      deposits: verified.history.published.map((deposit) => ({
        sequence: deposit.place.sequence,
        kind: deposit.place.kind,
        manifest: deposit.digest,
        receipt: deposit.receipt?.digest ?? null,
        unexplained: unexplainedFindings(deposit),
      })),
      openable: newestOpenable(verified.history)?.place.sequence ?? null,
      unpublished: verified.history.unpublished.map(({ place, reason }) => ({ sequence: place.sequence, kind: place.kind, reason })),
      notes: verified.history.notes,
      files: verified.files,
      bytes: verified.bytes,
      ...factsOf(verified),
    })),
  }
}
