import type { INestApplicationContext } from '@nestjs/common'
import { loadConfig } from '../../../config/load.js'
import { openAdapters } from '../../adapters.module.js'
import { startApplication } from '../../app.module.js'
import type { CommandContext } from '../command.js'

/**
 * Open the home folder of a service, do something with it, and let go of it again, whatever happens.
 *
 * @param work - gets the application; providers are found with `app.get`.
 * @throws EscrowError `HOME_MISSING`, `HOME_LOCKED`, `CONFIG_INVALID`, `REPLICA_*`, `KEY_*`; what `work` throws
 */
export async function withService<T>(context: CommandContext, work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = await loadConfig(context.home)
  const app = await startApplication(await openAdapters(config, undefined, context.signal))
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}
