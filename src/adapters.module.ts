// The only file that picks adapters: opens what the configuration names, and gives it to the feature modules.
import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import { dirname, join } from 'node:path'
import { readSecretFile } from '../config/load.js'
import { CONFIG, type Config, type DatabaseConfig, type ReplicaConfig } from '../config/schema.js'
import { Clock, Entropy, SystemClock, SystemEntropy } from './core/environment.js'
import { EscrowError } from './core/errors.js'
import { Database } from './db/database.js'
import { PgliteDatabase } from './db/pglite-database.js'
import { PostgresDatabase } from './db/postgres-database.js'
import { verdictOnStore } from './escrow/jurisdiction.js'
import { CapabilityCache } from './git/http-remote.js'
import { HttpTransport } from './git/http-transport.js'
import type { RemoteSetup } from './git/open-remote.js'
import { checkReplicas } from './store/check-replicas.js'
import { FsLogHeadStore } from './store/fs-log-head-store.js'
import { FsOfferInbox } from './store/fs-offer-inbox.js'
import { FsObjectStore } from './store/fs-object-store.js'
import { makeStoreFolder } from './store/fs-store-folder.js'
import { pgliteQueue, postgresQueue, redisQueue, type QueueConnection } from './jobs/queue-connection.js'
import { OfferInbox } from './store/offer-inbox.js'
import { ReplicaSet } from './store/replica-set.js'
import type { Replica } from './store/replica.js'
import { makeStoreBuckets } from './store/s3-bucket.js'
import type { S3Address } from './store/s3-connection.js'
import { S3LogHeadStore } from './store/s3-log-head-store.js'
import { S3ObjectStore } from './store/s3-object-store.js'

/** Everything between the service and the world, opened. */
export interface Adapters {
  readonly config: Config
  readonly clock: Clock
  readonly entropy: Entropy
  readonly database: Database
  readonly replicas: ReplicaSet
  readonly remotes: RemoteSetup
  readonly inbox: OfferInbox
  /**
   * Connect to the queue, once; only workers need it. It is closed with the adapters.
   *
   * @throws EscrowError `QUEUE_UNAVAILABLE`, `FILE_UNREADABLE`
   */
  readonly openQueue: () => Promise<QueueConnection>
  /** Close what was opened; idempotent. */
  readonly close: () => Promise<void>
}

/** What tests put in the place of the computer's clock and randomness, and of the configured database. */
export interface Surroundings {
  readonly clock: Clock
  readonly entropy: Entropy
  /** Opened; closed with the adapters. */
  readonly database?: Database
  /** In the place of the configured queue. */
  readonly openQueue?: () => Promise<QueueConnection>
}

/**
 * Open the adapters that the configuration names, after checking every replica against the operator's policy.
 *
 * @returns adapters that the caller closes.
 * @throws EscrowError `REPLICA_POLICY`, `REPLICA_UNSUITABLE`, `STORE_UNREACHABLE`, `HOME_LOCKED`, `DATABASE_UNAVAILABLE`,
 * `CONFIG_INVALID`, `FILE_UNREADABLE`; then nothing stays open.
 */
export async function openAdapters(config: Config, surroundings?: Surroundings, signal?: AbortSignal): Promise<Adapters> {
  const { clock, entropy, ...given }: Surroundings = surroundings ?? { clock: new SystemClock(), entropy: new SystemEntropy() }
  const replicas = new ReplicaSet(await Promise.all(config.replicas.map((replica) => openReplica(replica, { clock, entropy }))))
  await checkReplicas(replicas.replicas, (replica) => verdictOnStore(replica, config.jurisdiction), signal)
  const database = given.database ?? (await openDatabase(config.database))
  const { idleTimeoutMs } = config.remotes
  const transport = new HttpTransport({ rules: config.remotes, idleTimeoutMs })
  const remotes = { rules: config.remotes, transport, cache: new CapabilityCache(), idleTimeoutMs }
  let queue: Promise<QueueConnection> | undefined
  const openQueue = () => (queue ??= given.openQueue?.() ?? openConfiguredQueue(config, database))
  const close = async () => {
    transport.close()
    // One that could not be opened has nothing to close.
    await queue?.then((opened) => opened.close()).catch(() => undefined)
    await database.close()
  }
  // Beside scratch: what is in there is ciphertext, and another start of the service goes on with it.
  const inbox = new FsOfferInbox(join(dirname(config.scratch.folder), 'inbox'), clock, entropy)
  return { config, clock, entropy, database, replicas, remotes, inbox, openQueue, close }
}

