/** How far a deposit is. Fields that a report leaves out are as they were in the report before, within one phase. */
export interface DepositProgress {
  /** `fetching` overlaps with sealing, indexing and uploading; `resolving` is git working out deltas; `collecting` fetches LFS objects. */
  readonly phase: 'listing' | 'fetching' | 'resolving' | 'checking' | 'collecting' | 'storing' | 'checking-seal'
  readonly objects?: number
  readonly objectsTotal?: number
  /** Bytes of the pack (`fetching`) or of the sealed file (`storing`, `checking-seal`). */
  readonly bytes?: number
  readonly bytesTotal?: number
}

/** Hears of progress; called up to some hundred times a second, so it must be cheap. */
export type ReportProgress = (progress: DepositProgress) => void
