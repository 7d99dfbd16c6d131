// Every key of the configuration: its unit, its default or none, and its trust: what could someone do who controls it?
// A key whose safe value only the operator knows has no default. Secrets are never here, only the paths of their files.
import { z } from 'zod'
import {
  bytesPerDayMaxDefault,
  chainLengthMaxDefault,
  fullEveryDaysDefault,
  packBytesMaxDefault,
  refsMax,
  remoteIdleTimeoutMs,
  secondOpinionBytesMaxDefault,
} from '../src/core/limits.js'

/** What a person must know of a key beside its name. */
export interface KeyNotes {
  /** `path`, `bytes`, `days`, `ms`, `count`, `yes or no`, `name`, `URL`, `country`, `country list`, `key`. */
  readonly unit: string
  /** What could someone do who controls this? */
  readonly trust: string
}

const notes = new WeakMap<z.ZodType, KeyNotes>()

const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected 1 to 63 characters of a-z 0-9 and -, not beginning with -')
const country = z.string().regex(/^[A-Z]{2}$/, 'expected a country code of two capital letters (ISO 3166-1)')
const path = z.string().min(1).max(4096)
const whole = (min: number, max: number) => z.number().int().min(min).max(max)

const key = <T extends z.ZodType>(schema: T, unit: string, trust: string): T => {
  notes.set(schema, { unit, trust })
  return schema
}
/** A default is made with `prefault` around the noted schema, so that the notes are found on the schema inside. */
const withDefault = <T extends z.ZodType>(schema: T, value: z.input<T>) => schema.prefault(value)

const PgliteDatabase = z.strictObject({
  kind: key(z.literal('pglite'), 'name', 'see the keys below it'),
  folder: withDefault(
    key(path, 'path', 'can change the index: hide or invent rows until it is rebuilt from the store; cannot read deposits'),
    'db',
  ),
})
const PostgresDatabase = z.strictObject({
  kind: key(z.literal('postgres'), 'name', 'see the keys below it'),
  urlFile: key(path, 'path', 'can change the index: hide or invent rows until it is rebuilt from the store; cannot read deposits'),
  poolMax: withDefault(key(whole(1, 1000), 'count', 'can exhaust the connections of the server'), 10),
})

