import { Inject, Injectable } from '@nestjs/common'
import { AgreementId, RequestId } from '../../format/ids.js'
import { objectKeys } from '../../store/object-key.js'
import { AccessLedger, type Visitor } from './access-ledger.js'
import type { GrantedDeposit } from './grant.table.js'
import { GrantedObjects } from './granted-objects.js'

/** What a beneficiary may fetch. */
export interface DownloadList {
  readonly requestId: string
  readonly agreementId: string
  readonly deposits: readonly GrantedDeposit[]
  readonly expiresAt: Date
  /** By when copies must be returned or destroyed; null when they may be kept. */
  readonly returnByAt: Date | null
  /** Every object, by key: together they are an archive that `escrow open` restores from. */
  readonly objects: readonly { readonly key: string; readonly sizeBytes: number; readonly sha256: string }[]
}

/** Tells a beneficiary what it was granted. It is judged and recorded like a download: names of sources are no public matter. */
@Injectable()
export class ListDownload {
  constructor(
    @Inject(AccessLedger) private readonly ledger: AccessLedger,
    @Inject(GrantedObjects) private readonly objects: GrantedObjects,
  ) {}

  /** List what `ServeDownload` gives. @throws EscrowError as `ServeDownload` */
  async run(visitor: Visitor, signal?: AbortSignal): Promise<DownloadList> {
    const visit = await this.ledger.admit(visitor)
    const { row, known, grant, verdict } = visit
    const place = objectKeys.releases(AgreementId.parse(row.agreementId), RequestId.parse(row.requestId))
    const fetched = { key: place, offset: 0, sizeBytes: 0 }
    if (grant === null || verdict.refusal !== null) return this.ledger.refuse(visit, fetched, verdict.refusal ?? 'GRANT_REFUSED', signal)
    const found = new Map<string, { readonly key: string; readonly sizeBytes: number; readonly sha256: string }>()
    const add = (object: { readonly key: string; readonly sizeBytes: number; readonly digest: string }) =>
      found.set(object.key, { key: object.key, sizeBytes: object.sizeBytes, sha256: object.digest })
    for (const object of await this.objects.documents(known.row)) add(object)
    for (const deposit of grant.deposits) {
      for (const object of await this.objects.of(await this.objects.chain(row.agreementId, deposit))) add(object)
    }
    await this.ledger.end(await this.ledger.allow(visit, fetched, signal), 0)
    const { deposits, expiresAt, returnByAt } = grant
    const objects = [...found.values()].toSorted((left, right) => (left.key < right.key ? -1 : 1))
    return { requestId: row.requestId, agreementId: row.agreementId, deposits, expiresAt, returnByAt, objects }
  }
}
