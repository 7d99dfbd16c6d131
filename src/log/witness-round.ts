/** PORT: asks whoever should cosign the newest checkpoint. */
export abstract class CheckpointWitnesses {
  /**
   * Ask for cosignatures on the newest checkpoint, if it lacks any, and keep them. A witness that fails is no fault of the log.
   *
   * @returns whether the newest checkpoint has as many as the policy demands.
   */
  abstract ask(signal?: AbortSignal): Promise<boolean>
}
