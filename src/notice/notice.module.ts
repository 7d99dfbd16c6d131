import { Module } from '@nestjs/common'
import { EscrowModule } from '../escrow/escrow.module.js'
import { LogModule } from '../log/log.module.js'
import { AnnounceEvents } from './announce-events.js'
import { DeliverNotices } from './deliver-notices.js'
import { KeepContacts } from './keep-contacts.js'
import { ReadNotices } from './read-notices.js'
import { WarnLate } from './warn-late.js'

const useCases = [AnnounceEvents, DeliverNotices, KeepContacts, ReadNotices, WarnLate]

/** Telling the parties what happens. Needs `NoticeOptions` and `LogOptions`. */
@Module({ imports: [LogModule, EscrowModule], providers: useCases, exports: useCases })
export class NoticeModule {}
