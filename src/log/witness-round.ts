import type { StoredCheckpoint } from './log-store.js'

/** PORT: asks whoever should cosign the newest checkpoint, and remembers better than our own stores. */
export abstract class CheckpointWitnesses {
  /**
   * Ask for cosignatures on the newest checkpoint, if it lacks any, and keep them. A witness that fails is no fault of the log: it shows in
   * the log's state. Called by whoever holds the log's lease.
   *
   * @returns whether the newest checkpoint has as many as the policy demands.
   * @throws EscrowError `LOG_ROLLED_BACK` when one holds a larger checkpoint that our own key has signed
   */
  abstract ask(signal?: AbortSignal): Promise<boolean>

  /** What each witness that answers last cosigned; unverified, as what replicas show. */
  abstract recall(signal?: AbortSignal): Promise<readonly StoredCheckpoint[]>
}
