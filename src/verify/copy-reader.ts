import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { Digester } from '../crypto/digest.js'
import { parseObjectKey } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import { judgeCopy, judgeFault, type ReadCopy } from './fixity.js'
import { ReadPace } from './read-pace.js'
import type { CopyOfObject } from './verify.table.js'

/** Reads a stored copy, or a part of one, and compares it with what it must be. Nothing is recorded. */
@Injectable()
export class CopyReader {
  constructor(@Inject(ReplicaSet) private readonly replicas: ReplicaSet) {}

  /** @throws EscrowError `NOT_FOUND` for an unknown replica */
  requireReplica(name: string): void {
    this.replicas.named(name)
  }

  /**
   * Read a whole copy as the index knows it, and then what lies over it under its name, if anything does. One that is not as it must be is read once more before anybody is told: memory and networks err too.
   *
   * @param pace - as fast as it goes when left out.
   * @throws the signal's reason; `OBJECT_KEY_INVALID`
   */
  async whole(one: CopyOfObject, pace?: ReadPace, signal?: AbortSignal): Promise<ReadCopy> {
    const first = await this.readWhole(one, pace, signal)
    return first.outcome === 'match' ? first : this.readWhole(one, pace, signal)
  }

  /**
   * Whoever may put objects can lay another version, or a delete marker, over a locked one. Nothing is lost by it, but whoever reads by name, as
   * people with plain tools do, then gets other bytes or none: a copy matches when both do.
   */
  private async readWhole(one: CopyOfObject, pace?: ReadPace, signal?: AbortSignal): Promise<ReadCopy> {
    const { digest, sizeBytes } = one.object
    const recorded = await this.read(one, { digest, sizeBytes, offset: 0 }, pace, signal)
    if (recorded.outcome !== 'match') return recorded
    const shown = await this.shownVersion(one, signal)
    if (shown === one.copy.versionId) return recorded
    if (typeof shown !== 'string') return shown
    return this.read({ ...one, copy: { ...one.copy, versionId: shown } }, { digest, sizeBytes, offset: 0 }, pace, signal)
  }

  /** The version that a reader gets by the object's name, or what it means that there is none. */
  private async shownVersion({ copy, object }: CopyOfObject, signal?: AbortSignal): Promise<string | ReadCopy> {
    try {
      const newest = await this.replicas.named(copy.replica).store.stat(parseObjectKey(object.key), signal)
      return newest?.versionId ?? { outcome: 'missing', foundDigest: null }
    } catch (error) {
      return judged(error, signal)
    }
  }

  /** Read one part of a copy. @param part - from 0, below the number of parts. @throws as `whole` */
  part(one: CopyOfObject, part: number, pace?: ReadPace, signal?: AbortSignal): Promise<ReadCopy> {
    const { partBytes, partDigests, sizeBytes } = one.object
    const offset = part * partBytes
    return this.read(one, { digest: partDigests[part] ?? '', sizeBytes: Math.min(partBytes, sizeBytes - offset), offset }, pace, signal)
  }

  private async read(
    { copy, object }: CopyOfObject,
    expected: { readonly digest: string; readonly sizeBytes: number; readonly offset: number },
    pace?: ReadPace,
    signal?: AbortSignal,
  ): Promise<ReadCopy> {
    const digester = new Digester()
    const { offset, sizeBytes } = expected
    // A whole copy is read to its end, so that bytes which do not belong to it are seen too.
    const piece = offset === 0 && sizeBytes === object.sizeBytes ? {} : { offset, sizeBytes }
    try {
      const { store } = this.replicas.named(copy.replica)
      for await (const block of store.get(parseObjectKey(object.key), { versionId: copy.versionId, transient: true, ...piece }, signal)) {
        digester.update(block)
        await pace?.spend(copy.replica, block.length, signal)
      }
      return judgeCopy(expected, digester.finish())
    } catch (error) {
      return judged(error, signal)
    }
  }
}

function judged(error: unknown, signal?: AbortSignal): ReadCopy {
  signal?.throwIfAborted()
  if (!(error instanceof EscrowError) || isEscrowError(error, 'OBJECT_KEY_INVALID')) throw error
  return judgeFault(error)
}
