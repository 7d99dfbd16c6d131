// What goes into a deposit and what comes out, for `prepare-deposit.ts` and its callers.
import type { Clock, Entropy } from '../core/environment.js'
import type { DepositMode } from '../format/agreement.js'
import type { AgreementId, Sha256Hex } from '../format/ids.js'
import type { KnownObjectsKey } from '../format/known-objects.js'
import type { AttachedFile } from '../format/attachment.js'
import type { DepositKind, Finding, Inventory, Manifest } from '../format/manifest.js'
import type { StatementOf } from '../format/statement.js'
import type { GitRemote, RefListing } from '../git/git-remote.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { GrowingFile } from '../store/growing-file.js'
import type { DepositPlace, ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { Placement } from '../store/replica.js'
import type { AttachmentArchive } from './keep-attachment.js'
import type { Siblings } from './match-submodules.js'
import type { ReportProgress } from './progress.js'

/** The deposit that a new one follows. */
export interface PreviousDeposit {
  readonly manifest: Manifest
  /** SHA-256 of the manifest, as the next one names it. */
  readonly manifestDigest: Sha256Hex
  /** When the chain's full deposit was taken, where the caller asks this record whether a full one is due. */
  readonly fullTakenAt?: Date
  /** Reads what a new deposit rests on. Of a remote that has not changed the manifest says all that is needed. */
  readonly open: () => Promise<OpenedDeposit>
}

/** What is in the deposit that a new one follows. */
export interface OpenedDeposit {
  /** Null when it cannot be opened any more: that costs one full deposit. */
  readonly inventory: Inventory | null
  /** The known-objects files of its chain, from the full to this one; called once for each check. */
  readonly knownObjects: () => Iterable<AsyncIterable<Uint8Array>>
  /** The commits of its chain as the inventories list them, one list for each deposit; only where a pushed source needs them. */
  readonly history?: () => AsyncIterable<readonly string[]>
  /** Size of the bundle of the chain's full deposit. */
  readonly fullBundleBytes: number
}

/** Files that people attached, each with its age file in the archive, and what happened to others. */
export interface AttachedFiles {
  readonly files: readonly { readonly entry: AttachedFile; readonly sealed: ExpectedObject }[]
  readonly findings: readonly Finding[]
}

/** What is to be deposited, and under which agreement. */
export interface DepositRequest {
  readonly agreement: AgreementId
  readonly agreementDigest: Sha256Hex
  readonly source: string
  readonly mode: DepositMode
  /** As the inventory names it; without credentials. */
  readonly url: string
  readonly vault: {
    readonly recipient: string
    readonly epoch: number
    /** A share of this epoch was released, and there is no reserve to switch to. */
    readonly exposed: boolean
  }
  /** Who may open the inventory: the vault, the parties that may see names, and in pull and push mode the agent. */
  readonly inventoryRecipients: readonly string[]
  /** Null for the first deposit. */
  readonly previous: PreviousDeposit | null
  /** Make a full deposit even of what has not changed, because one is due or was asked for. Otherwise it is made only when it must be. */
  readonly full: boolean
  /** The chain is as long as it may be: what has changed begins a new one. Nothing is made of what has not. */
  readonly chainComplete?: boolean
  /** Until when everything is locked: an incremental as long as its base, which is not younger. */
  readonly retainUntil: (kind: DepositKind) => Date
  readonly packBytesMax: number
  /** What submodules are matched with; left out when nobody knows the other sources. */
  readonly siblings?: Siblings
  /** Packs up to so many bytes are read a second time, by isomorphic-git; 0 for none. Default `secondOpinionBytesMaxDefault`. */
  readonly secondOpinionBytesMax?: number
  /**
   * The repository lies on this machine, and whoever makes the deposit owns and trusts it: the pack is copied and not hashed again. The deposit
   * says so (`PACK_NOT_CHECKED`).
   */
  readonly noFsck?: boolean
  /** What people attached: to the deposit before, whose inventory this is given, and since. */
  readonly attached?: (before: Inventory | null) => AttachedFiles
  /** Some of it is in no deposit yet: one is made even when the repository is as it was. */
  readonly attachmentsWait?: boolean
  /** What the depositor says it sends, verified; what differs is a finding. */
  readonly stated?: StatementOf<'deposit-statement'>
}

/** What is known about the envelope before any replica makes it visible. Recorded, it tells an orphan from a deposit after a crash. */
export interface EnvelopeRecord {
  readonly place: DepositPlace
  readonly attempt: string
  readonly key: ObjectKey
  readonly envelope: Required<ExpectedObject>
}

/** What a deposit is made with. */
export interface DepositTools {
  readonly remote: GitRemote
  readonly replicas: ReplicaSet
  readonly clock: Clock
  readonly entropy: Entropy
  /** Left out by whoever seals at home: then nothing but the repository is deposited. */
  readonly attachments?: AttachmentArchive
  /** One key for each source; losing it costs one full deposit. */
  readonly knownObjectsKey: KnownObjectsKey
  readonly scratch: {
    readonly root: string
    /** The operator says that the volume is under a key that a power cut destroys. */
    readonly ephemeral: boolean
  }
  /** Of this software, for the manifest. */
  readonly version: string
  /** Awaited before the first replica completes; when it throws nothing becomes visible. */
  readonly beforeComplete?: (record: EnvelopeRecord) => Promise<void>
  readonly onProgress?: ReportProgress
  /** Gets copies of the secrets of each envelope that is begun, the last one that of the deposit. Only a depositor at home asks for them, and wipes them. */
  readonly onSealed?: (secrets: SealSecrets) => void
  /**
   * Follows each envelope that is begun while it is being sealed, to send it on before it is whole. Nobody waits for it: its signal says that the
   * deposit is done or given up, and then it ends, because scratch goes. Must not reject.
   */
  readonly follow?: (key: ObjectKey, file: GrowingFile, signal: AbortSignal) => Promise<void>
}

/** What an envelope to one recipient was made with. */
export interface SealSecrets {
  readonly fileKey: Uint8Array
  readonly ephemeralScalar: Uint8Array
}

/** A deposit whose envelope is stored and checked, and whose documents wait to be signed, stored and published. */
export interface PreparedDeposit {
  readonly place: DepositPlace
  readonly attempt: string
  /** To be signed: by the agent in pull and push mode, by the depositor in sealed mode. */
  readonly manifest: Manifest
  readonly envelope: { readonly key: ObjectKey; readonly placement: Placement }
  readonly inventory: { readonly key: ObjectKey; readonly bytes: Uint8Array; readonly plain: Inventory }
  readonly knownObjects: { readonly key: ObjectKey; readonly bytes: Uint8Array }
  /** In full, for the terminal of who may see names. */
  readonly findings: readonly Finding[]
}

/** Nothing new at the remote, or a deposit. */
export type DepositResult =
  | { readonly outcome: 'unchanged'; readonly listing: RefListing; readonly refsDigest: Sha256Hex }
  | { readonly outcome: 'prepared'; readonly deposit: PreparedDeposit }
