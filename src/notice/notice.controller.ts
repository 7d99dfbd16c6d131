import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common'
import { z } from 'zod'
import { AgreementId, ContactId, NoticeId } from '../format/ids.js'
import { Notice } from '../format/notice.js'
import { countAfterOf, pageFrom, pageOf, PageQuery, type Page } from '../http/page.js'
import { Answers, Asking, Only, TakesJson } from '../http/route.js'
import type { Viewer } from '../http/viewer.js'
import { KeepContacts, type KeptContact } from './keep-contacts.js'
import { ReadNotices, type ToldNotice } from './read-notices.js'

const DeliveryView = z.object({
  contact: ContactId,
  state: z.enum(['due', 'delivered', 'given-up']),
  attempts: z.number(),
  lastCode: z.string().nullable(),
})
const NoticeView = z
  .object({ notice: Notice, acknowledgedAt: z.string().nullable(), deliveries: z.array(DeliveryView) })
  .meta({ id: 'NoticeView' })
type NoticeView = z.infer<typeof NoticeView>
const NoticePage = pageOf(NoticeView).meta({ id: 'NoticePage' })
const NoticeQuery = PageQuery.extend({ open: z.enum(['true', 'false']).default('false') })
const Contact = z
  .object({
    contact: ContactId,
    agreement: AgreementId,
    party: z.string(),
    channel: z.enum(['webhook', 'email']),
    address: z.string(),
    state: z.enum(['active', 'ended']),
  })
  .meta({ id: 'Contact' })
type Contact = z.infer<typeof Contact>
const NewContact = z.strictObject({ agreement: AgreementId, channel: z.enum(['webhook', 'email']), address: z.string().min(3).max(2048) })
const Nothing = z.strictObject({})

/** What a party was told, and where it wants to be told. */
@Controller('v1/notices')
export class NoticeController {
  constructor(@Inject(ReadNotices) private readonly notices: ReadNotices) {}

  @Get()
  @Only('depositor', 'beneficiary', 'supervisor')
  @Answers(NoticePage, 'Your notices, newest first; with open=true only those that nobody has acknowledged.')
  async list(@Asking() viewer: Viewer, @Query({ schema: NoticeQuery }) query: z.infer<typeof NoticeQuery>): Promise<Page<NoticeView>> {
    const told = await this.notices.run(viewer, { before: countAfterOf(query), open: query.open === 'true', limit: query.limit })
    return pageFrom(told, query, { keyOf: ({ row }) => String(row.place), show: viewOf })
  }

  @Post(':notice/acknowledgement')
  @Only('depositor', 'beneficiary', 'supervisor')
  @TakesJson()
  @Answers(NoticeView, 'Say that you have taken note; the first time counts.')
  async acknowledge(
    @Asking() viewer: Viewer,
    @Param('notice', { schema: NoticeId }) notice: NoticeId,
    @Body({ schema: Nothing }) _body: z.infer<typeof Nothing>,
  ): Promise<NoticeView> {
    return viewOf(await this.notices.acknowledge(viewer, notice))
  }
}

/** Where a party wants to be told. */
@Controller('v1/contacts')
export class ContactController {
  constructor(@Inject(KeepContacts) private readonly contacts: KeepContacts) {}

  @Get()
  @Only('depositor', 'beneficiary', 'supervisor')
  @Answers(pageOf(Contact).meta({ id: 'ContactPage' }), 'Where your notices are sent.')
  async list(@Asking() viewer: Viewer): Promise<Page<Contact>> {
    const rows = await this.contacts.list(viewer)
    return { items: rows.map(contactOf), next: null }
  }

  @Post()
  @Only('depositor', 'beneficiary', 'supervisor')
  @TakesJson()
  @Answers(Contact, 'Send your notices of an agreement to a webhook or an e-mail address.')
  async add(@Asking() viewer: Viewer, @Body({ schema: NewContact }) wish: z.infer<typeof NewContact>): Promise<Contact> {
    return contactOf(await this.contacts.run(viewer, wish))
  }

  @Post(':contact/end')
  @Only('depositor', 'beneficiary', 'supervisor')
  @TakesJson()
  @Answers(Contact, 'Send nothing more there.')
  async end(
    @Asking() viewer: Viewer,
    @Param('contact', { schema: ContactId }) contact: ContactId,
    @Body({ schema: Nothing }) _body: z.infer<typeof Nothing>,
  ): Promise<Contact> {
    return contactOf(await this.contacts.end(viewer, contact))
  }
}

function viewOf({ row, deliveries }: ToldNotice): NoticeView {
  return {
    notice: Notice.parse(JSON.parse(row.body)),
    acknowledgedAt: row.acknowledgedAt?.toISOString() ?? null,
    deliveries: deliveries.map(({ contactId, state, attempts, lastCode }) => ({
      contact: ContactId.parse(contactId),
      state,
      attempts,
      lastCode,
    })),
  }
}

function contactOf({ contactId, agreementId, party, channel, address, state }: KeptContact): Contact {
  return { contact: ContactId.parse(contactId), agreement: AgreementId.parse(agreementId), party, channel, address, state }
}
