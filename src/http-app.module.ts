// The application with a server: the features' controllers beside the use cases, and what stands between them and the network.
import { Module, type DynamicModule } from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { AddressInfo } from 'node:net'
import type { DestinationStream } from 'pino'
import type { Adapters } from './adapters.module.js'
import { AppModule } from './app.module.js'
import { Entropy } from './core/environment.js'
import { httpShutdownMs } from './core/http-limits.js'
import { AttachmentController } from './escrow/attachment/attachment.controller.js'
import { LfsController } from './escrow/attachment/lfs.controller.js'
import { OfferController } from './escrow/sealed/offer.controller.js'
import { PushController } from './escrow/push/push.controller.js'
import { PushIntake } from './escrow/push/push-intake.js'
import { AgreementController } from './escrow/agreement/agreement.controller.js'
import { DepositController } from './escrow/visible/deposit.controller.js'
import { PartyGuard } from './escrow/token/party.guard.js'
import { EscrowModule } from './escrow/escrow.module.js'
import { configureServer } from './http/configure-server.js'
import { HealthController } from './http/health.controller.js'
import { HttpOptions } from './http/http-options.js'
import { IdempotencyInterceptor } from './http/idempotency.interceptor.js'
import { JsonServer } from './http/json-server.js'
import { Metrics } from './http/metrics.js'
import { MetricsController } from './http/metrics.controller.js'
import { HttpPatience, usualPatience } from './http/patience.js'
import { ProblemFilter } from './http/problem.filter.js'
import { Readiness } from './http/readiness.js'
import { RequestLog } from './http/request-log.js'
import { ContactController, NoticeController } from './notice/notice.controller.js'
import { NoticeModule } from './notice/notice.module.js'
import { JobsModule, type JobsWish } from './jobs.module.js'
import { BeginLog } from './log/begin-log.js'
import { LogController } from './log/log.controller.js'
import { LogModule } from './log/log.module.js'
import { GrantController } from './release/visible/grant.controller.js'
import { ReleaseController } from './release/visible/release.controller.js'
import { ReleaseModule } from './release/release.module.js'
import { ServiceGauges } from './service-gauges.js'
import { VerifyController } from './verify/verify.controller.js'
import { VerifyModule } from './verify/verify.module.js'

/** Every controller of the service, in the order in which the API document shows them. */
const controllers = [
  AgreementController,
  DepositController,
  VerifyController,
  ReleaseController,
  GrantController,
  LogController,
  AttachmentController,
  LfsController,
  OfferController,
  PushController,
  NoticeController,
  ContactController,
  HealthController,
  MetricsController,
]

/** Of a process that only works: for whoever starts, stops and watches it. */
const workerControllers = [HealthController, MetricsController]

/** What a process does: answer parties, do jobs, or both. */
export type ServerRole = 'api' | 'worker' | 'all'

/** How a server is made. */
export interface ServerWish {
  /** `api` when left out. */
  readonly role?: ServerRole
  /** Where the log goes; standard error when left out. */
  readonly logTo?: DestinationStream
  /** How jobs are done, where tests want them otherwise. */
  readonly jobs?: Pick<JobsWish, 'ticking' | 'rules'>
  /** With slow clients; the usual one when left out. */
  readonly patience?: HttpPatience
}

/** Nest's application with its own router and a server on Express. */
@Module({})
export class HttpAppModule {
  /** @param adapters - opened. */
  static async with(adapters: Adapters, { role = 'api', logTo, jobs, patience = usualPatience }: ServerWish = {}): Promise<DynamicModule> {
    const metrics = new Metrics()
    const works =
      role === 'api'
        ? []
        : [await JobsModule.of(adapters, { registry: metrics.registry, ...jobs, ...(logTo === undefined ? {} : { logTo }) })]
    return {
      module: HttpAppModule,
      imports: [await AppModule.with(adapters), EscrowModule, NoticeModule, VerifyModule, ReleaseModule, LogModule, ...works],
      controllers: role === 'worker' ? workerControllers : controllers,
      providers: [
        { provide: Metrics, useValue: metrics },
        { provide: HttpPatience, useValue: patience },
        BeginLog,
        PushIntake,
        ServiceGauges,
        ProblemFilter,
        Readiness,
        IdempotencyInterceptor,
        { provide: RequestLog, inject: [Entropy], useFactory: (entropy: Entropy) => new RequestLog(entropy, logTo) },
        { provide: APP_GUARD, useClass: PartyGuard },
      ],
    }
  }
}

/**
 * The application with its server, which does not listen yet.
 *
 * @param adapters - opened; owned by the application from now on, also when it cannot start.
 * @returns an initialised application; the caller closes it, and with it the adapters.
 */
export async function makeServer(adapters: Adapters, wish: ServerWish = {}): Promise<NestExpressApplication> {
  try {
    // Bodies are read after the guard, by the routes that take any.
    const options = { bodyParser: false, abortOnError: false, logger: ['error', 'warn'], return503OnClosing: true } as const
    const app = await NestFactory.create<NestExpressApplication>(
      await HttpAppModule.with(adapters, wish),
      new JsonServer(wish.patience ?? usualPatience),
      {
        ...options,
        logger: [...options.logger],
      },
    )
    configureServer(app)
    await app.init()
    return app
  } catch (error) {
    await adapters.close()
    throw error
  }
}

/** A service that answers. */
export interface ListeningServer {
  readonly url: string
  readonly app: NestExpressApplication
  /** Stop listening, let requests under way end, then close everything. */
  close(): Promise<void>
}

/**
 * Start answering.
 *
 * @throws what listening throws, when the port is taken or not allowed; then nothing stays open.
 */
export async function listen(app: NestExpressApplication): Promise<ListeningServer> {
  const { host, port } = app.get<HttpOptions>(HttpOptions)
  try {
    await app.listen(port, host)
  } catch (error) {
    await app.close()
    throw error
  }
  const server = app.getHttpServer()
  const { address, port: bound, family } = server.address() as AddressInfo
  const close = async () => {
    // Who has not ended by then is cut: an operator who stops the service wants it to stop.
    const timer = setTimeout(() => server.closeAllConnections(), httpShutdownMs)
    await app.close()
    clearTimeout(timer)
  }
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`, app, close }
}