/**
 * Make what the configured replicas need, for `escrow init`: folders, or a bucket with object lock and an unlocked one beside it. Idempotent;
 * what exists is left as it is, and the start-up check says whether it will do.
 *
 * @throws EscrowError `STORE_REFUSED`, `STORE_UNREACHABLE`, `FILE_UNREADABLE`
 */
export async function makeReplicas(replicas: readonly ReplicaConfig[], signal?: AbortSignal): Promise<void> {
  for (const replica of replicas) {
    if (replica.kind === 'folder') for (const folder of Object.values(foldersOf(replica.path))) await makeStoreFolder(folder)
    else {
      const address = await addressOf(replica)
      await makeStoreBuckets({ ...address, bucket: replica.bucket }, { ...address, bucket: replica.headBucket }, signal)
    }
  }
}

/** The token of the opened adapters as a whole. */
export const ADAPTERS = Symbol('Adapters')
/** The token of what remotes are opened with: a `RemoteSetup`. */
export const REMOTES = Symbol('RemoteSetup')

/** Gives every feature module the ports, the configuration, the clock and randomness; closes them when the application ends. */
@Global()
@Module({})
export class AdaptersModule implements OnApplicationShutdown {
  constructor(@Inject(ADAPTERS) private readonly adapters: Adapters) {}

  /** @param adapters - opened; the module owns them from now on. */
  static of(adapters: Adapters): DynamicModule {
    const providers = [
      { provide: ADAPTERS, useValue: adapters },
      { provide: CONFIG, useValue: adapters.config },
      { provide: Clock, useValue: adapters.clock },
      { provide: Entropy, useValue: adapters.entropy },
      { provide: Database, useValue: adapters.database },
      { provide: ReplicaSet, useValue: adapters.replicas },
      { provide: OfferInbox, useValue: adapters.inbox },
      { provide: REMOTES, useValue: adapters.remotes },
    ]
    return { module: AdaptersModule, providers, exports: providers.map(({ provide }) => provide) }
  }

  /** Last of all: features that still work end in `onModuleDestroy` or `beforeApplicationShutdown`. */
  async onApplicationShutdown(): Promise<void> {
    await this.adapters.close()
  }
}

async function openDatabase(database: DatabaseConfig): Promise<Database> {
  if (database.kind === 'pglite') return PgliteDatabase.open(database.folder)
  return PostgresDatabase.open({ url: (await readSecretFile(database.urlFile)).trim(), poolMax: database.poolMax })
}

async function openConfiguredQueue({ queue, database: { kind, ...database } }: Config, index: Database): Promise<QueueConnection> {
  if (queue.kind === 'redis') return redisQueue((await readSecretFile(queue.urlFile)).trim())
  if (index instanceof PgliteDatabase) return pgliteQueue(index.session)
  if ('urlFile' in database) return postgresQueue((await readSecretFile(database.urlFile)).trim())
  throw new EscrowError('QUEUE_UNAVAILABLE', `expected a database that a queue can lie in, got another one for ${kind}`)
}

async function openReplica(replica: ReplicaConfig, { clock, entropy }: Surroundings): Promise<Replica> {
  const { name, country, control } = replica
  if (replica.kind === 'folder') {
    const { objects, heads } = foldersOf(replica.path)
    return { name, country, control, store: new FsObjectStore(objects, clock, entropy), heads: new FsLogHeadStore(heads, entropy) }
  }
  const address = await addressOf(replica)
  return {
    name,
    country,
    control,
    store: new S3ObjectStore({ ...address, bucket: replica.bucket }),
    heads: new S3LogHeadStore({ ...address, bucket: replica.headBucket }),
  }
}

async function addressOf(replica: Extract<ReplicaConfig, { kind: 's3' }>): Promise<Omit<S3Address, 'bucket'>> {
  const accessKey = (await readSecretFile(replica.accessKeyFile)).trim()
  const secretKey = (await readSecretFile(replica.secretKeyFile)).trim()
  return { url: replica.endpoint, region: replica.region, accessKey, secretKey }
}

/** What a folder replica has in the place of two buckets. */
function foldersOf(path: string): { readonly objects: string; readonly heads: string } {
  return { objects: join(path, 'objects'), heads: join(path, 'heads') }
}
