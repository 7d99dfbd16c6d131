// A service that lives through faults, and the promises of docs/THREAT_MODEL.md (DESIGN section 1) as they can be checked from outside.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { runEscrow } from '../../src/cli/program.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { isEscrowError } from '../../src/core/errors.js'
import { sequenceLeaseMs } from '../../src/core/limits.js'
import { combineShares } from '../../src/crypto/holder/vault-shares.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { checkVault } from '../../src/crypto/vault-commitments.js'
import { encodeShare } from '../../src/format/share.js'
import { findSource, type SourceRow } from '../../src/escrow/archive/source.table.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { CheckLog } from '../../src/verify/check-log.js'
import { RepairObject } from '../../src/verify/repair-object.js'
import { countCopies } from '../../src/verify/verify.table.js'
import { ArchiveTree } from '../doubles/archive-tree.js'
import { FailingDatabase, FailingHeads, FailingStore, FailingWrites } from '../doubles/failing-writes.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { aroundReplicas, interpose } from '../doubles/interpose.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { hourMs } from '../doubles/moments.js'
import { describeRepository } from '../doubles/test-archive.js'
import type { Footing } from './footing.js'

/** Stands in every file and commit of the sources: nowhere in the archive may it be readable. */
export const canary = 'canary-of-plaintext-51b7'
export const names = ['engine', 'tools', 'firmware'] as const
type Name = (typeof names)[number]
const publishAgainMs = 2_000

/** One service with three sources that are due every six hours, and everything that it ever accepted. */
export class SoakedService {
  private readonly accepted = new Map<string, string>()
  private trees: readonly ArchiveTree[] = []
  private agreed: AgreedUpon = null as unknown as AgreedUpon

  private constructor(
    readonly service: ServiceFixture,
    readonly repositories: ReadonlyMap<Name, GitFixture>,
    readonly footing: Footing,
    readonly writes: FailingWrites,
    private readonly uninterpose: () => void,
  ) {}

  static async open(footing: Footing): Promise<SoakedService> {
    const writes = new FailingWrites()
    const uninterpose = interpose((adapters) => ({
      ...adapters,
      database: new FailingDatabase(adapters.database, writes),
      replicas: aroundReplicas(adapters, ({ store, heads }) => ({
        store: new FailingStore(store, writes),
        heads: new FailingHeads(heads, writes),
      })),
    }))
    const queue = footing.openQueue === undefined ? {} : { openQueue: footing.openQueue }
    const server = { log: () => undefined, jobs: { rules: { graceMs: 100 } }, ...queue }
    const service = await ServiceFixture.open({ database: footing.database, server })
    const repositories = new Map(names.map((name) => [name, new GitFixture()]))
    for (const repository of repositories.values()) repository.addCommits('refs/heads/main', 3, { label: canary })
    const made = new SoakedService(service, repositories, footing, writes, uninterpose)
    await made.agree()
    return made
  }

  async close(): Promise<void> {
    await this.service.close()
    this.uninterpose()
    for (const repository of this.repositories.values()) repository.remove()
    await this.footing.close()
  }

  /** End the service as a deploy does, and start it again on what it left. */
  async restart(): Promise<void> {
    await this.service.app.close()
    this.writes.revive()
    await this.service.start()
  }

  /** Both what is due and what is asked for is begun; nobody waits. */
  async tick(): Promise<void> {
    await this.service
      .get(Ticker)
      .tick()
      .catch(() => undefined)
  }

  /** Let hours pass, tick and work, until the archive equals every source again. */
  async catchUp(): Promise<void> {
    const since = this.service.clock.now()
    for (let hours = 0; hours < 48; hours += 1) {
      this.service.clock.advance(hourMs)
      await this.tick()
      await this.settle()
      const rows = await Promise.all(names.map((name) => this.row(name)))
      if (rows.every((row) => row.failures === 0 && row.freshAt !== null && row.freshAt > since)) return
    }
    const rows = await Promise.all(names.map((name) => this.row(name)))
    throw new Error(`not caught up in two days: ${rows.map((row) => `${row.source} ${row.failureCode ?? 'fine'}`).join(', ')}`)
  }

