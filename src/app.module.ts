import { Module, type DynamicModule, type INestApplicationContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AdaptersModule, type Adapters } from './adapters.module.js'
import { EscrowModule } from './escrow/escrow.module.js'
import { OptionsModule } from './options.module.js'
import { NoticeModule } from './notice/notice.module.js'
import { ReleaseModule } from './release/release.module.js'
import { VerifyModule } from './verify/verify.module.js'

/** The feature modules. Controllers and workers of the service come beside them and change no use case. */
@Module({})
export class AppModule {
  /** @param adapters - opened. */
  static async with(adapters: Adapters): Promise<DynamicModule> {
    return {
      module: AppModule,
      imports: [AdaptersModule.of(adapters), await OptionsModule.of(adapters), EscrowModule, VerifyModule, NoticeModule, ReleaseModule],
    }
  }
}

/**
 * The application without a server, for commands and workers.
 *
 * @param adapters - opened; owned by the application from now on, also when it cannot start.
 * @returns the context; the caller closes it, and with it the adapters.
 */
export async function startApplication(adapters: Adapters): Promise<INestApplicationContext> {
  try {
    return await NestFactory.createApplicationContext(await AppModule.with(adapters), { logger: ['error', 'warn'], abortOnError: false })
  } catch (error) {
    await adapters.close()
    throw error
  }
}
