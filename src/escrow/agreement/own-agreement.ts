import { EscrowError } from '../../core/errors.js'
import { checkVault } from '../../crypto/vault-commitments.js'
import type { Agreement, AgreementAnnex } from '../../format/agreement.js'
import { checkAgreement } from '../../format/check-agreement.js'
import { sameKey } from '../../format/signed-agreement.js'
import { parseRemoteUrl } from '../../git/remote-url.js'
import type { Agent } from '../agent.js'

/**
 * Demand an agreement that this service can carry out: free of contradictions, with a vault that its threshold opens, with this origin, log and agent, and with witnesses that
 * it asks.
 *
 * @param body - attacker-controlled but for its signatures.
 * @throws EscrowError `AGREEMENT_INVALID`; `VAULT_INVALID` when the commitments are not those of its vault
 */
export function requireOwnAgreement(body: Agreement, { keys, options }: Pick<Agent, 'keys' | 'options'>): void {
  checkAgreement(body)
  for (const epoch of body.vault.epochs) checkVault(epoch, body.vault.threshold)
  if (body.origin !== options.origin)
    throw new EscrowError('AGREEMENT_INVALID', `expected an agreement with ${options.origin}, got ${body.origin}`)
  const own = { kind: 'ed25519', publicKey: keys.signingKey.publicKey } as const
  const agent = body.parties.find((party) => party.role === 'agent')
  if (agent?.keys.some((key) => sameKey(key, own)) !== true || agent.recipient !== keys.recipient) {
    throw new EscrowError('AGREEMENT_INVALID', 'expected the agreement to pin the keys of this agent')
  }
  const unknown = body.log.witnesses.filter((witness) => !options.witnesses.includes(witness))
  if (unknown.length > 0 || body.log.witnessQuorum > options.witnessQuorum) {
    throw new EscrowError('AGREEMENT_INVALID', 'expected an agreement whose witnesses and quorum this service is configured to ask for')
  }
  if (body.log.key !== options.logKey) throw new EscrowError('AGREEMENT_INVALID', 'expected the agreement to pin the key of this log')
}

/** Demand remotes that this service may pull from. @throws EscrowError `REMOTE_URL`, `REMOTE_ADDRESS_REFUSED` */
export function requireOwnRemotes({ remotes }: AgreementAnnex, { options }: Pick<Agent, 'options'>): void {
  for (const { url } of remotes) parseRemoteUrl(url, options.remoteRules)
}
