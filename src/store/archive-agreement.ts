// The agreement that everything else in an archive is verified with, in all its versions. An archive proves what it says of itself only to
// somebody who brings the agreement along: without that, whoever wrote the folder may have written the agreement too.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import { checkAgreement } from '../format/check-agreement.js'
import { openAgreement, requireSignatures, sameKey, type SignedAgreement } from '../format/signed-agreement.js'
import { openDocument } from '../format/signed-document.js'
import { Agreement } from '../format/agreement.js'
import { checkVault } from '../crypto/vault-commitments.js'
import type { AgreementTree, ArchiveReader } from './archive-reader.js'
import { objectKeys } from './object-key.js'

/** An agreement that manifests may name. */
export interface TrustedAgreement {
  /** Whether the verifier brought it along; otherwise its digest must be compared with the parties'. */
  readonly pinned: boolean
  /** The newest version. */
  readonly newest: SignedAgreement
  /** By digest. */
  readonly versions: ReadonlyMap<string, SignedAgreement>
}

/** Something in an archive that is not as it must be. */
export interface ArchiveProblem {
  readonly error: EscrowError
  /** Object key, or the like. */
  readonly where: string
}

/**
 * The versions of an agreement that can be trusted: those that the pinned one names as its predecessors, and those after it that its
 * depositor, beneficiaries and agent have signed with the keys of the version before.
 *
 * @param pinned - what the verifier brought along; null takes the archive's own word, first version first.
 * @returns problems name versions in the archive that are not what they must be; they are not among `versions`.
 * @throws EscrowError `NOT_FOUND` when there is no version to begin with; `SIGNATURE_INVALID`, `AGREEMENT_INVALID`, `VAULT_INVALID` for the
 *   pinned one
 */
export async function trustAgreement(
  reader: ArchiveReader,
  tree: AgreementTree,
  pinned: SignedAgreement | null,
  signal?: AbortSignal,
): Promise<{ readonly agreement: TrustedAgreement; readonly problems: readonly ArchiveProblem[] }> {
  if (pinned !== null) requireSound(pinned)
  const problems: ArchiveProblem[] = []
  const held: SignedAgreement[] = []
  for (const version of tree.versions) {
    const where = objectKeys.agreement(tree.agreement, version)
    try {
      const signed = openAgreement(await reader.read(where, signedDocumentBytesMax, signal))
      requireSound(signed)
      if (signed.body.agreement !== tree.agreement || signed.body.version !== version) {
        throw new EscrowError('AGREEMENT_DIGEST', `expected version ${version} of ${tree.agreement}, got another agreement`)
      }
      held.push(signed)
    } catch (error) {
      if (!isEscrowError(error)) throw error
      problems.push({ error, where })
    }
  }
  const first = pinned ?? held[0]
  if (first === undefined) {
    throw new EscrowError('NOT_FOUND', `expected a signed agreement ${tree.agreement} in the archive, got none`, {
      cause: problems[0]?.error,
    })
  }
  const trusted = [...olderThan(first, held), first, ...newerThan(first, held)]
  for (const stranger of held.filter((signed) => !trusted.some((one) => one.digest === signed.digest))) {
    const expected = stranger.body.version === first.body.version ? first.digest : 'one that the parties have agreed on'
    const error = new EscrowError('AGREEMENT_DIGEST', `expected agreement ${expected}, got ${stranger.digest}`)
    problems.push({ error, where: objectKeys.agreement(tree.agreement, stranger.body.version) })
  }
  const newest = trusted.at(-1) ?? first
  return { agreement: { pinned: pinned !== null, newest, versions: new Map(trusted.map((one) => [one.digest, one])) }, problems }
}

/** In force, free of contradictions, and with a vault whose commitments belong to its recipients. */
function requireSound(signed: SignedAgreement): void {
  requireSignatures(signed, { agent: true })
  checkAgreement(signed.body)
  for (const epoch of signed.body.vault.epochs) checkVault(epoch, signed.body.vault.threshold)
}

function olderThan(signed: SignedAgreement, held: readonly SignedAgreement[]): readonly SignedAgreement[] {
  const older: SignedAgreement[] = []
  for (let next = byDigest(held, signed.body.previous); next !== undefined; next = byDigest(held, next.body.previous)) older.unshift(next)
  return older
}

function newerThan(signed: SignedAgreement, held: readonly SignedAgreement[]): readonly SignedAgreement[] {
  const newer: SignedAgreement[] = []
  for (let last = signed; ;) {
    const before = last
    const next = held.find((one) => one.body.previous === before.digest && signedByAllOf(one, before))
    if (next === undefined) return newer
    newer.push(next)
    last = next
  }
}

function byDigest(held: readonly SignedAgreement[], digest: string | null): SignedAgreement | undefined {
  return held.find((signed) => signed.digest === digest)
}

/** Whether those who must sign an agreement have signed its successor with the keys that they had before. */
export function signedByAllOf(next: SignedAgreement, before: SignedAgreement): boolean {
  const signers = before.body.parties.filter((party) => ['depositor', 'beneficiary', 'agent'].includes(party.role))
  try {
    const keys = signers.flatMap((party) => party.keys)
    const { signedBy } = openDocument(next.bytes, { schema: Agreement, keys, what: 'agreement' })
    return signers.every((party) => party.keys.some((key) => signedBy.some((signer) => sameKey(signer, key))))
  } catch (error) {
    if (isEscrowError(error)) return false
    throw error
  }
}
