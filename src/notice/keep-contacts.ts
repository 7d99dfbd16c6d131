import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { noticeContactsMax } from '../core/job-limits.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { newId } from '../format/ids.js'
import { parseMailAddress } from './mail.js'
import { NoticeOptions } from './notice-options.js'
import { saveContact, type NoticeChannel, type NoticeContactRow } from './notice.table.js'
import { endContact, findViewerParty, listContacts, type NoticeViewer } from './visible-notices.table.js'
import { parseWebhookUrl } from './webhook.js'

/** A contact as it is kept. */
export type KeptContact = NoticeContactRow

/** Where a party wants its notices. A party decides for itself alone. */
@Injectable()
export class KeepContacts {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(NoticeOptions) private readonly options: NoticeOptions,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Send the viewer's notices of an agreement to an address from now on. Idempotent.
   *
   * @throws EscrowError `NOT_FOUND` when the viewer is no party of it; `CONTACT_INVALID`
   */
  async run(
    viewer: NoticeViewer,
    wish: { readonly agreement: string; readonly channel: NoticeChannel; readonly address: string },
  ): Promise<NoticeContactRow> {
    const { agreement: agreementId, channel } = wish
    const address = this.checked(channel, wish.address)
    const row = {
      contactId: newId('ctc', this.entropy),
      agreementId,
      channel,
      address,
      state: 'active' as const,
      createdAt: this.clock.now(),
    }
    const saved = await this.database.transaction(async (tx) => {
      const party = await findViewerParty(tx, viewer, agreementId)
      if (party === null) throw new EscrowError('NOT_FOUND', 'there is nothing here that you can see')
      const mine = (await listContacts(tx, viewer, rowsMax)).filter((one) => one.agreementId === agreementId && one.state === 'active')
      const known = mine.some((one) => one.channel === channel && one.address === address)
      if (!known && mine.length >= noticeContactsMax)
        throw new EscrowError('CONTACT_INVALID', `expected at most ${noticeContactsMax} contacts`)
      return saveContact(tx, { ...row, party })
    })
    if (saved === null) throw new EscrowError('DATABASE_CONFLICT', 'the contact was changed by somebody else')
    return saved
  }

  /** The contacts of a viewer, oldest first, ended ones included; up to `rowsMax`. */
  list(viewer: NoticeViewer): Promise<readonly KeptContact[]> {
    return this.database.query((db) => listContacts(db, viewer, rowsMax))
  }

  /** Stop sending there. Idempotent. @throws EscrowError `NOT_FOUND` when the viewer has no such contact */
  async end(viewer: NoticeViewer, contactId: string): Promise<NoticeContactRow> {
    const ended = await this.database.transaction((tx) => endContact(tx, viewer, contactId, this.clock.now()))
    if (ended === null) throw new EscrowError('NOT_FOUND', 'there is nothing here that you can see')
    return ended
  }

  private checked(channel: NoticeChannel, address: string): string {
    if (channel === 'webhook') return parseWebhookUrl(address, this.options.rules).href
    if (this.options.mail === null) throw new EscrowError('CONTACT_INVALID', 'this service sends no e-mail; give a webhook')
    return parseMailAddress(address)
  }
}
