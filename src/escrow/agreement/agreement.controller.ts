import { Body, Controller, Get, Inject, Param, Post, Query, Res } from '@nestjs/common'
import type { Response } from 'express'
import { z } from 'zod'
import { acceptancesBytesMax } from '../../core/http-limits.js'
import { AgreementId, Slug } from '../../format/ids.js'
import { signedDocumentType } from '../../http/media-type.js'
import { afterOf, pageFrom, pageOf, PageQuery, type Page } from '../../http/page.js'
import { Answers, AnswersBytes, Asking, TakesJson } from '../../http/route.js'
import { sendBytes } from '../../http/send-bytes.js'
import type { Viewer } from '../../http/viewer.js'
import * as views from '../visible/escrow.views.js'
import { SendAcceptances } from './send-acceptances.js'
import { VisibleAgreements } from '../visible/visible-agreements.js'

const Version = z.coerce.number().int().min(1).max(1_000_000)
const Acceptances = z.strictObject({ documents: z.array(z.base64()).min(1).max(64) }).meta({ id: 'Acceptances' })
const Arming = z
  .object({ agreement: AgreementId, armed: z.boolean(), accepted: z.array(z.number().int()), custodians: z.number().int() })
  .meta({ id: 'Arming' })

/** Agreements, their parties and sources. */
@Controller('v1/agreements')
export class AgreementController {
  constructor(
    @Inject(VisibleAgreements) private readonly agreements: VisibleAgreements,
    @Inject(SendAcceptances) private readonly send: SendAcceptances,
  ) {}

  @Get()
  @Answers(pageOf(views.AgreementSummary), 'The agreements that pin your key.')
  async list(@Asking() viewer: Viewer, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<unknown>> {
    const rows = await this.agreements.list(viewer, afterOf(query), query.limit)
    return pageFrom(rows, query, { keyOf: (row) => row.agreementId, show: views.showAgreement })
  }

  @Get(':agreement')
  @Answers(views.AgreementView, 'One agreement: the version in force, its vault and who has accepted.')
  async get(@Asking() viewer: Viewer, @Param('agreement', { schema: AgreementId }) agreement: AgreementId): Promise<unknown> {
    return views.showWholeAgreement(await this.agreements.get(viewer, agreement))
  }

  @Get(':agreement/parties')
  @Answers(z.object({ items: z.array(views.PartyView) }), 'The parties of the version in force, with the fingerprints of their keys.')
  async parties(@Asking() viewer: Viewer, @Param('agreement', { schema: AgreementId }) agreement: AgreementId): Promise<unknown> {
    return { items: (await this.agreements.parties(viewer, agreement)).map(views.showParty) }
  }

  @Get(':agreement/versions')
  @Answers(z.object({ items: z.array(views.VersionView) }), 'Every version there was, oldest first.')
  async versions(@Asking() viewer: Viewer, @Param('agreement', { schema: AgreementId }) agreement: AgreementId): Promise<unknown> {
    return { items: (await this.agreements.versions(viewer, agreement)).map(views.showVersion) }
  }

  @Get(':agreement/versions/:version/document')
  @AnswersBytes(signedDocumentType, 'The signed agreement, as its parties verify it.')
  async document(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Param('version', { schema: Version }) version: number,
    @Res() response: Response,
  ): Promise<void> {
    sendBytes(response, signedDocumentType, await this.agreements.document(viewer, { agreementId, version, what: 'document' }))
  }

  @Get(':agreement/versions/:version/annex')
  @AnswersBytes('application/octet-stream', 'The annex: an age file to the parties.')
  async annex(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Param('version', { schema: Version }) version: number,
    @Res() response: Response,
  ): Promise<void> {
    sendBytes(response, 'application/octet-stream', await this.agreements.document(viewer, { agreementId, version, what: 'annex' }))
  }

  @Post(':agreement/acceptances')
  @TakesJson(acceptancesBytesMax)
  @Answers(Arming, "Record custodians' signed acceptances of their shares, in base64: each custodian's for every epoch at once.")
  accept(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreement: AgreementId,
    @Body({ schema: Acceptances }) body: z.infer<typeof Acceptances>,
  ): Promise<unknown> {
    return this.send.run(
      viewer,
      agreement,
      body.documents.map((text) => Buffer.from(text, 'base64')),
    )
  }

  @Get(':agreement/sources')
  @Answers(pageOf(views.SourceView), 'The sources of an agreement by name, each with its newest deposit.')
  async sources(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<unknown>> {
    const found = await this.agreements.sources(viewer, { agreementId, after: afterOf(query), limit: query.limit })
    return pageFrom(found, query, { keyOf: ({ row }) => row.source, show: views.showSource })
  }

  @Get(':agreement/sources/:source')
  @Answers(views.SourceView, 'One source with its newest deposit.')
  async source(
    @Asking() viewer: Viewer,
    @Param('agreement', { schema: AgreementId }) agreementId: AgreementId,
    @Param('source', { schema: Slug }) source: string,
  ): Promise<unknown> {
    return views.showSource(await this.agreements.source(viewer, { agreementId, source }))
  }
}
