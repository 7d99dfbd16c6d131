import { EscrowError } from '../core/errors.js'
import type { Agreement } from '../format/agreement.js'
import type { Replica } from '../store/replica.js'
import { verdictOnStore } from './jurisdiction.js'

/**
 * Insist that every replica may hold what belongs to an agreement. The operator's own policy was checked at start-up; the agreement's may
 * be stricter, and is asked before every deposit.
 *
 * @throws EscrowError `REPLICA_POLICY` naming each replica and rule
 */
export function requireJurisdiction(agreement: Pick<Agreement, 'agreement' | 'jurisdiction'>, replicas: readonly Replica[]): void {
  const broken = replicas.flatMap((replica) =>
    verdictOnStore(replica, agreement.jurisdiction).map((rule) => `replica ${replica.name}: ${rule}`),
  )
  if (broken.length > 0) throw new EscrowError('REPLICA_POLICY', `${agreement.agreement}: ${broken.join('; ')}`)
}
