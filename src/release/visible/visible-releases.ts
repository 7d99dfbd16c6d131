import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import type { Viewer } from '../../http/viewer.js'
import type { AlarmRow, SilenceRow } from '../custody/custody.table.js'
import { ExportCase, type CaseFile } from '../case/export-case.js'
import { listAccesses, listGrants, type GrantRow } from '../grant/grant.table.js'
import { listHeldShares, listStatements, type OrderRow, type RequestRow } from '../release.table.js'
import type { WholeRequest } from './release.views.js'
import {
  findOrderOf,
  findRequestOf,
  listAlarmsOf,
  listOrdersOf,
  listOwnGrants,
  listRequestsOf,
  listSilencesOf,
} from './visible-release.table.js'

/** Reads requests, orders, cases and grants for somebody: whatever another party has is not there. */
@Injectable()
export class VisibleReleases {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ExportCase) private readonly cases: ExportCase,
  ) {}

  /** Requests by id. @param asked.after - the last id of the page before; '' for the first. */
  requests(viewer: Viewer, asked: { readonly after: string; readonly limit: number }): Promise<readonly RequestRow[]> {
    return this.database.query((db) => listRequestsOf(db, viewer, asked))
  }

  /** One request with all that was recorded about it. @throws EscrowError `NOT_FOUND` */
  async request(viewer: Viewer, requestId: string): Promise<WholeRequest> {
    const row = await this.require(viewer, requestId)
    return readWhole(this.database, row)
  }

  /** The files with which a party verifies a case itself. @throws EscrowError `NOT_FOUND`; as `ExportCase.run` */
  async case(viewer: Viewer, requestId: string, signal?: AbortSignal): Promise<readonly CaseFile[]> {
    await this.require(viewer, requestId)
    return this.cases.run(requestId, signal)
  }

  /** Orders by digest and agreement. @param asked.after - the last of the page before; null for the first. */
  orders(
    viewer: Viewer,
    asked: { readonly after: { readonly orderDigest: string; readonly agreementId: string } | null; readonly limit: number },
  ): Promise<readonly OrderRow[]> {
    return this.database.query((db) => listOrdersOf(db, viewer, asked))
  }

  /** The files of an order in one agreement. @throws EscrowError `NOT_FOUND`; as `ExportCase.ofOrder` */
  async orderCase(viewer: Viewer, orderDigest: string, agreementId: string, signal?: AbortSignal): Promise<readonly CaseFile[]> {
    const row = await this.database.query((db) => findOrderOf(db, viewer, orderDigest, agreementId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no order ${orderDigest.slice(0, 16)} is registered in ${agreementId}`)
    return this.cases.ofOrder(row, signal)
  }

  /** What the viewer itself was granted, by request. @param asked.after - the last request of the page before; '' for the first. */
  grants(viewer: Viewer, asked: { readonly after: string; readonly limit: number }): Promise<readonly GrantRow[]> {
    return this.database.query((db) => listOwnGrants(db, viewer, asked))
  }

  /** Depositors who are silent, by agreement: the first thousand. */
  silences(viewer: Viewer): Promise<readonly SilenceRow[]> {
    return this.database.query((db) => listSilencesOf(db, viewer, rowsMax))
  }

  /** What is wrong with the custody of agreements: the first thousand. */
  alarms(viewer: Viewer): Promise<readonly AlarmRow[]> {
    return this.database.query((db) => listAlarmsOf(db, viewer, rowsMax))
  }

  private async require(viewer: Viewer, requestId: string): Promise<RequestRow> {
    const row = await this.database.query((db) => findRequestOf(db, viewer, requestId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no release request is named ${requestId}`)
    return row
  }
}

/** All that was recorded about a request, whoever asks: the caller has decided that it may be seen. */
export async function readWhole(database: Database, row: RequestRow): Promise<WholeRequest> {
  const { requestId, agreementId } = row
  return {
    row,
    statements: await database.query((db) => listStatements(db, requestId, agreementId)),
    shares: await database.query((db) => listHeldShares(db, requestId)),
    grants: await database.query((db) => listGrants(db, requestId)),
    accesses: await database.query((db) => listAccesses(db, requestId, 0, rowsMax)),
  }
}
