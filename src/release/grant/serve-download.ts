import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { isEscrowError } from '../../core/errors.js'
import { accessRecheckMs } from '../../core/http-limits.js'
import type { StoredObjectRow } from '../../escrow/archive/object.table.js'
import { parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { AccessLedger, refused, type Visit, type Visitor } from './access-ledger.js'
import { GrantedObjects } from './granted-objects.js'

/** What a beneficiary asks for. */
export interface DownloadWish extends Visitor {
  /** An object key as `ListDownload` gave it; attacker-controlled. */
  readonly key: string
  /** Where to go on; the whole object when left out. */
  readonly range?: {
    /** First byte, 0 or more. */
    readonly offset: number
    /** How many bytes, 1 or more; to the end when left out. More than there are means to the end. */
    readonly sizeBytes?: number
  }
}

/** A permitted download. It was written down; nothing has been read yet. */
export interface Download {
  readonly key: string
  /** SHA-256 of the whole object, also its entity tag: an object never changes. */
  readonly sha256: string
  /** Of the whole object. */
  readonly sizeBytes: number
  /** First byte of `body` in the object. */
  readonly offset: number
  /** Bytes of `body`. */
  readonly bodyBytes: number
  /**
   * Sealed bytes, every part verified before it is given. To be read once; ends with an EscrowError `GRANT_*` when the grant ends while it
   * runs, `OBJECT_*` or `STORE_*` when no replica gives a good part. Whoever stops early calls its `return`, as `for await` does.
   */
  readonly body: AsyncIterable<Uint8Array>
}

const malformed = 'malformed'

/** Hands released objects to the beneficiaries of a request: only what was granted, only in time, only from where it is allowed. */
@Injectable()
export class ServeDownload {
  constructor(
    @Inject(AccessLedger) private readonly ledger: AccessLedger,
    @Inject(GrantedObjects) private readonly objects: GrantedObjects,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Judge and record an access, and give what may be read.
   *
   * @param wish.party - who has authenticated; nothing here proves it again.
   * @throws EscrowError `GRANT_REFUSED` for no beneficiary or no object of the grant, `GRANT_REVOKED`, `GRANT_EXPIRED`, `NETWORK_REFUSED`,
   *   `RANGE_INVALID`, all recorded; `NOT_FOUND` when there is no such request for this party; `STORE_*`, `DATABASE_*`
   */
  async run(wish: DownloadWish, signal?: AbortSignal): Promise<Download> {
    const visit = await this.ledger.admit(wish)
    const { offset = 0, sizeBytes: wished } = wish.range ?? {}
    const asked = { key: keyOf(wish.key), offset: isCount(offset) ? offset : 0, sizeBytes: 0 }
    if (visit.verdict.refusal !== null) return this.ledger.refuse(visit, asked, visit.verdict.refusal, signal)
    const object = await this.objects.find(visit.known.row, { deposits: visit.grant?.deposits ?? [], key: asked.key })
    if (object === null) return this.ledger.refuse(visit, asked, 'GRANT_REFUSED', signal)
    if (!fits(object, offset, wished)) return this.ledger.refuse(visit, asked, 'RANGE_INVALID', signal)
    const bodyBytes = Math.min(wished ?? Infinity, object.sizeBytes - offset)
    const accessId = await this.ledger.allow(visit, { ...asked, sizeBytes: bodyBytes }, signal)
    const judgedMs = this.clock.now().getTime()
    const body = this.body(visit, { object, accessId, range: { offset, sizeBytes: bodyBytes }, judgedMs }, signal)
    return { key: object.key, sha256: object.digest, sizeBytes: object.sizeBytes, offset, bodyBytes, body }
  }

  private async *body(
    visit: Visit,
    what: {
      readonly object: StoredObjectRow
      readonly accessId: number
      readonly range: { readonly offset: number; readonly sizeBytes: number }
      readonly judgedMs: number
    },
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const { object, accessId, range } = what
    const { sizeBytes, digest: sha256, partBytes, partDigests: partSha256 } = object
    const expected = { sizeBytes, sha256, partBytes, partSha256 }
    let sentBytes = 0
    let { judgedMs } = what
    try {
      for await (const block of this.replicas.readVerifiedStream(parseObjectKey(object.key), expected, { range }, signal)) {
        if (this.clock.now().getTime() - judgedMs >= accessRecheckMs) {
          judgedMs = this.clock.now().getTime()
          const refusal = await this.ledger.stillRefused(visit)
          if (refusal !== null) throw refused(visit, refusal)
        }
        yield block
        sentBytes += block.byteLength
      }
    } finally {
      await this.ledger.end(accessId, sentBytes)
    }
  }
}

/** A key that is none cannot be granted; its characters are kept out of rows and log. */
function keyOf(text: string): string {
  try {
    return parseObjectKey(text)
  } catch (error) {
    if (isEscrowError(error, 'OBJECT_KEY_INVALID')) return malformed
    throw error
  }
}

/** The first byte lies in the object; an empty object has none, and is fetched whole. */
function fits(object: StoredObjectRow, offset: number, wished: number | undefined): boolean {
  if (!isCount(offset) || (wished !== undefined && (!isCount(wished) || wished === 0))) return false
  return offset < object.sizeBytes || (offset === 0 && wished === undefined)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
