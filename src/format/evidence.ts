/**
 * What makes a folder one of evidence: `SHA256SUMS` names every file in it, and `evidence.json` is the agent's signature under that list.
 * docs/formats/evidence.md says what lies in the folder and how to verify it.
 */
import { z } from 'zod'
import { evidenceFilesMax } from '../core/limits.js'
import { EscrowError } from '../core/errors.js'
import { AgreementId, Instant, SafeCount, Sha256Hex } from './ids.js'

/** What the agent signs. */
export const EvidenceIndex = z.strictObject({
  type: z.literal('escrow/evidence/v1'),
  /** The service, as statements name it. */
  origin: z.string().min(1).max(200),
  agreementId: AgreementId,
  /** Digest of the agreement's newest version: with its keys everything here is verified. */
  agreement: Sha256Hex,
  /** Nothing that happened later is in the folder. */
  collectedAt: Instant,
  /** The checkpoint that everything leads to. */
  log: z.strictObject({ origin: z.string().min(1).max(200), size: SafeCount, root: z.string().length(44) }),
  /** Files that `SHA256SUMS` names. */
  files: z.number().int().min(1).max(evidenceFilesMax),
  /** SHA-256 of `SHA256SUMS`. */
  sums: Sha256Hex,
  /** The program that made the folder. */
  madeBy: z.string().regex(/^[a-z0-9][a-z0-9 .+-]{0,99}$/),
  /** How `report.html` is laid out: a verifier that lays it out in the same way makes it again and compares. */
  reportEdition: z.number().int().min(1).max(1_000_000),
})
export type EvidenceIndex = z.infer<typeof EvidenceIndex>

/** A digest in hex, two spaces, and a name of the archive's alphabet: what `sha256sum -c` reads. */
const linePattern = /^([0-9a-f]{64}) {2}((?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)$/
const nameBytesMax = 900

/**
 * The text of `SHA256SUMS`.
 *
 * @param digests - SHA-256 in hex by file name, in any order.
 * @returns one line for each file, in the order of their bytes; `sha256sum -c SHA256SUMS` checks it without us.
 */
export function formatSums(digests: ReadonlyMap<string, string>): string {
  const lines = [...digests].sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, digest]) => `${digest}  ${name}\n`)
  return lines.join('')
}

/**
 * The digests that `SHA256SUMS` has.
 *
 * @param bytes - attacker-controlled, with a size cap applied before.
 * @returns by file name.
 * @throws EscrowError `FORMAT_INVALID` unless it is the one spelling that `formatSums` gives.
 */
export function parseSums(bytes: Uint8Array): ReadonlyMap<string, string> {
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  if (lines.pop() !== '' || lines.length === 0) throw malformed('expected lines that end with a newline')
  if (lines.length > evidenceFilesMax) throw malformed(`expected at most ${evidenceFilesMax} files, got ${lines.length}`)
  const digests = new Map<string, string>()
  let before = ''
  for (const [at, line] of lines.entries()) {
    const [, digest, name = ''] = linePattern.exec(line) ?? []
    if (digest === undefined || name.length > nameBytesMax) throw malformed(`expected a digest and a name in line ${at + 1}`)
    if (name <= before) throw malformed(`expected line ${at + 1} to sort after the one before it`)
    digests.set(name, digest)
    before = name
  }
  return digests
}

function malformed(words: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `SHA256SUMS: ${words}`)
}
