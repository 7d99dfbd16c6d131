import { EscrowError, isEscrowError, type ErrorCode } from '../core/errors.js'
import type { LogHeadStore } from './log-head-store.js'
import type { ObjectStore, StoredObject } from './object-store.js'

/** One operator's store, under the name that the configuration gives it. */
export interface Replica {
  /** A slug, unique in its set. */
  readonly name: string
  readonly store: ObjectStore
  readonly heads: LogHeadStore
  /** ISO 3166-1 alpha-2: where the operator sits. */
  readonly country: string
  /** ISO 3166-1 alpha-2: who controls the operator in the end. */
  readonly control: string
}

/** That something went wrong at one replica. */
export interface ReplicaFault {
  readonly replica: string
  readonly error: EscrowError
}

/** Where an object came to lie, and where it did not. A deposit needs every replica; who has to catch up is in `failed`. */
export interface Placement {
  readonly stored: readonly { readonly replica: string; readonly object: StoredObject }[]
  readonly failed: readonly ReplicaFault[]
}

/**
 * Insist that every replica holds the object.
 *
 * @throws EscrowError the first fault's code, with every fault in words.
 */
export function requireEvery(placement: Placement): Placement['stored'] {
  const [first] = placement.failed
  if (first === undefined) return placement.stored
  throw new EscrowError(first.error.code, inWords(placement.failed), { cause: first.error, details: { replica: first.replica } })
}

/**
 * One fault for a search that no replica could satisfy. A replica that did not answer may hold a good copy, so its silence weighs
 * more than another's bad copy: only when all have answered do we claim that something is corrupt or missing.
 */
export function faultOfAll(faults: readonly ReplicaFault[]): EscrowError {
  const order: readonly ErrorCode[] = ['STORE_UNREACHABLE', 'STORE_REFUSED', 'OBJECT_CORRUPT', 'OBJECT_MISSING']
  const code = order.find((candidate) => faults.some(({ error }) => error.code === candidate)) ?? faults[0]?.error.code ?? 'OBJECT_MISSING'
  return new EscrowError(code, faults.length === 0 ? 'no replica to read from' : inWords(faults), { cause: faults[0]?.error })
}

/**
 * Do the same at several replicas at once and wait for all of them.
 *
 * @returns results and faults in the order of `replicas`.
 * @throws what is not an EscrowError, when all have ended: a bug or an aborted signal is no replica's fault.
 */
export async function atEach<T>(
  replicas: readonly Replica[],
  work: (replica: Replica) => Promise<T>,
): Promise<{ readonly results: readonly { replica: string; result: T }[]; readonly faults: readonly ReplicaFault[] }> {
  const results: { replica: string; result: T }[] = []
  const faults: ReplicaFault[] = []
  const settled = await Promise.allSettled(replicas.map((replica) => work(replica)))
  for (const [index, outcome] of settled.entries()) {
    const replica = replicas[index]?.name ?? ''
    if (outcome.status === 'fulfilled') results.push({ replica, result: outcome.value })
    else if (isEscrowError(outcome.reason)) faults.push({ replica, error: outcome.reason })
    else throw outcome.reason
  }
  return { results, faults }
}

function inWords(faults: readonly ReplicaFault[]): string {
  return faults.map(({ replica, error }) => `replica ${replica}: ${error.message}`).join('; ')
}
