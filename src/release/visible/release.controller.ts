import { Controller, Get, Inject, Param, Post, Query } from '@nestjs/common'
import { z } from 'zod'
import { evidenceBytesMax } from '../../core/limits.js'
import { AgreementId, RequestId, Sha256Hex } from '../../format/ids.js'
import { afterOf, pageFrom, pageOf, PageQuery, strangeCursor, type Page } from '../../http/page.js'
import { Answers, Asking, SentDocument, TakesDocument, TakesFile } from '../../http/route.js'
import type { Viewer } from '../../http/viewer.js'
import type { CaseFile } from '../case/export-case.js'
import * as views from './release.views.js'
import { SendEvidence } from '../case/send-evidence.js'
import { SendStatement } from '../send-statement.js'
import { VisibleReleases } from './visible-releases.js'

const orderKey = /^([0-9a-f]{64}) (agr_[a-z2-7]{20})$/

/** The release path: whatever is said on it is a signed statement. */
@Controller('v1')
export class ReleaseController {
  constructor(
    @Inject(VisibleReleases) private readonly releases: VisibleReleases,
    @Inject(SendStatement) private readonly send: SendStatement,
    @Inject(SendEvidence) private readonly evidence: SendEvidence,
  ) {}

  @Post('statements')
  @TakesDocument()
  @Answers(
    views.SentView,
    'Record a signed statement wherever it says something: requests, orders, votes, shares, explanations, heartbeats.',
  )
  async record(@Asking() viewer: Viewer, @SentDocument() bytes: Uint8Array): Promise<unknown> {
    const { outcomes, explained } = await this.send.run(viewer, bytes)
    return { outcomes: outcomes.map(views.showOutcome), explained }
  }

  @Post('statements/:statement/evidence')
  @TakesFile(evidenceBytesMax)
  @Answers(views.KeptView, 'Keep a document that a recorded statement names, so that everybody who judges the case can read it.')
  async keep(
    @Asking() viewer: Viewer,
    @Param('statement', { schema: Sha256Hex }) statement: string,
    @SentDocument() bytes: Uint8Array,
  ): Promise<unknown> {
    return { sha256: await this.evidence.run(viewer, { statement, bytes }) }
  }

  @Get('release-requests')
  @Answers(pageOf(views.RequestSummary), 'Release requests under your agreements.')
  async requests(@Asking() viewer: Viewer, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<unknown>> {
    const rows = await this.releases.requests(viewer, { after: afterOf(query), limit: query.limit })
    return pageFrom(rows, query, { keyOf: (row) => row.requestId, show: views.showRequest })
  }

  @Get('release-requests/:request')
  @Answers(views.RequestView, 'One request: its statements, shares, grants and accesses.')
  async request(@Asking() viewer: Viewer, @Param('request', { schema: RequestId }) request: RequestId): Promise<unknown> {
    return views.showWholeRequest(await this.releases.request(viewer, request))
  }

  @Get('release-requests/:request/case')
  @Answers(views.CaseView, 'The files with which a party verifies a case itself (docs/formats/release-case.md), in base64.')
  async case(@Asking() viewer: Viewer, @Param('request', { schema: RequestId }) request: RequestId): Promise<unknown> {
    return showFiles(await this.releases.case(viewer, request))
  }

  @Get('orders')
  @Answers(pageOf(views.OrderView), 'Shutdown orders that reach your agreements, one entry for each agreement.')
  async orders(@Asking() viewer: Viewer, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<unknown>> {
    const [, orderDigest, agreementId] = orderKey.exec(afterOf(query)) ?? []
    const after = orderDigest === undefined || agreementId === undefined ? null : { orderDigest, agreementId }
    if (after === null && query.cursor !== undefined) throw strangeCursor()
    const rows = await this.releases.orders(viewer, { after, limit: query.limit })
    return pageFrom(rows, query, { keyOf: (row) => `${row.orderDigest} ${row.agreementId}`, show: views.showOrder })
  }

  @Get('orders/:order/agreements/:agreement/case')
  @Answers(views.CaseView, 'The files of an order in one agreement, in base64.')
  async orderCase(
    @Asking() viewer: Viewer,
    @Param('order', { schema: Sha256Hex }) order: string,
    @Param('agreement', { schema: AgreementId }) agreement: AgreementId,
  ): Promise<unknown> {
    return showFiles(await this.releases.orderCase(viewer, order, agreement))
  }

  @Get('alarms')
  @Answers(
    z.object({ items: z.array(views.AlarmView) }),
    'What is wrong with the custody of your agreements: too few healthy shares, drills overdue ...',
  )
  async alarms(@Asking() viewer: Viewer): Promise<unknown> {
    return { items: (await this.releases.alarms(viewer)).map(views.showAlarm) }
  }

  @Get('silences')
  @Answers(z.object({ items: z.array(views.SilenceView) }), 'Depositors of your agreements who are silent.')
  async silences(@Asking() viewer: Viewer): Promise<unknown> {
    return { items: (await this.releases.silences(viewer)).map(views.showSilence) }
  }
}

function showFiles(files: readonly CaseFile[]): z.input<typeof views.CaseView> {
  return { items: files.map(({ path, bytes }) => ({ path, base64: Buffer.from(bytes).toString('base64') })) }
}
