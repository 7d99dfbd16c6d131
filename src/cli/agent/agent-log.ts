import type { INestApplicationContext } from '@nestjs/common'
import { PublishLog } from '../../escrow/deposit/publish-log.js'

/** Bring pending entries into the log and issue the receipts that wait for them, before a command ends. */
export async function publishLog(app: INestApplicationContext, signal: AbortSignal): Promise<void> {
  await app.get(PublishLog).run(signal)
}
