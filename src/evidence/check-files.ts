// Whether the files of an evidence folder are those that the agent handed over: none altered, none missing, none added. The agent's signature is
// under the list; what the files say is verified elsewhere (verify-evidence.ts), so that a list signed by a dishonest agent hides nothing.
import { createHash } from 'node:crypto'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { evidencePageBytesMax, evidenceSumsBytesMax, signedDocumentBytesMax, statementClockSkewMs } from '../core/limits.js'
import { encodeBase64 } from '../crypto/base64.js'
import { sha256Hex } from '../crypto/digest.js'
import { EvidenceIndex, parseSums } from '../format/evidence.js'
import { keysOf, type SignedAgreement } from '../format/signed-agreement.js'
import { openDocument, readUnverified } from '../format/signed-document.js'
import type { ArchiveProblem } from '../store/archive-agreement.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { parseObjectKey, type ObjectKey } from '../store/object-key.js'
import { evidenceKeys, evidenceNames } from './evidence-files.js'
import { renderReport, reportEdition } from './render-report.js'
import type { VerifiedEvidence } from './verify-evidence.js'

/** What the index says, before its signature is verified: which agreement, and when it was collected. @throws EscrowError `OBJECT_MISSING`, `FORMAT_INVALID` */
export async function peekIndex(reader: ArchiveReader, signal: AbortSignal): Promise<EvidenceIndex> {
  return readUnverified(await reader.read(evidenceNames.index, signedDocumentBytesMax, signal), EvidenceIndex, 'evidence.json')
}

/** What is compared. */
export interface EvidenceFiles {
  /** Every file of the folder, whatever its name. */
  readonly names: readonly string[]
  /** Digests of files that were read already, by name: they are not read again. */
  readonly digests: ReadonlyMap<string, string>
  readonly verified: VerifiedEvidence
  /** The page that this program would put into a folder as `verify.html`. */
  readonly verifierPage: Uint8Array
  readonly now: Date
}

/** What the comparison came to. */
export interface CheckedFiles {
  readonly files: number
  readonly problems: readonly ArchiveProblem[]
  /** What a reader should know although nothing is wrong. */
  readonly notes: readonly string[]
}

/**
 * Compare a folder with its signed list.
 *
 * @throws EscrowError `STORE_*`
 */
export async function checkFiles(reader: ArchiveReader, of: EvidenceFiles, signal: AbortSignal): Promise<CheckedFiles> {
  const problems: ArchiveProblem[] = []
  const attempt = async (where: string, work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      if (!isEscrowError(error) || error.code.startsWith('STORE_')) throw error
      problems.push({ error, where })
    }
  }
  const agreement = of.verified.documents.trusted.newest
  let sums: ReadonlyMap<string, string> = new Map()
  let index: EvidenceIndex | null = null
  await attempt(evidenceNames.index, async () => {
    index = openIndex(await reader.read(evidenceNames.index, signedDocumentBytesMax, signal), of.verified, of.now)
  })
  await attempt(evidenceNames.sums, async () => {
    const bytes = await reader.read(evidenceNames.sums, evidenceSumsBytesMax, signal)
    sums = parseSums(bytes)
    requireListed(index, sums, sha256Hex(bytes))
  })
  for (const name of of.names) {
    if (name === evidenceNames.index || name === evidenceNames.sums || sums.has(name)) continue
    problems.push({ error: new EscrowError('FILE_UNEXPECTED', 'expected only files that SHA256SUMS names'), where: name })
  }
  for (const [name, expected] of sums) {
    await attempt(name, async () => {
      const got = of.digests.get(name) ?? (await digestOf(reader, parseObjectKey(name), signal))
      if (got !== expected) throw new EscrowError('DIGEST_MISMATCH', `expected the digest ${expected}, got ${got}`)
    })
  }
  const notes: string[] = []
  await attempt(evidenceNames.keys, async () =>
    requireKeys(await reader.read(evidenceNames.keys, signedDocumentBytesMax, signal), agreement),
  )
  await attempt(evidenceNames.report, async () => {
    if (index === null) return
    const note = compareReport(await reader.read(evidenceNames.report, evidencePageBytesMax, signal), of.verified, index)
    if (note !== null) notes.push(note)
  })
  if (of.names.includes(evidenceNames.verifier) && sums.get(evidenceNames.verifier) !== sha256Hex(of.verifierPage))
    notes.push('verify.html is not the page of this version of the program: do not rely on it')
  return { files: of.names.length, problems, notes }
}

/** @throws EscrowError `SIGNATURE_INVALID`, `FORMAT_INVALID`, `AGREEMENT_DIGEST`, `PROOF_INVALID`, `STATEMENT_INVALID` */
function openIndex(bytes: Uint8Array, { documents, checkpoint }: VerifiedEvidence, now: Date): EvidenceIndex {
  const { body, digest } = documents.trusted.newest
  const { body: index } = openDocument(bytes, { schema: EvidenceIndex, keys: keysOf(body, 'agent'), what: 'evidence.json' })
  if (index.agreement !== digest || index.agreementId !== body.agreement || index.origin !== body.origin)
    throw new EscrowError('AGREEMENT_DIGEST', `evidence.json: expected one for agreement ${digest}, got one for ${index.agreement}`)
  const { origin, size, root } = index.log
  if (origin !== checkpoint.origin || size !== checkpoint.size || root !== encodeBase64(checkpoint.root))
    throw new EscrowError('PROOF_INVALID', `evidence.json: expected the checkpoint of ${checkpoint.size} leaves, got one of ${size}`)
  if (Date.parse(index.collectedAt) > now.getTime() + statementClockSkewMs)
    throw new EscrowError('STATEMENT_INVALID', `evidence.json: expected a date that is not in the future, got ${index.collectedAt}`)
  return index
}

function requireListed(index: EvidenceIndex | null, sums: ReadonlyMap<string, string>, digest: string): void {
  if (index === null) return
  if (digest !== index.sums)
    throw new EscrowError('DIGEST_MISMATCH', `expected the digest ${index.sums} that evidence.json has, got ${digest}`)
  if (sums.size !== index.files) throw new EscrowError('FORMAT_INVALID', `expected ${index.files} files, got ${sums.size}`)
  for (const name of [evidenceNames.index, evidenceNames.sums])
    if (sums.has(name)) throw new EscrowError('FORMAT_INVALID', `expected no line for ${name}`)
}

function requireKeys(bytes: Uint8Array, agreement: SignedAgreement): void {
  if (Buffer.compare(bytes, evidenceKeys(agreement)) === 0) return
  throw new EscrowError('DIGEST_MISMATCH', 'expected the keys of the agreement, got others')
}

/** The report is made again from what was verified. @returns words where another version made it and it cannot be compared. */
function compareReport(bytes: Uint8Array, verified: VerifiedEvidence, index: EvidenceIndex): string | null {
  const own = renderReport(verified, { collectedAt: new Date(index.collectedAt), madeBy: index.madeBy })
  if (Buffer.compare(bytes, Buffer.from(own)) === 0) return null
  if (index.reportEdition === reportEdition)
    throw new EscrowError('DIGEST_MISMATCH', 'the report is not the one that the verified documents give')
  return 'the report was laid out by another version and was not compared: make your own with --report'
}

async function digestOf(reader: ArchiveReader, key: ObjectKey, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of reader.store.get(key, {}, signal)) hash.update(block)
  return hash.digest('hex')
}
