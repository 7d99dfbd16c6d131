import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { findOwnName } from '../../escrow/visible/visible.table.js'
import type { Viewer } from '../../http/viewer.js'
import { ListDownload, type DownloadList } from '../grant/list-download.js'
import { ServeDownload, type Download, type DownloadWish } from '../grant/serve-download.js'
import { findRequestOf } from './visible-release.table.js'

/** Where a viewer asks from, and for which request. */
export interface Door {
  readonly requestId: string
  /** The peer's address as the connection shows it, behind the configured proxies. */
  readonly address: string
}

/** Serves downloads to who has authenticated with a token: the token says which party of the agreement it is. */
@Injectable()
export class ServeGrant {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ListDownload) private readonly lists: ListDownload,
    @Inject(ServeDownload) private readonly downloads: ServeDownload,
  ) {}

  /** What may be fetched. @throws EscrowError `NOT_FOUND`; as `ListDownload.run` */
  async list(viewer: Viewer, door: Door): Promise<DownloadList> {
    return this.lists.run({ ...door, party: await this.partyOf(viewer, door) })
  }

  /** Bytes of one object. @throws EscrowError `NOT_FOUND`; as `ServeDownload.run` */
  async fetch(viewer: Viewer, door: Door, what: Pick<DownloadWish, 'key' | 'range'>, signal: AbortSignal): Promise<Download> {
    return this.downloads.run({ ...door, ...what, party: await this.partyOf(viewer, door) }, signal)
  }

  private async partyOf(viewer: Viewer, { requestId }: Door): Promise<string> {
    const row = await this.database.query((db) => findRequestOf(db, viewer, requestId))
    const party = row === null ? null : await this.database.query((db) => findOwnName(db, viewer, row.agreementId))
    if (party === null) throw new EscrowError('NOT_FOUND', `no release request is named ${requestId}`)
    return party
  }
}
