import type { Finding, Manifest } from '../../format/manifest.js'
import type { ReplicaFault } from '../../store/replica.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import type { FoundBasis } from './basis.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import type { SourceRow } from '../archive/source.table.js'

/** What mirroring a source came to. */
export type Mirrored =
  | { readonly outcome: 'unchanged'; readonly source: SourceKey; readonly sequence: number }
  | {
      readonly outcome: 'deposited'
      readonly source: SourceKey
      readonly depositId: string
      readonly manifest: Manifest
      readonly manifestDigest: string
      readonly findings: readonly Finding[]
      /** An earlier run had stored it; this one published it. */
      readonly resumed: boolean
      readonly late: readonly ReplicaFault[]
    }

/** The source that a step is about. */
export interface SourceInHand {
  readonly known: KnownAgreement
  readonly key: SourceKey
  readonly row: SourceRow
}

/** What every step of a deposit works with. */
export interface SourceAtWork extends SourceInHand {
  /** Read under the lease: nobody else moves it now. */
  readonly found: FoundBasis
}
