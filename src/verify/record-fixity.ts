import { Inject, Injectable } from '@nestjs/common'
import { Database, type Tx } from '../db/database.js'
import { AgreementShelf } from '../escrow/archive/agreement-shelf.js'
import type { ReplicaCopyRow } from '../escrow/archive/copy.table.js'
import type { StoredObjectRow } from '../escrow/archive/object.table.js'
import { AgreementId } from '../format/ids.js'
import { EventLog, type EventDraft } from '../log/event-log.js'
import type { FixityOutcome } from './verify.table.js'

/** Damage to one copy. */
export interface Damage {
  readonly object: StoredObjectRow
  readonly copy: ReplicaCopyRow
  readonly outcome: Exclude<FixityOutcome, 'match'>
  readonly foundDigest: string | null
}

/** A copy that took the place of a bad or missing one. */
export interface Repaired {
  readonly object: StoredObjectRow
  readonly replica: string
  readonly versionId: string
  readonly supersedes: string | null
  readonly copiedFrom: string
}

/** Puts damage and repair into the log of the agreement whose object it is, together with the row that says so. */
@Injectable()
export class RecordFixity {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
  ) {}

  /** Damage was found. @param change - gets the event's time, if there is an event. @throws EscrowError as `EventLog.record` */
  found({ object, copy, outcome, foundDigest }: Damage, change: (tx: Tx, at?: Date) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const what = { key: object.key, replica: copy.replica, versionId: copy.versionId, outcome, expectedDigest: object.digest, foundDigest }
    return this.record(object, (subject) => ({ type: 'escrow/event/fixity-mismatch-found/v1', ...subject, ...what }), change, signal)
  }

  /** Damage was repaired. @param change - as `found`. @throws EscrowError as `EventLog.record` */
  repaired({ object, ...what }: Repaired, change: (tx: Tx, at?: Date) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const said = { ...what, key: object.key, digest: object.digest }
    return this.record(object, (subject) => ({ type: 'escrow/event/object-repaired/v1', ...subject, ...said }), change, signal)
  }

  private async record(
    object: StoredObjectRow,
    draft: (subject: { readonly agreement: AgreementId; readonly subject: string }) => EventDraft,
    change: (tx: Tx, at?: Date) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    // What belongs to the service alone (README, tiles) concerns no party's chain of events.
    if (object.agreementId === null) return this.database.transaction((tx) => change(tx))
    const { annex } = await this.shelf.get(object.agreementId)
    const agreement = AgreementId.parse(object.agreementId)
    const subject = { agreement, subject: sourceOfKey(object.key) ?? agreement }
    await this.log.record(
      { draft: draft(subject), tagSecret: Buffer.from(annex.tagSecret, 'hex') },
      (tx, { event }) => change(tx, new Date(event.at)),
      signal,
    )
  }
}

/** The source that an object belongs to, by its key; null for the agreement's own documents. */
function sourceOfKey(key: string): string | null {
  return /^agreements\/[^/]+\/sources\/([^/]+)\//.exec(key)?.[1] ?? null
}
