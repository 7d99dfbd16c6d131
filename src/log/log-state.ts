import type { ErrorCode } from '../core/errors.js'
import type { Database } from '../db/database.js'
import type { CheckpointPolicy } from '../format/checkpoint.js'
import { listWitnesses, type LogWitnessRow } from './log-witness.table.js'
import { countPending, findHead } from './log.table.js'

/** One witness of the policy, as it last answered. */
export interface WitnessState {
  readonly name: string
  /** Leaves of the tree that it last cosigned; 0 if none. */
  readonly size: number
  readonly cosignedAt: Date | null
  /** Why it did not the last time; null when all is well or it was never asked. */
  readonly failure: { readonly code: ErrorCode | null; readonly words: string; readonly at: Date | null; readonly times: number } | null
}

/** What an operator and the parties should see of the log. */
export interface LogState {
  readonly size: number
  /** Leaves under the newest checkpoint that the quorum has cosigned. */
  readonly witnessedSize: number
  /** Entries that wait for a place, up to 1000. */
  readonly pending: number
  /** The newest checkpoint lacks cosignatures: receipts under it are degraded. */
  readonly degraded: boolean
  readonly checkpointAt: Date | null
  readonly witnesses: readonly WitnessState[]
}

/** The state of the log by the index. @param policy - names the witnesses that count. */
export async function readLogState(database: Database, policy: CheckpointPolicy): Promise<LogState> {
  const head = await database.query((db) => findHead(db))
  const pending = await database.query((db) => countPending(db))
  const rows = await database.query((db) => listWitnesses(db))
  const [size, witnessedSize] = [head?.size ?? 0, policy.witnessQuorum === 0 ? (head?.size ?? 0) : (head?.witnessedSize ?? 0)]
  const witnesses = policy.witnesses.map(({ name }) =>
    stateOf(
      name,
      rows.find((row) => row.witness === name),
    ),
  )
  return { size, witnessedSize, pending, degraded: witnessedSize < size, checkpointAt: head?.checkpointAt ?? null, witnesses }
}

function stateOf(name: string, row: LogWitnessRow | undefined): WitnessState {
  if (row === undefined) return { name, size: 0, cosignedAt: null, failure: null }
  const { size, cosignedAt, failures, failureCode: code, failureWords, failedAt: at } = row
  return { name, size, cosignedAt, failure: failures === 0 ? null : { code, words: failureWords ?? '', at, times: failures } }
}
