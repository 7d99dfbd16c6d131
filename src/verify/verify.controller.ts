import { Controller, Get, Inject, Param, Query } from '@nestjs/common'
import { z } from 'zod'
import { DepositId } from '../format/ids.js'
import { countAfterOf, pageFrom, pageOf, PageQuery, type Page } from '../http/page.js'
import { Answers, Asking } from '../http/route.js'
import type { Viewer } from '../http/viewer.js'
import { CheckView, ReplicaView, showCheck, showReplica } from './fixity.views.js'
import { VisibleFixity } from './visible-fixity.js'

/** Whether what was stored is still what it was, and where it lies. */
@Controller('v1')
export class VerifyController {
  constructor(@Inject(VisibleFixity) private readonly fixity: VisibleFixity) {}

  @Get('deposits/:deposit/fixity')
  @Answers(pageOf(CheckView), 'Every check of the copies of a deposit, newest first.')
  async checks(
    @Asking() viewer: Viewer,
    @Param('deposit', { schema: DepositId }) depositId: DepositId,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<unknown>> {
    const rows = await this.fixity.checks(viewer, { depositId, before: countAfterOf(query), limit: query.limit })
    return pageFrom(rows, query, { keyOf: ({ check }) => String(check.checkId), show: showCheck })
  }

  @Get('replicas')
  @Answers(z.object({ items: z.array(ReplicaView) }), 'Where every object is kept: in whose hands, under which law.')
  async replicas(): Promise<unknown> {
    return { items: (await this.fixity.replicas()).map(showReplica) }
  }
}
