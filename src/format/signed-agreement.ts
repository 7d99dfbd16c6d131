// An agreement as it travels: signed by its parties, whose keys it names itself. That proves the parties' will only to somebody who has
// compared the digest, or the parties' fingerprints, over another channel (docs/formats/agreement.md, "Pinning").
import { EscrowError } from '../core/errors.js'
import type { VerifyingKey } from '../crypto/dsse.js'
import { Agreement, type Party, type VaultEpoch } from './agreement.js'
import { openDocument } from './signed-document.js'

/** An agreement with who has signed it. */
export interface SignedAgreement {
  readonly body: Agreement
  readonly digest: string
  /** The bytes as received. */
  readonly bytes: Uint8Array
  /** Names of the parties that have signed with one of their keys, in the agreement's order. */
  readonly signedBy: readonly string[]
}

/**
 * Read an agreement and verify its signatures with the keys that it names.
 *
 * @param bytes - attacker-controlled.
 * @returns with at least one party's valid signature; `requireSignatures` demands those of all who must sign.
 * @throws EscrowError `FORMAT_INVALID`, `SIGNATURE_INVALID`
 */
export function openAgreement(bytes: Uint8Array): SignedAgreement {
  const keys = (body: Agreement) => body.parties.flatMap((party) => party.keys)
  const { body, digest, signedBy } = openDocument(bytes, { schema: Agreement, keys, what: 'agreement' })
  const signers = body.parties.filter((party) => party.keys.some((key) => signedBy.some((signer) => sameKey(signer, key))))
  return { body, digest, bytes, signedBy: signers.map((party) => party.party) }
}

/**
 * Demand the signatures that put an agreement into force: depositor, every beneficiary and, once it is registered, the agent.
 * Custodians accept it by `share-accept`, which names its digest.
 *
 * @throws EscrowError `SIGNATURE_INVALID` naming who has not signed
 */
export function requireSignatures(agreement: SignedAgreement, options: { readonly agent: boolean }): void {
  const roles = options.agent ? ['depositor', 'beneficiary', 'agent'] : ['depositor', 'beneficiary']
  const missing = agreement.body.parties.filter((party) => roles.includes(party.role) && !agreement.signedBy.includes(party.party))
  if (missing.length === 0) return
  throw new EscrowError('SIGNATURE_INVALID', `expected the agreement to be signed by ${missing.map((party) => party.party).join(', ')}`)
}

/** The party of that name. @throws EscrowError `NOT_FOUND` */
export function partyOf(agreement: Agreement, name: string): Party {
  const party = agreement.parties.find((candidate) => candidate.party === name)
  if (party !== undefined) return party
  throw new EscrowError(
    'NOT_FOUND',
    `the agreement has no party ${name}; there are ${agreement.parties.map((one) => one.party).join(', ')}`,
  )
}

/** All keys of the parties of a role. */
export function keysOf(agreement: Agreement, role: Party['role']): readonly VerifyingKey[] {
  return agreement.parties.filter((party) => party.role === role).flatMap((party) => party.keys)
}

/** The vault's key pair of an epoch. @throws EscrowError `NOT_FOUND` */
export function epochOf(agreement: Agreement, epoch: number): VaultEpoch {
  const found = agreement.vault.epochs.find((candidate) => candidate.epoch === epoch)
  if (found !== undefined) return found
  throw new EscrowError('NOT_FOUND', `the agreement has no epoch ${epoch}`)
}

/** Whether two pinned keys are the same. */
export function sameKey(left: VerifyingKey, right: VerifyingKey): boolean {
  return left.kind === right.kind && left.publicKey === right.publicKey
}
