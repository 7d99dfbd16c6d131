import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { evidenceFilesMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { checkFiles, peekIndex } from '../../evidence/check-files.js'
import { renderReport } from '../../evidence/render-report.js'
import { readVerifierPage } from '../../evidence/verifier-page.js'
import { verifyEvidence } from '../../evidence/verify-evidence.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import type { CommandContext, CommandResult } from '../command.js'
import { factsOfEvidence, linesOfEvidence } from '../evidence-lines.js'
import { fileFault, writeNamedFile } from '../files.js'
import { openArchive } from '../open-archive.js'
import { formatCount } from '../terminal.js'
import { seenCheckpoint, tagSecretOf, type AttestationOptions } from './verify-attestation-file.js'

interface EvidenceOptions extends AttestationOptions {
  readonly path: string
  readonly pinned: SignedAgreement | null
  readonly report?: string
}

/**
 * Verify a folder of evidence, offline: what its files say, and that they are those that were handed over.
 *
 * @returns exit code 3 when something does not hold.
 * @throws EscrowError `OBJECT_MISSING`, `CHECKPOINT_INVALID`, `PROOF_INVALID` when there is no log to compare with; `FILE_UNREADABLE`, `STORE_*`
 */
export async function verifyEvidenceFolder(context: CommandContext, options: EvidenceOptions): Promise<CommandResult> {
  const { signal } = context
  const { path, pinned } = options
  const names = await namesBelow(path)
  const digests = new Map<string, string>()
  const reader = openArchive(path, (key, bytes) => {
    digests.set(key, sha256Hex(bytes))
    context.progress({ phase: 'reading', done: digests.size, total: names.length, unit: 'files' })
  })
  const now = new SystemClock().now()
  const { agreementId, collectedAt, madeBy } = await peekIndex(reader, signal)
  if (pinned !== null && pinned.body.agreement !== agreementId)
    throw new EscrowError('AGREEMENT_DIGEST', `expected evidence of ${pinned.body.agreement}, got evidence of ${agreementId}`)
  const seen = pinned === null ? [] : await Promise.all((options.seen ?? []).map((one) => seenCheckpoint(one, pinned)))
  const tagSecret = (agreement: SignedAgreement) => tagSecretOf(agreement, options)
  const wish = { pinned, tagSecret, collectedAt: new Date(collectedAt), seen }
  const verified = await verifyEvidence(reader, agreementId, wish, signal)
  const checked = await checkFiles(reader, { names, digests, verified, verifierPage: await readVerifierPage(), now }, signal)
  const whole = { ...verified, problems: [...verified.problems, ...checked.problems] }
  if (options.report !== undefined)
    await writeNamedFile(options.report, renderReport(whole, { collectedAt: new Date(collectedAt), madeBy }), { replace: false })
  return {
    json: { ...factsOfEvidence(whole), files: checked.files, collectedAt, notes: checked.notes },
    lines: [
      `evidence of ${agreementId}, collected ${collectedAt}, ${formatCount(checked.files)} files`,
      ...linesOfEvidence(whole),
      ...checked.notes.map((note) => `note: ${note}`),
      ...(options.report === undefined ? [] : [`the report of what was verified is in ${options.report}`]),
    ],
    exitCode: whole.problems.length === 0 ? 0 : 3,
  }
}

/** Every file below a folder, with slashes; links and devices too, for nothing of the kind belongs there. */
async function namesBelow(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    if (entries.length > 2 * evidenceFilesMax)
      throw new EscrowError('FORMAT_INVALID', `expected at most ${evidenceFilesMax} files, got ${entries.length}`)
    const files = entries.filter((entry) => !entry.isDirectory())
    return files.map((entry) => relative(path, join(entry.parentPath, entry.name)).replaceAll('\\', '/')).sort()
  } catch (error) {
    throw error instanceof EscrowError ? error : fileFault(path, error)
  }
}
