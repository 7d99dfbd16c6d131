import type { ErrorCode } from '../../src/core/errors.js'
import { EscrowError } from '../../src/core/errors.js'
import type { ObjectKey } from '../../src/store/object-key.js'
import { ObjectStore, type ObjectUpload, type ReadRange, type StoredObject, type StoreReport } from '../../src/store/object-store.js'

/** The calls of a store that can be made to fail. */
export type StoreCall = 'inspect' | 'open' | 'write' | 'complete' | 'get' | 'stat' | 'versions' | 'list' | 'extend'

/**
 * How a call fails.
 * - `refuse`, `timeOut`: it throws, and the store has done nothing.
 * - `answerLost`: the store has done it, and the call throws as if it had timed out.
 * - `shortWrite` (at `complete`): the store keeps one byte less than was sent and reports success for all.
 * - `otherBytes` (at `get`): one bit of the first block is another.
 * - `hang`: nothing happens until the signal is aborted.
 */
export type StoreFault = 'refuse' | 'timeOut' | 'answerLost' | 'shortWrite' | 'otherBytes' | 'hang'

/** A fault that is to come. */
export interface PlannedFault {
  readonly at: StoreCall
  readonly fault: StoreFault
  /** Calls that succeed before; 0 when left out. */
  readonly after?: number
  /** Calls that fail; 1 when left out. */
  readonly times?: number
  /** Only calls for this key. */
  readonly key?: ObjectKey
}

/** A store that does what the wrapped one does, except where a fault is planned. Counts its calls. */
export class FaultyObjectStore extends ObjectStore {
  readonly calls = new Map<StoreCall, number>()
  private plans: { plan: PlannedFault; passed: number; failed: number }[] = []

  constructor(readonly inner: ObjectStore) {
    super()
  }

  /** Let calls fail from now on. */
  plan(...faults: readonly PlannedFault[]): this {
    this.plans.push(...faults.map((plan) => ({ plan, passed: 0, failed: 0 })))
    return this
  }

  /** Let every call succeed from now on. */
  heal(): void {
    this.plans = []
  }

  async inspect(signal?: AbortSignal): Promise<StoreReport> {
    const fault = this.next('inspect')
    if (fault === null) return this.inner.inspect(signal)
    return { reachable: false, versioned: false, locked: false, problems: ['it does not answer'] }
  }

  async openUpload(
    key: ObjectKey,
    options: { readonly retainUntil: Date; readonly supersede?: boolean },
    signal?: AbortSignal,
  ): Promise<ObjectUpload> {
    return this.call(
      'open',
      key,
      signal,
      async () => new FaultyUpload(await this.inner.openUpload(key, options, signal), this, { key, signal }),
    )
  }

  async *get(key: ObjectKey, range?: ReadRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const fault = this.next('get', key)
    if (fault !== null && fault !== 'otherBytes') await fail(fault, signal)
    let first = true
    for await (const block of this.inner.get(key, range, signal)) {
      const bytes = Uint8Array.from(block)
      if (first && fault === 'otherBytes' && bytes.length > 0) bytes[0]! ^= 1
      first = false
      yield bytes
    }
  }

  stat(key: ObjectKey, signal?: AbortSignal): Promise<StoredObject | null> {
    return this.call('stat', key, signal, () => this.inner.stat(key, signal))
  }

  versions(key: ObjectKey, signal?: AbortSignal): Promise<readonly StoredObject[]> {
    return this.call('versions', key, signal, () => this.inner.versions(key, signal))
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject> {
    const fault = this.next('list')
    if (fault !== null) await fail(fault, signal)
    yield* this.inner.list(prefix, signal)
  }

  extendRetention(key: ObjectKey, versionId: string, retainUntil: Date, signal?: AbortSignal): Promise<StoredObject> {
    return this.call('extend', key, signal, () => this.inner.extendRetention(key, versionId, retainUntil, signal))
  }

  /** The fault of this call, if one is planned. */
  next(at: StoreCall, key?: ObjectKey): StoreFault | null {
    this.calls.set(at, (this.calls.get(at) ?? 0) + 1)
    for (const state of this.plans) {
      const { plan } = state
      if (plan.at !== at || (plan.key !== undefined && plan.key !== key)) continue
      if (state.passed++ < (plan.after ?? 0)) continue
      if (state.failed++ < (plan.times ?? 1)) return plan.fault
    }
    return null
  }

  /** Do it, or fail as planned. */
  async call<T>(at: StoreCall, key: ObjectKey, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const fault = this.next(at, key)
    if (fault === null) return work()
    if (fault === 'answerLost') await work()
    return fail(fault, signal)
  }
}

class FaultyUpload implements ObjectUpload {
  private sentBytes = 0
  /** Held back by one write, so that the last can be cut short. */
  private last: Uint8Array = new Uint8Array()

  constructor(
    private readonly inner: ObjectUpload,
    private readonly store: FaultyObjectStore,
    private readonly of: { readonly key: ObjectKey; readonly signal: AbortSignal | undefined },
  ) {}

  write(bytes: Uint8Array): Promise<void> {
    return this.store.call('write', this.of.key, this.of.signal, async () => {
      await this.inner.write(this.last)
      this.last = Uint8Array.from(bytes)
      this.sentBytes += bytes.length
    })
  }

  async complete(): Promise<StoredObject> {
    const fault = this.store.next('complete', this.of.key)
    if (fault !== null && fault !== 'shortWrite' && fault !== 'answerLost') return fail(fault, this.of.signal)
    await this.inner.write(fault === 'shortWrite' ? this.last.subarray(0, -1) : this.last)
    const stored = await this.inner.complete()
    return fault === 'answerLost' ? fail(fault, this.of.signal) : { ...stored, sizeBytes: this.sentBytes }
  }

  abort(): Promise<void> {
    return this.inner.abort()
  }
}

async function fail(fault: StoreFault, signal: AbortSignal | undefined): Promise<never> {
  if (fault === 'hang') {
    await new Promise((_, reject) => {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  }
  const code: ErrorCode = fault === 'refuse' ? 'STORE_REFUSED' : 'STORE_UNREACHABLE'
  throw new EscrowError(code, code === 'STORE_REFUSED' ? 'the store refuses (planned)' : 'the store does not answer (planned)')
}