  /** Wait until nothing waits and nothing runs. */
  async settle(): Promise<void> {
    for (let waits = 0; waits < 6000; waits += 1) {
      const counts = await this.service
        .get(JobQueue)
        .counts()
        .catch(() => [])
      if (counts.length > 0 && counts.every(({ waiting, active }) => waiting + active === 0)) return
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
    throw new Error('the queue did not come to rest within two minutes')
  }

  /** The promises of DESIGN section 1, one after the other. Repairs first, as the service does by itself within minutes. */
  async expectPromises(): Promise<void> {
    await this.publish()
    await this.service.get(CheckFixity).run({ all: true, replica: null })
    await this.service.get(RepairObject).run(null)
    this.expectUnreadable()
    await this.expectNothingLost()
    this.expectQuorum()
    this.expectOpens()
    await this.expectProvable()
  }

  /** Bring everything into the log. On a server the lease of a sequencer that died has to lapse first, by the server's own clock. */
  async publish(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        await this.service.publish()
        return
      } catch (error) {
        if (!isEscrowError(error, 'LEASE_HELD') || tries * publishAgainMs > 2 * sequenceLeaseMs) throw error
        await new Promise((resolve) => void setTimeout(resolve, publishAgainMs))
      }
    }
  }

  /** Deadlines that the log says have passed without a deposit. */
  get missed(): number {
    return this.trees[0]?.events().filter((event) => event.type === 'escrow/event/deposit-missed/v1').length ?? 0
  }

  get deposits(): number {
    return this.accepted.size
  }

  /** 1: at rest, nobody here can read a deposit, and no worker keeps material. */
  private expectUnreadable(): void {
    for (const folder of ['replicas', 'scratch', 'db']) {
      for (const path of filesBelow(join(this.service.home, folder))) {
        expect(readFileSync(path).includes(canary), path).toBe(false)
        if (folder === 'scratch') throw new Error(`expected an empty scratch folder, got ${path}`)
      }
    }
  }

  /** 2: nothing accepted is lost, changed, doubled or left out, at any replica. */
  private async expectNothingLost(): Promise<void> {
    for (const name of names) {
      for (const tree of this.trees) {
        const shown = tree.deposits(name)
        expect(shown.map(({ manifest }) => manifest.sequence)).toEqual(shown.map((_, place) => place + 1))
        expect(shown.filter(({ receipt }) => receipt === null)).toEqual([])
        for (const { manifest, digest } of shown) {
          const before = this.accepted.get(`${name} ${manifest.sequence}`)
          if (before !== undefined) expect(digest).toBe(before)
          this.accepted.set(`${name} ${manifest.sequence}`, digest)
        }
        const known = [...this.accepted.keys()].filter((key) => key.startsWith(`${name} `))
        expect(shown).toHaveLength(known.length)
      }
    }
    const { bad } = await this.service.get(CheckFixity).run({ all: true, replica: null })
    expect(bad).toEqual([])
    const [first, ...others] = await this.service.database.query((db) => countCopies(db))
    for (const other of others) expect(other.copies).toBe(first?.copies)
  }

  /** 3: fewer than t custodians open nothing. */
  private expectQuorum(): void {
    const { vault } = this.agreed.signed.body
    const [epoch] = vault.epochs
    const dealt = this.service.vaults.get(epoch!.recipient)!
    expect(() => combineShares(checkVault(epoch!, vault.threshold), dealt.shares.slice(0, vault.threshold - 1))).toThrow(
      expect.objectContaining({ code: 'SHARES_TOO_FEW' }),
    )
  }

  /** 4: it opens without us, to what the sources are now. */
  private expectOpens(): void {
    for (const [name, repository] of this.repositories) {
      let last: unknown
      const tree = this.trees[this.accepted.size % this.trees.length]!
      tree.restoreEach(name, (_, gitDir) => {
        last = gitDir
      })
      expect(describeRepository(last as string)).toEqual(describeRepository(repository.path))
      rmSync(dirname(last as string), { recursive: true, force: true })
    }
  }

  /** 5 and 7: whoever has the archive proves it offline, and the log that is published is whole. */
  private async expectProvable(): Promise<void> {
    expect((await this.service.get(CheckLog).run({ events: true })).findings).toEqual([])
    for (const replica of ['a', 'b']) {
      const lines: string[] = []
      const say = (line: string) => void lines.push(line)
      const terminal = { out: say, err: say, redraw: () => undefined, interactive: false }
      const argv = ['verify', this.service.replica(replica), '--agreement', this.path('agreement', 'agreement.json')]
      expect(await runEscrow(argv, terminal, new AbortController().signal), lines.join('\n')).toBe(0)
    }
  }

  private async row(source: Name): Promise<SourceRow> {
    const row = await this.service.database.query((db) => findSource(db, { agreementId: this.agreed.id, source }))
    if (row === null) throw new Error(`expected a source ${source}`)
    return row
  }

  private path(...parts: readonly string[]): string {
    return join(this.service.home, ...parts)
  }

  /** Agree, and lay out what custodians and strangers would hold: the agreement, and a sealed share of each. */
  private async agree(): Promise<void> {
    const { service } = this
    const schedule = { everyHours: 6, graceHours: 6 }
    this.agreed = await service.agree(
      [...this.repositories].map(([source, { path: url }]) => ({ source, url, schedule, fullEveryDays: 4 })),
    )
    const { vault } = this.agreed.signed.body
    for (const folder of ['agreement', 'vault/shares']) mkdirSync(this.path(folder), { recursive: true })
    writeFileSync(this.path('agreement', 'agreement.json'), this.agreed.signed.bytes)
    const { recipient, shares } = service.vaults.get(vault.epochs[0]!.recipient)!
    for (const [place, { party }] of vault.custodians.entries()) {
      const holder = service.party(party).card.recipient!
      const sealed = sealBytes(encodeShare({ vault: recipient, ...shares[place]! }), [holder], new SystemEntropy())
      writeFileSync(this.path('vault', 'shares', `${party}-epoch-1.age`), sealed)
    }
    const home = {
      home: service.home,
      agreement: this.path('agreement', 'agreement.json'),
      objects: (replica: string) => service.replica(replica),
      at: (...parts: readonly string[]) => this.path(...parts),
    }
    this.trees = (['a', 'b'] as const).map((replica) => new ArchiveTree(home, replica))
  }
}

/** Every file below a folder that may be missing. */
export function filesBelow(folder: string): readonly string[] {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return []
  const paths = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true).sort()
}
