// The documents that a case rests on, as they came with it: each is what the signed statement says, or it is not shown.
import { join } from 'node:path'
import { EscrowError } from '../../../core/errors.js'
import { evidenceBytesMax } from '../../../core/limits.js'
import { sha256Hex } from '../../../crypto/digest.js'
import { evidenceOf, type Evidence } from '../../../format/statement.js'
import type { VerifiedStatement } from '../../../release/rules/quorum.js'
import { exists, readNamedFile } from '../../files.js'

/** A document that a party has signed for. */
export interface CaseEvidence extends Evidence {
  /** Whose statement names it. */
  readonly signer: string
  /** Digest of that statement. */
  readonly statement: string
  /** Where its verified bytes lie; null when they did not come with the case. */
  readonly path: string | null
}

/**
 * Look for the evidence of verified statements in a case.
 *
 * @param folder - the case; attacker-controlled.
 * @returns in the order of the statements; a document that is named twice is there twice.
 * @throws EscrowError `DIGEST_MISMATCH` when a file is not the document that was signed for: the case was tampered with
 */
export async function readEvidenceFiles(folder: string, statements: readonly VerifiedStatement[]): Promise<readonly CaseEvidence[]> {
  const found: CaseEvidence[] = []
  for (const { statement, digest, signer } of statements) {
    for (const named of evidenceOf(statement)) {
      const path = join(folder, 'evidence', named.sha256)
      const here = await exists(path)
      if (here) await requireSame(path, named)
      found.push({ ...named, signer, statement: digest, path: here ? path : null })
    }
  }
  return found
}

/**
 * Refuse to judge a case without having its evidence at hand.
 *
 * @throws EscrowError `EVIDENCE_MISSING` naming the first document that is not there
 */
export function requireEvidence(evidence: readonly CaseEvidence[]): void {
  const missing = evidence.find(({ path }) => path === null)
  if (missing === undefined) return
  throw new EscrowError(
    'EVIDENCE_MISSING',
    `expected the document ${JSON.stringify(missing.title)} of ${missing.signer} with the case, got only its digest ${missing.sha256}`,
  )
}

async function requireSame(path: string, named: Evidence): Promise<void> {
  const bytes = await readNamedFile(path, evidenceBytesMax)
  const sha256 = sha256Hex(bytes)
  if (sha256 === named.sha256 && bytes.byteLength === named.sizeBytes) return
  throw new EscrowError(
    'DIGEST_MISMATCH',
    `${path}: expected the document ${JSON.stringify(named.title)} that was signed for, got ${sha256}`,
  )
}
