/** Whether a party may fetch what a request released, now and from there. Pure; who it is was authenticated before. */
import type { ErrorCode } from '../../core/errors.js'
import { judgeNetwork, type AccessNetworkPolicy, type NetworkVerdict } from '../rules/network-rule.js'

/** Why an access is refused. */
export type AccessRefusal = Extract<ErrorCode, 'GRANT_EXPIRED' | 'GRANT_REFUSED' | 'GRANT_REVOKED' | 'NETWORK_REFUSED' | 'RANGE_INVALID'>

/** A verdict with the network rule that it rests on. */
export interface AccessVerdict {
  /** Null: it may. */
  readonly refusal: AccessRefusal | null
  readonly network: NetworkVerdict
}

/**
 * Judge one access by time, revocation and network. What is fetched is judged elsewhere (`GrantedObjects`).
 *
 * @param grant - of this very party; null when it has none.
 * @param access.address - as the connection shows it, never a header that a client may set.
 * @returns the first refusal in this order: no grant, revoked, expired, network. The moment of expiry itself is too late.
 */
export function judgeAccess(
  grant: { readonly expiresAt: Date; readonly revokedAt: Date | null } | null,
  access: { readonly party: string; readonly address: string; readonly now: Date; readonly policy: AccessNetworkPolicy | null },
): AccessVerdict {
  const network = judgeNetwork(access.policy, { beneficiary: access.party, address: access.address })
  if (grant === null) return { refusal: 'GRANT_REFUSED', network }
  if (grant.revokedAt !== null) return { refusal: 'GRANT_REVOKED', network }
  if (access.now >= grant.expiresAt) return { refusal: 'GRANT_EXPIRED', network }
  return { refusal: network.allowed ? null : 'NETWORK_REFUSED', network }
}
