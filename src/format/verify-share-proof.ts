import { EscrowError } from '../core/errors.js'
import { decodeBase64 } from '../crypto/base64.js'
import { checkVault, verifyShareHealth } from '../crypto/vault-commitments.js'
import type { Agreement } from './agreement.js'
import { shareHealthText } from './check-statement.js'
import type { StatementOf } from './statement.js'

/**
 * Verify that a proof was made with the share that it names.
 *
 * @param statement - its signature verified; the proof in it is attacker-controlled.
 * @throws EscrowError `SHARE_INVALID`; `VAULT_INVALID`
 *
 * Source: docs/formats/statement.md, "Share health".
 */
export function verifyShareProof(statement: StatementOf<'share-health'>, { vault }: Pick<Agreement, 'vault'>): void {
  const epoch = vault.epochs.find((candidate) => candidate.epoch === statement.epoch)
  const holder = vault.custodians.find((custodian) => custodian.index === statement.index)?.party
  const signature = decodeBase64(statement.proof)
  const { index } = statement
  const valid =
    epoch !== undefined &&
    holder === statement.party &&
    statement.recipient === epoch.recipient &&
    signature !== null &&
    verifyShareHealth(checkVault(epoch, vault.threshold), { index, message: shareHealthText(statement), signature })
  if (!valid) throw new EscrowError('SHARE_INVALID', `expected a proof made with share ${index} of epoch ${statement.epoch}`)
}
