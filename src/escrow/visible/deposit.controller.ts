import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common'
import type { Response } from 'express'
import { z } from 'zod'
import { AgreementId, DepositId, Sha256Hex, Slug } from '../../format/ids.js'
import { signedDocumentType } from '../../http/media-type.js'
import { countAfterOf, pageFrom, pageOf, PageQuery, type Page } from '../../http/page.js'
import { Answers, AnswersBytes, Asking, Only } from '../../http/route.js'
import { sendBytes } from '../../http/send-bytes.js'
import { answerUnchanged, goneSignal, streamBytes } from '../../http/stream-bytes.js'
import type { Viewer } from '../../http/viewer.js'
import { ProveEvent } from './prove-event.js'
import * as views from './escrow.views.js'
import { VisibleDeposits } from './visible-deposits.js'

const ProofQuery = z.object({ under: z.enum(['newest', 'witnessed']).default('newest') })

/** Deposits: what they are, what was noticed about them, and where their copies lie. */
@Controller('v1')
export class DepositController {
  constructor(
    @Inject(VisibleDeposits) private readonly deposits: VisibleDeposits,
    @Inject(ProveEvent) private readonly prove: ProveEvent,
  ) {}

  @Get('agreements/:agreement/sources/:source/deposits')
  @Answers(pageOf(views.DepositView), 'The deposits of a source, newest first.')
  async list(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Param('source', { schema: Slug }) source: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<unknown>> {
    const rows = await this.deposits.list(viewer, { agreementId, source, before: countAfterOf(query), limit: query.limit })
    return pageFrom(rows, query, { keyOf: (row) => String(row.sequence), show: views.showDeposit })
  }

  @Get('deposits/:deposit')
  @Answers(views.DepositView, 'One deposit.')
  async get(@Asking() viewer: Viewer, @Param('deposit', { schema: DepositId }) deposit: DepositId): Promise<unknown> {
    return views.showDeposit(await this.deposits.get(viewer, deposit))
  }

  @Get('deposits/:deposit/findings')
  @Answers(z.object({ items: z.array(views.FindingView) }), "What was noticed about a deposit, and the depositor's signed explanation.")
  async findings(@Asking() viewer: Viewer, @Param('deposit', { schema: DepositId }) deposit: DepositId): Promise<unknown> {
    return { items: (await this.deposits.findings(viewer, deposit)).map(views.showFinding) }
  }

  @Get('deposits/:deposit/objects')
  @Answers(
    z.object({ items: z.array(views.ObjectView) }),
    'The objects of a deposit and their copies: since when, last verified, locked until.',
  )
  async objects(@Asking() viewer: Viewer, @Param('deposit', { schema: DepositId }) deposit: DepositId): Promise<unknown> {
    return { items: views.showObjects(await this.deposits.copies(viewer, deposit)) }
  }

  @Get('deposits/:deposit/manifest')
  @AnswersBytes(signedDocumentType, 'The signed manifest: what the deposit contains.')
  async manifest(
    @Asking() viewer: Viewer,
    @Param('deposit', { schema: DepositId }) deposit: DepositId,
    @Res() response: Response,
  ): Promise<void> {
    sendBytes(response, signedDocumentType, await this.deposits.document(viewer, deposit, 'manifest'))
  }

  @Get('deposits/:deposit/receipt')
  @AnswersBytes(signedDocumentType, 'The signed receipt: that it is stored and logged; 404 while it waits for the log.')
  async receipt(
    @Asking() viewer: Viewer,
    @Param('deposit', { schema: DepositId }) deposit: DepositId,
    @Res() response: Response,
  ): Promise<void> {
    sendBytes(response, signedDocumentType, await this.deposits.document(viewer, deposit, 'receipt'))
  }

  @Get('deposits/:deposit/inventory')
  @Only('depositor', 'beneficiary', 'supervisor', 'agent')
  @AnswersBytes('application/octet-stream', 'The inventory as it is stored: an age file to those who may see names.')
  async inventory(
    @Asking() viewer: Viewer,
    @Param('deposit', { schema: DepositId }) deposit: DepositId,
    @Res() response: Response,
  ): Promise<void> {
    const gone = goneSignal(response)
    const bytes = await this.deposits.inventory(viewer, deposit, gone)
    if (answerUnchanged(response, bytes)) return
    await streamBytes(response, bytes, { ranged: false, gone })
  }

  @Get('agreements/:agreement/events')
  @Answers(pageOf(views.EventView), 'What was recorded under an agreement, oldest first. Each is a leaf of the log.')
  async events(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<unknown>> {
    const rows = await this.deposits.events(viewer, { agreementId, after: countAfterOf(query) ?? 0, limit: query.limit })
    return pageFrom(rows, query, { keyOf: (row) => String(row.entryId), show: views.showEvent })
  }

  @Get('events/:leaf')
  @AnswersBytes('application/json', 'The event behind a leaf, with the proof that it is in the log (docs/formats/release-case.md).')
  async event(
    @Asking() viewer: Viewer,
    @Param('leaf', { schema: Sha256Hex }) leafHash: string,
    @Query({ schema: ProofQuery }) query: z.infer<typeof ProofQuery>,
    @Res() response: Response,
  ): Promise<void> {
    sendBytes(response, 'application/json', await this.prove.run(viewer, { leafHash, under: query.under }))
  }
}
