import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openBytes, openEnvelope } from '../../src/crypto/holder/open-envelope.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { encodeIdentity, identityToRecipient } from '../../src/crypto/recipient.js'
import type {
  DepositRequest,
  DepositResult,
  DepositTools,
  PreparedDeposit,
  OpenedDeposit,
  PreviousDeposit,
} from '../../src/deposit/deposit-request.js'
import { prepareDeposit } from '../../src/deposit/prepare-deposit.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { AgreementId } from '../../src/format/ids.js'
import { KnownObjectsKey } from '../../src/format/known-objects.js'
import { checkChain } from '../../src/format/check-manifest.js'
import { digestRefs } from '../../src/format/refs-digest.js'
import { Inventory, Manifest } from '../../src/format/manifest.js'
import type { GitRemote } from '../../src/git/git-remote.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { FaultyObjectStore } from './faulty-object-store.js'
import { gitEnvironment, type GitFixture } from './git-fixture.js'
import { ManualClock } from './manual-clock.js'
import { SeededEntropy } from './seeded-entropy.js'

const day = 24 * 60 * 60 * 1000

/** An archive of one source without service, log or signatures: two stores in folders, and the chain of deposits in memory. */
export class TestArchive {
  readonly folder = mkdtempSync(join(tmpdir(), 'reduit-archive-'))
  readonly scratch = join(this.folder, 'scratch')
  readonly clock = new ManualClock(new Date('2026-11-22T10:00:00.000Z'))
  readonly entropy = new SeededEntropy('archive')
  readonly vaultIdentity = encodeIdentity(this.entropy.bytes(32))
  readonly agentIdentity = encodeIdentity(this.entropy.bytes(32))
  readonly stores: readonly FaultyObjectStore[]
  readonly replicas: ReplicaSet
  readonly deposits: PreparedDeposit[] = []
  knownObjectsKey = new KnownObjectsKey(new SeededEntropy('known objects').bytes(32))

  private constructor() {
    const places = ['bern', 'zug'].map((name) => ({ name, folder: join(this.folder, name) }))
    this.stores = places.map(({ folder }) => new FaultyObjectStore(new FsObjectStore(folder, this.clock, this.entropy)))
    this.replicas = new ReplicaSet(
      places.map(({ name, folder }, index) => ({
        name,
        store: this.stores[index]!,
        heads: new FsLogHeadStore(`${folder}-heads`, this.entropy),
        country: 'CH',
        control: 'CH',
      })),
    )
  }

  /** An empty archive; `remove` it afterwards. */
  static async make(): Promise<TestArchive> {
    const archive = new TestArchive()
    for (const name of ['bern', 'zug']) await makeStoreFolder(join(archive.folder, name))
    return archive
  }

  /** The last deposit, as the next one is given it: the inventory opened by the agent, the known objects read from a store. @param others - instead of what it holds. */
  previous(others: Partial<OpenedDeposit> = {}): PreviousDeposit | null {
    const last = this.deposits.at(-1)
    if (last === undefined) return null
    const chain = this.deposits.filter((deposit) => deposit.manifest.sequence >= last.manifest.base)
    return {
      manifest: last.manifest,
      manifestDigest: digestOf(last.manifest),
      open: async () => ({
        inventory: Inventory.parse(JSON.parse(Buffer.from(openBytes(last.inventory.bytes, this.agentIdentity)).toString())),
        knownObjects: () => chain.map((deposit) => Readable.from([deposit.knownObjects.bytes])),
        fullBundleBytes: chain[0]!.manifest.bundle.sizeBytes,
        ...others,
      }),
    }
  }

  request(changes: Partial<DepositRequest> = {}): DepositRequest {
    const vault = { recipient: identityToRecipient(this.vaultIdentity), epoch: 1, exposed: false }
    return {
      agreement: AgreementId.parse('agr_aaaaaaaaaaaaaaaaaaaa'),
      agreementDigest: 'a'.repeat(64),
      source: 'code',
      mode: 'pull',
      url: 'file:///source',
      vault,
      inventoryRecipients: [vault.recipient, identityToRecipient(this.agentIdentity)],
      previous: this.previous(),
      full: false,
      retainUntil: () => new Date(this.clock.now().getTime() + 90 * day),
      packBytesMax: 64 * 1024 * 1024,
      ...changes,
    }
  }

  tools(remote: GitRemote, changes: Partial<DepositTools> = {}): DepositTools {
    const { replicas, clock, entropy, knownObjectsKey } = this
    const scratch = { root: this.scratch, ephemeral: true }
    return { remote, replicas, clock, entropy, knownObjectsKey, scratch, version: '0.0.0', ...changes }
  }

