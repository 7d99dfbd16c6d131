import type { VerifyingKey } from '../../crypto/dsse.js'
import type { Agreement } from '../../format/agreement.js'
import { keysOf } from '../../format/signed-agreement.js'

/** Whose signature a manifest may carry: the agent's in pull and push mode, the depositor's in sealed mode. */
export function manifestKeysOf(agreement: Agreement): readonly VerifyingKey[] {
  return [...keysOf(agreement, 'agent'), ...keysOf(agreement, 'depositor')]
}
