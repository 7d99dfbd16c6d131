import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common'
import type { Request, Response } from 'express'
import { RequestId } from '../../format/ids.js'
import { parseRange } from '../../http/byte-range.js'
import { afterOf, pageFrom, pageOf, PageQuery, type Page } from '../../http/page.js'
import { Answers, AnswersBytes, Asking, Only, TakesRest } from '../../http/route.js'
import { goneSignal, streamBytes } from '../../http/stream-bytes.js'
import type { Viewer } from '../../http/viewer.js'
import { DownloadView, GrantView, showDownload, showGrant } from './release.views.js'
import { ServeGrant } from './serve-grant.js'
import { VisibleReleases } from './visible-releases.js'

/** What was released, for who received it. Every access is judged and written down, also a refused one. */
@Controller('v1/grants')
export class GrantController {
  constructor(
    @Inject(VisibleReleases) private readonly releases: VisibleReleases,
    @Inject(ServeGrant) private readonly serve: ServeGrant,
  ) {}

  @Get()
  @Only('beneficiary')
  @Answers(pageOf(GrantView), 'What you were granted.')
  async list(@Asking() viewer: Viewer, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<unknown>> {
    const rows = await this.releases.grants(viewer, { after: afterOf(query), limit: query.limit })
    return pageFrom(rows, query, { keyOf: (row) => row.requestId, show: showGrant })
  }

  @Get(':request')
  @Only('beneficiary')
  @Answers(DownloadView, 'Every object of a grant, with sizes and digests: together they are an archive that `escrow open` restores from.')
  async objects(
    @Asking() viewer: Viewer,
    @Param('request', { schema: RequestId }) requestId: RequestId,
    @Req() request: Request,
  ): Promise<unknown> {
    return showDownload(await this.serve.list(viewer, { requestId, address: request.ip ?? '' }))
  }

  @Get(':request/objects/*key')
  @Only('beneficiary')
  @TakesRest('key', 'agreements/agr_fzouyu2hznuzc7usifod/agreement-1.json')
  @AnswersBytes('application/octet-stream', 'One sealed object. `Range: bytes=n-` goes on where a download stopped.')
  async fetch(
    @Asking() viewer: Viewer,
    @Param('request', { schema: RequestId }) requestId: RequestId,
    @Param('key') key: readonly string[] | string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    // Who asks with If-Range gets the whole, which is always right: nobody is told which version it has before access is judged.
    const range = request.headers['if-range'] === undefined ? parseRange(request.headers.range) : null
    const gone = goneSignal(response)
    const door = { requestId, address: request.ip ?? '' }
    const what = { key: typeof key === 'string' ? key : key.join('/'), ...(range === null ? {} : { range }) }
    await streamBytes(response, await this.serve.fetch(viewer, door, what, gone), { ranged: range !== null, gone })
  }
}
