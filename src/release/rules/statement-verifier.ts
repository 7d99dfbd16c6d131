/**
 * Signed statements as the state machines want them: by digest, with the party whose pinned key signed. Pure; the same code verifies
 * at the service and in every party's own client. Everything given to it is attacker-controlled but the agreement.
 */
import type { Agreement, Party } from '../../format/agreement.js'
import { parseCanonical } from '../../format/canonical-json.js'
import { parseBody } from '../../format/parse-body.js'
import { openDocument } from '../../format/signed-document.js'
import { sameKey } from '../../format/signed-agreement.js'
import { Statement } from '../../format/statement.js'
import { EscrowError } from '../../core/errors.js'
import { documentBytesMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { keyidOf, parseSignedDocument } from '../../crypto/dsse.js'
import type { VerifiedStatement, VerifyStatement } from './quorum.js'

/** An agreement version with its digest, pinned or in force. */
export interface PinnedAgreement {
  readonly body: Agreement
  readonly digest: string
}

/**
 * What a document claims to be, with nothing verified: to find out which agreement has to verify it, and for nothing else.
 *
 * @throws EscrowError `FORMAT_INVALID`
 */
export function peekStatement(bytes: Uint8Array): { readonly statement: Statement; readonly digest: string } {
  const { payload } = parseSignedDocument(bytes)
  const statement = parseBody(parseCanonical(payload, documentBytesMax), Statement, 'statement')
  return { statement, digest: sha256Hex(payload) }
}

/**
 * Verify one document with the keys that an agreement pins.
 *
 * @returns with the party whose key signed. Where the statement names a party of this agreement whose key signed, that is the signer.
 * @throws EscrowError `FORMAT_INVALID`; `SIGNATURE_INVALID` when no key of the agreement signed it
 */
export function verifyStatement(bytes: Uint8Array, agreement: PinnedAgreement): VerifiedStatement {
  const hints = new Set(parseSignedDocument(bytes).signatures.map((signature) => signature.keyid))
  const parties = (statement: Statement): readonly Party[] => candidatesFor(statement, agreement, hints)
  const opened = openDocument(bytes, {
    schema: Statement,
    keys: (statement: Statement) => parties(statement).flatMap((party) => party.keys),
    what: 'statement',
  })
  const signer = parties(opened.body).find((party) => party.keys.some((key) => opened.signedBy.some((signed) => sameKey(signed, key))))
  if (signer === undefined) throw new EscrowError('SIGNATURE_INVALID', 'statement: expected a signature by a party, got none')
  return { digest: opened.digest, signer: signer.party, statement: opened.body }
}

/**
 * A verifier over documents for one turn. Each verdict is remembered for the turn; never keep the function longer.
 *
 * @param documents - as stored, by the digest under which they were recorded.
 * @returns a function that throws EscrowError `NOT_FOUND`, `STATEMENT_INVALID` when another document lies under a digest, and what
 *   `verifyStatement` throws.
 */
export function verifierOf(agreement: PinnedAgreement, documents: ReadonlyMap<string, Uint8Array>): VerifyStatement {
  const verdicts = new Map<string, VerifiedStatement>()
  return (digest) => {
    const known = verdicts.get(digest)
    if (known !== undefined) return known
    const bytes = documents.get(digest)
    if (bytes === undefined) throw new EscrowError('NOT_FOUND', `no statement ${digest.slice(0, 16)} is here`)
    const verified = verifyStatement(bytes, agreement)
    if (verified.digest !== digest) {
      throw new EscrowError('STATEMENT_INVALID', `expected the statement ${digest.slice(0, 16)}, got ${verified.digest.slice(0, 16)}`)
    }
    verdicts.set(digest, verified)
    return verified
  }
}

/** The named party first; then those whose keys the signatures hint at. A wrong hint costs the signer its signature, nobody else. */
function candidatesFor(statement: Statement, agreement: PinnedAgreement, hints: ReadonlySet<string>): readonly Party[] {
  const { parties } = agreement.body
  const named = statement.agreement === agreement.digest ? parties.filter((party) => party.party === statement.party) : []
  const hinted = parties.filter((party) => party.keys.some((key) => hints.has(keyidOf(key))))
  return [...new Set([...named, ...hinted])]
}