  /** Deposit, and keep what was deposited as if it had been published. */
  async deposit(
    from: GitFixture | GitRemote,
    changes: { readonly request?: Partial<DepositRequest>; readonly tools?: Partial<DepositTools> } = {},
    signal?: AbortSignal,
  ): Promise<DepositResult> {
    const remote = 'listRefs' in from ? from : new LocalRemote({ path: from.path })
    const result = await prepareDeposit(this.request(changes.request), this.tools(remote, changes.tools), signal)
    this.clock.advance(day)
    if (result.outcome === 'prepared') {
      this.deposits.push(result.deposit)
      this.checkDocuments(result.deposit)
    }
    return result
  }

  /** What any verifier would check of the newest deposit. */
  private checkDocuments({ manifest, inventory }: PreparedDeposit): void {
    Inventory.parse(inventory.plain)
    if (digestRefs(inventory.plain) !== manifest.refsDigest) throw new Error('the inventory lists other refs than the manifest says')
    const chain = this.deposits.map((deposit) => ({ manifest: Manifest.parse(deposit.manifest), digest: digestOf(deposit.manifest) }))
    checkChain(chain)
  }

  /** As `deposit`, for tests that know that there is something to deposit. */
  async mustDeposit(...args: Parameters<TestArchive['deposit']>): Promise<PreparedDeposit> {
    const result = await this.deposit(...args)
    if (result.outcome !== 'prepared') throw new Error(`expected a deposit, got ${result.outcome}`)
    return result.deposit
  }

  /**
   * Restore one deposit as docs/RECOVERY.md says, with nothing but git: clone the base, fetch each incremental, then set HEAD and symbolic
   * refs from the inventory.
   *
   * @returns the folder of a bare repository.
   */
  async restore(sequence = this.deposits.length): Promise<string> {
    const last = this.deposits[sequence - 1]!
    const chain = this.deposits.slice(last.manifest.base - 1, sequence)
    const folder = mkdtempSync(join(this.folder, 'restore-'))
    const target = join(folder, 'restored.git')
    for (const deposit of chain) {
      const bundle = join(folder, `${deposit.manifest.sequence}.bundle`)
      const sealed = this.stores[deposit.manifest.sequence % 2]!.inner.get(deposit.envelope.key)
      await pipeline(openEnvelope(sealed, [this.vaultIdentity]), createWriteStream(bundle))
      if (deposit.manifest.kind === 'full') run(folder, ['clone', '--quiet', '--mirror', bundle, target])
      else {
        // Without this a fetch leaves out the pack when every ref is there already, and with it a detached HEAD.
        run(folder, ['--git-dir', target, 'bundle', 'unbundle', bundle])
        run(folder, ['--git-dir', target, 'fetch', '--quiet', '--prune', bundle, '+refs/*:refs/*'])
      }
    }
    const inventory = Inventory.parse(JSON.parse(Buffer.from(openBytes(last.inventory.bytes, this.vaultIdentity)).toString()))
    const { head } = inventory
    if (head.kind === 'branch') run(target, ['symbolic-ref', 'HEAD', head.ref])
    if (head.kind === 'detached') run(target, ['update-ref', '--no-deref', 'HEAD', head.oid])
    for (const ref of inventory.refs) if (ref.symref !== undefined) run(target, ['symbolic-ref', ref.name, ref.symref])
    return target
  }

  /** What lies in the stores, and what is left on scratch. */
  leftovers(): { readonly scratch: readonly string[]; readonly objects: readonly string[] } {
    const scratch = listAll(this.scratch)
    return {
      scratch,
      objects: ['bern', 'zug'].flatMap((name) => listAll(join(this.folder, name)).filter((path) => /\.age|known/.test(path))),
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Every ref with its object and target, HEAD, and every object that they lead to: equal for equal repositories. */
export function describeRepository(gitDir: string): { head: string; refs: string[]; objects: string[] } {
  const head = readHead(gitDir)
  const refs = run(gitDir, ['for-each-ref', '--format=%(refname) %(objectname) %(symref)']).split('\n')
  const detached = /^[0-9a-f]{40,64}$/.test(head) ? [head] : []
  const objects = run(gitDir, ['rev-list', '--objects', '--no-object-names', '--all', ...detached]).split('\n')
  return { head, refs, objects: objects.sort() }
}

const digestOf = (manifest: Manifest): string => sha256Hex(canonicalize(manifest))

function readHead(gitDir: string): string {
  try {
    return run(gitDir, ['symbolic-ref', '--quiet', 'HEAD'])
  } catch {
    return run(gitDir, ['rev-parse', 'HEAD'])
  }
}

function run(cwd: string, args: readonly string[]): string {
  return execFileSync('git', [...args], { cwd, env: gitEnvironment, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 256 * 1024 * 1024 })
    .toString()
    .trimEnd()
}

function listAll(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true }).map(String)
  } catch {
    return []
  }
}
