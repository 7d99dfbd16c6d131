import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { listen } from '../../src/http-app.module.js'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import { findLatestDeposit, type DepositRow } from '../../src/escrow/archive/deposit.table.js'
import { expect } from 'vitest'
import { gitEnvironment, GitFixture } from './git-fixture.js'
import { ServiceFixture, type AgreedUpon, type ServiceWish } from './service-fixture.js'

/** What a git command came to. */
export interface GitRan {
  readonly exitCode: number
  readonly text: string
}

/** A whole service that listens on loopback, with one pushed source `product`, and the real git that pushes to it. */
export class PushHouse {
  readonly #repositories: GitFixture[] = []

  private constructor(
    readonly service: ServiceFixture,
    readonly agreed: AgreedUpon,
    readonly origin: string,
    readonly token: string,
  ) {}

  /** @param sources - that are pushed; `pulled` is there beside them. */
  static async open(sources: readonly string[] = ['product'], wish: Omit<ServiceWish, 'server'> = {}): Promise<PushHouse> {
    const service = await ServiceFixture.open({ ...wish, server: { log: () => undefined, http: { port: 0, requestsPerMinute: 6000 } } })
    const pulled = { source: 'pulled', url: 'https://git.example/product.git' }
    const agreed = await service.agree([...sources.map((source) => ({ source })), pulled])
    const { url } = await listen(service.app as NestExpressApplication)
    const token = await tokenOf(service, 'vendor')
    return new PushHouse(service, agreed, url, token)
  }

  /** The address of a source, with its token. */
  address(source = 'product', token = this.token): string {
    const { protocol, host } = new URL(this.origin)
    return `${protocol}//ci:${token}@${host}/git/${this.agreed.id}/${source}.git`
  }

  /** The address of a source, without its token. */
  bareAddress(source: string): string {
    return `${this.origin}/git/${this.agreed.id}/${source}.git`
  }

  /** What a request carries beside its body. */
  get basic(): { readonly authorization: string } {
    return { authorization: `Basic ${Buffer.from(`ci:${this.token}`).toString('base64')}` }
  }

  /** A push by hand, without side bands. @param commands - `old new ref` each. @returns the report. */
  async post(
    source: string,
    commands: readonly string[],
    pack: Uint8Array | null,
    how: { readonly gzip?: boolean; readonly capabilities?: string } = {},
  ): Promise<string> {
    const body = pushBody(commands, pack, how.capabilities)
    const headers: Record<string, string> = { ...this.basic, 'content-type': 'application/x-git-receive-pack-request' }
    if (how.gzip === true) headers['content-encoding'] = 'gzip'
    const url = `${this.origin}/git/${this.agreed.id}/${source}.git/git-receive-pack`
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(how.gzip === true ? gzipSync(body) : body) })
    return answer.text()
  }

  /** Run git in a repository, without stopping the service that runs in this process. */
  git(repository: string, ...args: readonly string[]): Promise<GitRan> {
    return runGit(['--git-dir', repository, ...args])
  }

  /** Push that must succeed, and leave nothing on scratch. @returns what git printed. */
  async pushed(fixture: GitFixture, source: string, args: readonly string[] = ['--mirror']): Promise<string> {
    const ran = await this.git(fixture.path, 'push', this.address(source), ...args)
    expect(ran.exitCode, ran.text).toBe(0)
    return ran.text
  }

  /** Push that must be refused, and leave nothing. @returns what git printed. */
  async refused(repository: string, url: string, args: readonly string[] = ['--mirror']): Promise<string> {
    const ran = await this.git(repository, 'push', url, ...args)
    expect(ran.exitCode, ran.text).not.toBe(0)
    expect(this.scratch()).toEqual([])
    return ran.text
  }

  /** A repository of somebody who pushes; it goes with the house. */
  repository(format: 'sha1' | 'sha256' = 'sha1'): GitFixture {
    const fixture = new GitFixture(format)
    this.#repositories.push(fixture)
    return fixture
  }

  /** The newest deposit of a source. */
  latest(source: string): Promise<DepositRow | null> {
    return this.service.database.query((db) => findLatestDeposit(db, { agreementId: this.agreed.id, source }))
  }

  /** What is left on scratch. */
  scratch(): readonly string[] {
    const { folder } = this.service.config.scratch
    return existsSync(folder) ? readdirSync(folder) : []
  }

  async close(): Promise<void> {
    await this.service.close()
    for (const fixture of this.#repositories) fixture.remove()
  }
}

/** The body of a push: commands, a flush, and the pack. */
export function pushBody(commands: readonly string[], pack: Uint8Array | null, capabilities = 'report-status'): Buffer {
  const packet = (text: string) => `${(Buffer.byteLength(text) + 4).toString(16).padStart(4, '0')}${text}`
  const lines = commands.map((command, index) => packet(index === 0 ? `${command}\0${capabilities}` : command))
  return Buffer.concat([Buffer.from(`${lines.join('')}0000`), pack ?? Buffer.alloc(0)])
}

/** A pack of everything in a repository. */
export function packOf(repository: string): Buffer {
  const command = ['--git-dir', repository, 'pack-objects', '--stdout', '-q', '--all', '--revs']
  return execFileSync('git', command, { env: gitEnvironment, input: '', maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'ignore'] })
}

/** A token of a party. */
export async function tokenOf(service: ServiceFixture, party: string): Promise<string> {
  const { token } = await service.get(CreateToken).run({ card: service.party(party).card, label: party, days: 90 })
  return token
}

/** Run git and wait; its output and errors are one text. */
export function runGit(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<GitRan> {
  return run('git', args, { ...gitEnvironment, GIT_TERMINAL_PROMPT: '0', ...environment })
}

/** Run a program and wait; its output and errors are one text. */
export function run(program: string, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<GitRan> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const blocks: Buffer[] = []
    child.stdout.on('data', (block: Buffer) => blocks.push(block))
    child.stderr.on('data', (block: Buffer) => blocks.push(block))
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode: exitCode ?? -1, text: Buffer.concat(blocks).toString('utf8') }))
  })
}
