import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { objectKeys } from '../../store/object-key.js'
import { storeReadme } from '../../store/readme-text.js'
import { StoreDocument } from './store-document.js'

/** Lengthened like everything else while the service runs. */
const keptDays = 3650

/** Puts README.txt into every replica: how to restore, for a reader who has only the bucket. */
@Injectable()
export class StoreReadme {
  constructor(
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Idempotent while the text stays the same. @throws EscrowError `STORE_*` */
  async run(signal?: AbortSignal): Promise<void> {
    const retainUntil = new Date(this.clock.now().getTime() + keptDays * 86_400_000)
    const bytes = Buffer.from(storeReadme, 'utf8')
    await this.store.run({ key: objectKeys.readme(), bytes, purpose: 'readme', agreementId: null, attemptId: null, retainUntil }, signal)
  }
}
