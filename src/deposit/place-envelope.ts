import type { ExpectedObject } from '../store/expected-object.js'
import { GrowingFile } from '../store/growing-file.js'
import type { ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'

/** An upload that follows the sealed file while it grows, and the word that lets it become visible. */
export class EnvelopeUpload {
  private release: (expected: ExpectedObject) => void = () => undefined
  private refuse: (reason: unknown) => void = () => undefined
  private readonly placing: Promise<Placement>

  /**
   * Start to upload to every replica.
   *
   * @param to.key - unique for the attempt.
   */
  constructor(
    private readonly replicas: ReplicaSet,
    private readonly file: GrowingFile,
    private readonly to: { readonly key: ObjectKey; readonly retainUntil: Date },
    private readonly signal?: AbortSignal,
  ) {
    const commit = new Promise<ExpectedObject>((resolve, reject) => {
      this.release = resolve
      this.refuse = reject
    })
    this.placing = replicas.uploadGrowingFile(to.key, { file, commit }, { retainUntil: to.retainUntil }, signal)
    // It may fail long before anybody waits for it.
    this.placing.catch(() => undefined)
  }

  /**
   * Let the uploads become visible and wait for all of them. A replica that could not be reached is tried once more: the same sealed bytes
   * are still on scratch, and sealing again would leave another locked object for years.
   *
   * @returns at least one replica holds it.
   * @throws EscrowError the first fault when none does.
   */
  async complete(expected: ExpectedObject): Promise<Placement> {
    this.release(expected)
    const first = await this.placing
    const again = first.failed.filter((fault) => fault.error.code === 'STORE_UNREACHABLE').map((fault) => fault.replica)
    const placement = again.length === 0 ? first : merge(first, await this.retry(expected, again))
    if (placement.stored.length === 0) requireEvery(placement)
    return placement
  }

  /** Give up every upload and wait until they are gone; idempotent, never throws. */
  async abandon(reason: unknown): Promise<void> {
    this.refuse(reason)
    await this.placing.catch(() => undefined)
  }

  private retry(expected: ExpectedObject, only: readonly string[]): Promise<Placement> {
    const file = GrowingFile.finished(this.file.path, expected.sizeBytes)
    const options = { retainUntil: this.to.retainUntil, only }
    return this.replicas.uploadGrowingFile(this.to.key, { file, commit: Promise.resolve(expected) }, options, this.signal)
  }
}

function merge(first: Placement, second: Placement): Placement {
  const tried = new Set([...second.stored, ...second.failed].map((answer) => answer.replica))
  return {
    stored: [...first.stored, ...second.stored],
    failed: [...first.failed.filter((fault) => !tried.has(fault.replica)), ...second.failed],
  }
}
