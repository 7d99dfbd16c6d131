// The footprints of docs/ARCHITECTURE.md on the real servers: PGlite and folders; PostgreSQL and S3; PostgreSQL, Redis and two S3 of different
// owners. Each run has databases and buckets of its own, and can do to the servers what befalls them in earnest.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client as S3Client } from 'minio'
import { parseConfig } from '../../config/load.js'
import type { ReplicaConfig } from '../../config/schema.js'
import { makeReplicas } from '../../src/adapters.module.js'
import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { postgresQueue, redisQueue, type QueueConnection } from '../../src/jobs/queue-connection.js'
import { TcpGate } from '../doubles/tcp-gate.js'
import { serviceAddress } from './addresses.js'
import { databaseUrl, emptyRedis, onServer, serverConfiguration } from './on-servers.js'

export const footprints = {
  'PGlite and folders': { servers: false, redis: false },
  'PostgreSQL and S3': { servers: true, redis: false },
  'PostgreSQL, Redis and two S3': { servers: true, redis: true },
} as const
export type FootprintName = keyof typeof footprints

/** One footprint's servers, as far as they are this test's own. Close it last. */
export class Footprint {
  /** Whether there are servers at all. */
  readonly servers: boolean
  /** Whether the queue is on Redis. */
  readonly redis: boolean
  private readonly run = randomBytes(5).toString('hex')
  private readonly folder = mkdtempSync(join(tmpdir(), 'reduit-footprint-'))
  private databases = 0

  private constructor(
    name: FootprintName,
    /** Before the second store: shut, that store is away. */
    readonly gate: TcpGate,
  ) {
    ;({ servers: this.servers, redis: this.redis } = footprints[name])
  }

  static async open(name: FootprintName): Promise<Footprint> {
    const { servers, redis } = footprints[name]
    const made = new Footprint(name, await TcpGate.before(servers ? serviceAddress('s3') : 'http://127.0.0.1:1'))
    if (servers) await made.nextDatabase()
    if (redis) await made.emptyRedis()
    return made
  }

  async close(): Promise<void> {
    await this.gate.close()
    for (let number = 1; number <= this.databases; number += 1) {
      await onServer(`drop database if exists ${this.databaseName(number)} with (force)`)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** An empty database from now on. */
  async nextDatabase(): Promise<void> {
    this.databases += 1
    await onServer(`create database ${this.databaseName()}`)
    this.secret('database', this.databaseUrl)
  }

  /** The text of `escrow.yaml` for the servers. */
  get configuration(): string {
    return serverConfiguration({
      databaseUrlFile: this.secret('database', this.databaseUrl),
      redisUrlFile: this.redis ? this.secret('redis', serviceAddress('redis')) : null,
      replicas: [...this.replicaLines('a'), ...this.replicaLines('b')],
    })
  }

  /** The stores, with buckets made for them; a fixture without servers makes its own. */
  async replicas(): Promise<readonly ReplicaConfig[]> {
    const { replicas } = parseConfig(this.configuration, { file: 'escrow.yaml', home: this.folder, environment: {} })
    await makeReplicas(replicas)
    return replicas
  }

  /** A pool on the present database, which the caller closes. */
  openDatabase(): Promise<PostgresDatabase> {
    return PostgresDatabase.open({ url: this.databaseUrl, poolMax: 8 })
  }

  /** The queue, on Redis or in the present database. */
  openQueue(): Promise<QueueConnection> {
    return this.redis ? redisQueue(serviceAddress('redis')) : postgresQueue(this.databaseUrl)
  }

  /** Lose everything that Redis holds. */
  async emptyRedis(): Promise<void> {
    await emptyRedis()
  }

  /** Throw everybody out of the present database. */
  async cutDatabase(): Promise<void> {
    await onServer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${this.databaseName()}'`)
  }

  /** Stop and start PostgreSQL where the server is ours (`test/services/run.sh`); of somebody else's only the connections are cut. */
  async restartDatabase(): Promise<void> {
    const folder = process.env['ESCROW_TEST_POSTGRES_FOLDER']
    if (folder === undefined) return this.cutDatabase()
    await promisify(execFile)('bash', [join(import.meta.dirname, 'postgres.sh'), 'restart', folder])
  }

  /**
   * The worst that a thief of the second store's key can do under a lock: lay a delete marker over the first object with this ending.
   *
   * @returns its key.
   */
  async hideObject(ending: string): Promise<string> {
    const name = await this.firstNamed(ending)
    await this.thief().removeObject(this.bucket('b'), name)
    return name
  }

  /** Or other bytes of the same size. @returns its key. */
  async overlayObject(ending: string): Promise<string> {
    const name = await this.firstNamed(ending)
    const { size } = await this.thief().statObject(this.bucket('b'), name)
    await this.thief().putObject(this.bucket('b'), name, randomBytes(size), size)
    return name
  }

  private async firstNamed(ending: string): Promise<string> {
    const names: string[] = []
    for await (const { name } of this.thief().listObjectsV2(this.bucket('b'), 'agreements/', true))
      if (name.endsWith(ending)) names.push(name)
    return names.sort()[0] ?? ''
  }

  private thief(): S3Client {
    const { hostname, port, protocol } = new URL(serviceAddress('s3'))
    return new S3Client({
      endPoint: hostname,
      port: Number(port),
      useSSL: protocol === 'https:',
      ...keysOf('b'),
      region: 'us-east-1',
    })
  }

  private replicaLines(name: 'a' | 'b'): readonly string[] {
    return [
      `  - name: ${name}`,
      '    kind: s3',
      '    country: CH',
      '    control: CH',
      `    endpoint: ${name === 'a' ? serviceAddress('s3') : this.gate.url}`,
      `    bucket: ${this.bucket(name)}`,
      `    headBucket: ${this.bucket(name)}-heads`,
      `    accessKeyFile: ${this.secret(`access-${name}`, keysOf(name).accessKey)}`,
      `    secretKeyFile: ${this.secret(`secret-${name}`, keysOf(name).secretKey)}`,
    ]
  }

  private bucket(name: 'a' | 'b'): string {
    return `escrow-${this.run}-${name}`
  }

  private databaseName(number = this.databases): string {
    return `escrow_footprint_${this.run}_${number}`
  }

  private get databaseUrl(): string {
    return databaseUrl(this.databaseName())
  }

  private secret(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
}

/** Each store has an owner of its own where the server has two users. */
function keysOf(name: 'a' | 'b'): { readonly accessKey: string; readonly secretKey: string } {
  const { ESCROW_TEST_S3_OTHER_ACCESS_KEY: accessKey, ESCROW_TEST_S3_OTHER_SECRET_KEY: secretKey } = process.env
  if (name === 'b' && accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey }
  return { accessKey: serviceAddress('s3AccessKey'), secretKey: serviceAddress('s3SecretKey') }
}
