import type { CheckpointPolicy } from '../format/checkpoint.js'
import type { LogIdentity } from './sequencer.js'
import type { WitnessAddress } from './witness-client.js'

/** What the log needs to know beside its collaborators. Filled from the configuration and the key files in `options.module.ts`. */
export abstract class LogOptions {
  abstract readonly identity: LogIdentity
  /** The log's own key and its witnesses, as the operator configured them; agreements may demand more. */
  abstract readonly policy: CheckpointPolicy
  /** Witnesses of the policy that the service asks itself; nobody when left out. */
  readonly witnessAddresses?: readonly WitnessAddress[]
}
