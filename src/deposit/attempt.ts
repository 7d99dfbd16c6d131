import type { SealedHeader } from '../crypto/seal-envelope.js'
import type { Finding, Inventory } from '../format/manifest.js'
import type { RefListing } from '../git/git-remote.js'
import type { DepositPlace, ObjectKey } from '../store/object-key.js'
import type { InventoryParts } from './compose-manifest.js'
import type { NeedsFull } from './check-pack.js'
import type { AttachedFiles, DepositRequest, DepositTools, OpenedDeposit, PreparedDeposit } from './deposit-request.js'
import type { DepositPlan } from './plan-deposit.js'
import type { ScratchReport } from './scratch.js'

/** What one attempt works on. */
export interface AttemptWork {
  readonly request: DepositRequest
  readonly tools: DepositTools
  readonly listing: RefListing
  readonly refsDigest: string
  readonly takenAt: Date
  /** What is in the deposit before; null for the first. */
  readonly before: OpenedDeposit | null
  /** What an incremental rests on; null makes a full deposit. */
  readonly chain: { readonly inventory: Inventory; readonly previous: OpenedDeposit } | null
  readonly attached: AttachedFiles['files']
  /** Found before the attempt. */
  readonly findings: readonly Finding[]
}

/** One attempt: its work, its plan, and where it happens. */
export interface Attempt extends AttemptWork {
  readonly plan: DepositPlan
  readonly place: DepositPlace
  /** Whether the pack is copied from a repository of the depositor's own, and not hashed again. */
  readonly noFsck: boolean
  /** Part of every object key, so that no two attempts meet. */
  readonly attempt: string
  /** Of the envelope. */
  readonly key: ObjectKey
  /** On scratch; removed with the attempt. */
  readonly folder: string
  /** The scratch repository inside it. */
  readonly gitDir: string
  readonly space: ScratchReport
  /** What the inventory of a pushed deposit says beside that of a pulled one. */
  readonly push?: Pick<InventoryParts, 'commits' | 'innerTags'>
  /** Holds the file key; wiped with the attempt. */
  readonly sealed: SealedHeader
}

/** A deposit, or the reason why only a full one will do. */
export type AttemptResult = { readonly outcome: 'prepared'; readonly deposit: PreparedDeposit } | NeedsFull
