import { assert } from '../core/errors.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { GrowingBytes } from '../store/growing-bytes.js'
import type { ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'

/** An upload that follows the sealed file while it grows, and the word that lets it become visible. */
export class EnvelopeUpload {
  private release: (expected: ExpectedObject, key: ObjectKey | null) => void = () => undefined
  private refuse: (reason: unknown) => void = () => undefined
  private readonly placing: Promise<Placement>

  /**
   * Start to upload to every replica.
   *
   * @param to.key - unique for the attempt; null when `complete` will say it.
   */
  constructor(
    private readonly replicas: ReplicaSet,
    private readonly file: GrowingBytes,
    private readonly to: { readonly key: ObjectKey | null; readonly retainUntil: Date },
    private readonly signal?: AbortSignal,
  ) {
    const committed = new Promise<{ readonly expected: ExpectedObject; readonly key: ObjectKey | null }>((resolve, reject) => {
      this.release = (expected, key) => resolve({ expected, key })
      this.refuse = reject
    })
    const commit = committed.then(({ expected }) => expected)
    const named = to.key ?? committed.then(({ key }) => keyOf(key))
    // Nobody asks for a name where every upload has failed before.
    Promise.resolve(named).catch(() => undefined)
    this.placing = replicas.uploadGrowingFile(named, { file, commit }, { retainUntil: to.retainUntil }, signal)
    // It may fail long before anybody waits for it.
    this.placing.catch(() => undefined)
  }

  /**
   * Let the uploads become visible and wait for all of them. A replica that could not be reached is tried once more where the same sealed bytes
   * are still on scratch: sealing again would leave another locked object for years.
   *
   * @param key - where none was given at the beginning.
   * @returns at least one replica holds it.
   * @throws EscrowError the first fault when none does.
   */
  async complete(expected: ExpectedObject, key: ObjectKey | null = this.to.key): Promise<Placement> {
    this.release(expected, key)
    const first = await this.placing
    const again = first.failed.filter((fault) => fault.error.code === 'STORE_UNREACHABLE').map((fault) => fault.replica)
    const file = again.length === 0 ? null : this.file.again(expected.sizeBytes)
    const placement = file === null ? first : merge(first, await this.retry(keyOf(key), { file, expected }, again))
    if (placement.stored.length === 0) requireEvery(placement)
    return placement
  }

  /** Give up every upload and wait until they are gone; idempotent, never throws. */
  async abandon(reason: unknown): Promise<void> {
    this.refuse(reason)
    await this.placing.catch(() => undefined)
  }

  private retry(
    key: ObjectKey,
    { file, expected }: { readonly file: GrowingBytes; readonly expected: ExpectedObject },
    only: readonly string[],
  ): Promise<Placement> {
    const options = { retainUntil: this.to.retainUntil, only }
    return this.replicas.uploadGrowingFile(key, { file, commit: Promise.resolve(expected) }, options, this.signal)
  }
}

function keyOf(key: ObjectKey | null): ObjectKey {
  assert(key !== null, 'an upload has a key when it is completed')
  return key
}

function merge(first: Placement, second: Placement): Placement {
  const tried = new Set([...second.stored, ...second.failed].map((answer) => answer.replica))
  return {
    stored: [...first.stored, ...second.stored],
    failed: [...first.failed.filter((fault) => !tried.has(fault.replica)), ...second.failed],
  }
}
