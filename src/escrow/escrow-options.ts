import type { RemoteRules } from '../git/remote-url.js'

/** What the escrow feature needs to know beside its collaborators. Filled from the configuration in `adapters.module.ts`. */
export abstract class EscrowOptions {
  /** The service as statements and the log name it. */
  abstract readonly origin: string
  /** The verifier key (vkey) of the log, as agreements pin it. */
  abstract readonly logKey: string
  /** Verifier keys of the witnesses that are asked, and how many must cosign before a receipt is final. */
  abstract readonly witnesses: readonly string[]
  abstract readonly witnessQuorum: number
  /** `origin` of the log's checkpoints. */
  abstract readonly logOrigin: string
  /** Scratch folder, and whether it lies on a volume under a key that a power cut destroys. */
  abstract readonly scratch: { readonly root: string; readonly ephemeral: boolean }
  abstract readonly packBytesMax: number
  abstract readonly secondOpinionBytesMax: number
  /** Bundles and attachments that one agreement pushes or seals within 24 hours. */
  abstract readonly bytesPerDayMax: number
  abstract readonly remoteRules: RemoteRules
  /** How much a host from which sources are pulled has to bear from all workers together. */
  abstract readonly hosts: { readonly atOnce: number; readonly perMinute: number }
  /** A source that nobody renews for so long may be taken over. */
  abstract readonly leaseMs: number
  /** While an agreement goes on, nothing of it is ever locked for less than this. */
  abstract readonly lockAheadDays: number
  /** Of this software, for manifests. */
  abstract readonly version: string
  /** Names this process to those who are refused. */
  abstract readonly holder: string
}