const replicaKeys = {
  name: key(slug, 'name', 'can make the index confuse two stores; fixity checks then find every object missing'),
  country: key(country, 'country', 'can pass off a store of another country as allowed; parties compare it with the agreement'),
  control: key(country, 'country', 'can pass off a store under excluded control as allowed; parties compare it with the agreement'),
}
const FolderReplica = z.strictObject({
  kind: key(z.literal('folder'), 'name', 'see the keys below it'),
  ...replicaKeys,
  path: key(path, 'path', 'can destroy this replica: the lock of a folder is kept by this software alone; cannot read deposits'),
})
const S3Replica = z.strictObject({
  kind: key(z.literal('s3'), 'name', 'see the keys below it'),
  ...replicaKeys,
  endpoint: key(
    z.string().regex(/^https?:\/\/[^/@?#]+$/, 'expected a URL like https://s3.example.ch, without a path'),
    'URL',
    'can receive every sealed object and pretend to keep it until the next fixity check; plain http also shows what is written',
  ),
  region: withDefault(key(z.string().min(1).max(100), 'name', 'can make the store refuse requests'), 'us-east-1'),
  bucket: key(z.string().min(3).max(63), 'name', 'can point to a bucket of somebody else; start-up demands versions and object lock'),
  headBucket: key(z.string().min(3).max(63), 'name', "can show an old state of the log; witnesses and parties' copies reveal it"),
  accessKeyFile: key(path, 'path', 'with the secret key: can write and, outside the lock, hide objects; cannot delete locked ones'),
  secretKeyFile: key(path, 'path', 'with the access key: can write and, outside the lock, hide objects; cannot delete locked ones'),
})

const DatabaseQueue = z.strictObject({ kind: key(z.literal('database'), 'name', 'see the keys below it') })
const RedisQueue = z.strictObject({
  kind: key(z.literal('redis'), 'name', 'see the keys below it'),
  urlFile: key(path, 'path', 'can delay work, or have it tried again and again; what is due stands in the database'),
})

/** The configuration file. Unknown keys refuse to start. */
export const ConfigFile = z.strictObject({
  origin: key(
    z
      .string()
      .regex(/^[a-z0-9.-]+(?:\/[A-Za-z0-9._-]+)*$/, 'expected a name like escrow.example/1')
      .max(200),
    'name',
    'can make statements and log entries that parties refuse, because their agreement names another service',
  ),
  database: z.discriminatedUnion('kind', [PgliteDatabase, PostgresDatabase]).prefault({ kind: 'pglite' }),
  replicas: z
    .array(z.discriminatedUnion('kind', [FolderReplica, S3Replica]))
    .min(1)
    .max(16)
    .refine((all) => new Set(all.map((replica) => replica.name)).size === all.length, 'expected distinct names'),
  scratch: z
    .strictObject({
      folder: withDefault(key(path, 'path', 'can read what is being deposited at the moment, and what a crash left'), 'scratch'),
      ephemeral: withDefault(key(z.boolean(), 'yes or no', 'can silence the warning that a crash may leave plaintext on the disk'), false),
    })
    .prefault({}),
  keysFolder: withDefault(
    key(path, 'path', 'can sign as this service, extend the log and open inventories (names of refs and files). Cannot open deposits'),
    'keys',
  ),
  deposit: z
    .strictObject({
      packBytesMax: withDefault(
        key(
          whole(1, Number.MAX_SAFE_INTEGER),
          'bytes',
          'too low: deposits fail and are reported; too high: a remote can fill the scratch folder',
        ),
        packBytesMaxDefault,
      ),
      secondOpinionBytesMax: withDefault(
        key(
          whole(0, 1024 ** 3),
          'bytes',
          'packs up to this are read a second time, by isomorphic-git. Too high: each takes four times its size in memory',
        ),
        secondOpinionBytesMaxDefault,
      ),
      bytesPerDayMax: withDefault(
        key(
          whole(1, Number.MAX_SAFE_INTEGER),
          'bytes',
          'of bundles and attachments that one agreement sends within 24 hours. Too low: pushes are refused; too high: one depositor can fill the stores',
        ),
        bytesPerDayMaxDefault,
      ),
      refsMax: withDefault(key(whole(1, refsMax), 'count', 'too low: deposits fail and are reported'), refsMax),
      fullEveryDays: withDefault(
        key(whole(1, 366), 'days', 'proposed for new agreements; what was signed holds. Too high: one damaged object costs more history'),
        fullEveryDaysDefault,
      ),
      chainLengthMax: withDefault(
        key(whole(0, 10_000), 'count', 'proposed for new agreements; what was signed holds. Too high: restores take longer'),
        chainLengthMaxDefault,
      ),
    })
    .prefault({}),
  fixity: z
    .strictObject({
      everyDays: withDefault(key(whole(1, 366), 'days', 'too high: damage is found late, perhaps in every replica at once'), 90),
      bytesPerSecond: withDefault(
        key(
          whole(0, 100_000_000_000),
          'bytes',
          'too low: a large archive is not read in time; 0, for no limit: checks take what deposits need',
        ),
        50_000_000,
      ),
    })
    .prefault({}),
  retention: z
    .strictObject({
      lockAheadDays: withDefault(
        key(
          whole(1, 3660),
          'days',
          'too low: locks lapse when the service stands still for so long; too high: nothing can be given up sooner',
        ),
        90,
      ),
    })
    .prefault({}),
  remotes: z
    .strictObject({
      allowLocalPaths: withDefault(
        key(z.boolean(), 'yes or no', "yes: who writes a source's URL can deposit any repository that this process can read"),
        false,
      ),
      allowHttp: withDefault(
        key(z.boolean(), 'yes or no', 'yes: the network can read and change what is deposited, and credentials'),
        false,
      ),
      allowPrivateAddresses: withDefault(
        key(z.boolean(), 'yes or no', "yes: who writes a source's URL can make this service talk to servers of your own network"),
        false,
      ),
      idleTimeoutMs: withDefault(
        key(whole(1000, 3_600_000), 'ms', 'too low: slow remotes fail and are reported; too high: a silent remote occupies a worker'),
        remoteIdleTimeoutMs,
      ),
    })
    .prefault({}),
  log: z
    .strictObject({
      witnessQuorum: key(
        whole(0, 32),
        'count',
        '0: nobody but the parties would notice a forked log. What an agreement demands still holds for its receipts',
      ),
      witnesses: z
        .array(
          z.strictObject({
            url: key(
              z.string().regex(/^https?:\/\/[^@?#\s]+$/, 'expected a URL like https://witness.example'),
              'URL',
              'can withhold its cosignature',
            ),
            key: key(z.string().min(1).max(500), 'key', 'can cosign as this witness whatever it is shown'),
          }),
        )
        .max(32)
        .default([]),
    })
    .refine((log) => log.witnessQuorum <= log.witnesses.length, 'expected witnessQuorum to be at most the number of witnesses'),
  queue: z.discriminatedUnion('kind', [DatabaseQueue, RedisQueue]).prefault({ kind: 'database' }),
  jobs: z
    .strictObject({
      depositsAtOnce: withDefault(
        key(whole(1, 1000), 'count', 'too high: deposits fill the scratch folder and the memory; too low: they come late'),
        2,
      ),
      checksAtOnce: withDefault(key(whole(1, 100), 'count', 'too high: checks take the bandwidth of deposits and downloads'), 2),
      hostAtOnce: withDefault(
        key(whole(1, 1000), 'count', 'too high: a host of many sources takes us for an attack; too low: they come late'),
        4,
      ),
      hostPerMinute: withDefault(
        key(whole(1, 100_000), 'count', 'too high: a host of many sources refuses or slows us; too low: they come late'),
        120,
      ),
    })
    .prefault({}),
  notices: z
    .strictObject({
      smtpUrlFile: key(path, 'path', 'can read every notice that goes out by e-mail, and hold it back').optional(),
      from: key(z.email().max(254), 'name', 'can make parties take notices for those of somebody else').optional(),
    })
    .refine(
      (notices) => (notices.smtpUrlFile === undefined) === (notices.from === undefined),
      'expected both smtpUrlFile and from, or neither',
    )
    .prefault({}),
  http: z
    .strictObject({
      host: withDefault(
        key(z.string().min(1).max(255), 'name', 'can open the service to a network; only a proxy with TLS belongs before it'),
        '127.0.0.1',
      ),
      port: withDefault(key(whole(0, 65_535), 'count', 'can make the service unreachable'), 8080),
      trustedProxies: withDefault(
        key(whole(0, 10), 'count', 'too high: a client can claim any address, and with it pass the network rule of downloads'),
        0,
      ),
      requestsPerMinute: withDefault(
        key(whole(1, 10_000_000), 'count', 'too high: one client can occupy the service; too low: it is refused what it may ask'),
        1200,
      ),
    })
    .prefault({}),
  jurisdiction: z.strictObject({
    storeCountries: key(
      z.array(country).min(1).max(250),
      'country list',
      'can admit stores that the operator did not mean to; agreements may demand more',
    ),
    storeControlExcluded: key(
      z.array(country).max(250),
      'country list',
      'can admit stores under unwanted control; agreements may demand more',
    ),
  }),
})
export type ConfigFile = z.infer<typeof ConfigFile>

/** The configuration as the service uses it: complete, and every path absolute. */
export type Config = ConfigFile & { readonly home: string }
export type ReplicaConfig = Config['replicas'][number]
export type DatabaseConfig = Config['database']

/** The token under which the configuration is injected. */
export const CONFIG = Symbol('Config')

/** What is noted of a key, or null for a group of keys. */
export function notesOf(schema: z.ZodType): KeyNotes | null {
  return notes.get(schema) ?? null
}
