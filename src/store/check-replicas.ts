import { EscrowError } from '../core/errors.js'
import type { StoreReport } from './object-store.js'
import type { Replica } from './replica.js'

/** What a start-up check found at one replica that may be used. */
export interface ReplicaReport {
  readonly replica: string
  readonly report: StoreReport
}

/**
 * Check every replica before the service uses any: reachable, versioned, locked, and of a country and under a control that the policy allows.
 *
 * @param verdict - the jurisdiction policy: one sentence per rule that the replica breaks, naming the rule; empty when none.
 * @returns one report per replica, in their order, all of them good.
 * @throws EscrowError `REPLICA_POLICY`, `STORE_UNREACHABLE` or `REPLICA_UNSUITABLE` with everything that is wrong in words: a store that fails stops the service.
 */
export async function checkReplicas(
  replicas: readonly Replica[],
  verdict: (replica: Replica) => readonly string[],
  signal?: AbortSignal,
): Promise<readonly ReplicaReport[]> {
  const broken = replicas.flatMap((replica) => verdict(replica).map((rule) => `replica ${replica.name}: ${rule}`))
  if (broken.length > 0) throw new EscrowError('REPLICA_POLICY', broken.join('; '))
  const reports = await Promise.all(replicas.map(async ({ name, store }) => ({ replica: name, report: await store.inspect(signal) })))
  const problems = reports.flatMap(({ replica, report }) => problemsOf(report).map((problem) => `replica ${replica}: ${problem}`))
  if (problems.length === 0) return reports
  const reachable = reports.every(({ report }) => report.reachable)
  throw new EscrowError(reachable ? 'REPLICA_UNSUITABLE' : 'STORE_UNREACHABLE', problems.join('; '))
}

function problemsOf(report: StoreReport): readonly string[] {
  if (report.problems.length > 0) return report.problems
  const { reachable, versioned, locked } = report
  return [...(reachable ? [] : ['not reachable']), ...(versioned ? [] : ['not versioned']), ...(locked ? [] : ['no object lock'])]
}
