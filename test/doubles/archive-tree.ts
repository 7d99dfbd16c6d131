// A replica's folder as a stranger reads it: nothing but formats, git and the key of the vault. No index, no service.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { combineShares } from '../../src/crypto/holder/vault-shares.js'
import { checkVault } from '../../src/crypto/vault-commitments.js'
import { checkChain } from '../../src/format/check-manifest.js'
import { checkpointPolicy, openCheckpoint } from '../../src/format/checkpoint.js'
import { EventRecord, type Event } from '../../src/format/event.js'
import { keyFileNames, parseIdentityFile } from '../../src/format/key-file.js'
import { Inventory, Manifest } from '../../src/format/manifest.js'
import { leafHash } from '../../src/format/merkle.js'
import { checkReceipt, Receipt } from '../../src/format/receipt.js'
import { parseShare } from '../../src/format/share.js'
import { keysOf, openAgreement, type SignedAgreement } from '../../src/format/signed-agreement.js'
import { openDocument } from '../../src/format/signed-document.js'
import { parseEntryBundle, tilePath } from '../../src/format/tile.js'
import { gitEnvironment } from './git-fixture.js'
import { NaiveMerkle } from './naive-merkle.js'
import type { EscrowHome } from './escrow-home.js'

/** A deposit as its folder shows it. */
export interface ShownDeposit {
  readonly folder: string
  readonly manifest: Manifest
  readonly digest: string
  /** Null while it was not issued. */
  readonly receipt: Receipt | null
}

/** One replica of a home, read from its files. */
export class ArchiveTree {
  private readonly agreement: SignedAgreement
  private readonly objects: string
  private readonly heads: string
  #identity: string | null = null
  /** What was verified before: objects never change under their key, and a receipt that is replaced has another time. */
  readonly #shown = new Map<string, ShownDeposit>()
  readonly #events = new Map<string, Event>()

  constructor(
    private readonly of: Pick<EscrowHome, 'home' | 'agreement' | 'objects' | 'at'>,
    replica: 'a' | 'b',
  ) {
    this.agreement = openAgreement(readFileSync(of.agreement))
    this.objects = of.objects(replica)
    this.heads = join(of.home, 'replicas', replica, 'heads')
  }

  /** The deposits of a source whose manifests lie there, by sequence; signatures and chain are verified. */
  deposits(source: string): readonly ShownDeposit[] {
    const root = join(this.objects, 'agreements', this.agreement.body.agreement, 'sources', source)
    const names = existsSync(root) ? readdirSync(root).filter((name) => existsSync(join(root, name, 'manifest.json'))) : []
    const shown = names.map((name) => this.deposit(join(root, name)))
    const deposits = shown.sort((left, right) => left.manifest.sequence - right.manifest.sequence)
    checkChain(deposits)
    return deposits
  }

  /** Every event behind the published log, in order; checkpoint, root and each leaf are verified. */
  events(): readonly Event[] {
    const checkpoint = openCheckpoint(readFileSync(join(this.heads, 'checkpoint')), checkpointPolicy(this.agreement.body.log))
    const leaves: Uint8Array[] = []
    for (let at = 0; at < checkpoint.size; at += 256) {
      const width = Math.min(256, checkpoint.size - at)
      const path = tilePath({ level: 'entries', index: at / 256, width })
      const bytes = readFileSync(join(width === 256 ? this.objects : this.heads, path))
      leaves.push(...parseEntryBundle(bytes, width))
    }
    if (!new NaiveMerkle(leaves).root(0, leaves.length).equals(checkpoint.root))
      throw new Error('the entries do not give the root of the checkpoint')
    return leaves.map((entry) => this.event(Buffer.from(leafHash(entry)).toString('hex')))
  }

  private event(leaf: string): Event {
    const known = this.#events.get(leaf)
    if (known !== undefined) return known
    const { event } = EventRecord.parse(JSON.parse(readFileSync(join(this.objects, 'events', `${leaf}.json`), 'utf8')))
    this.#events.set(leaf, event)
    return event
  }

  /** Restore a source as docs/RECOVERY.md says. @param visit - is shown the repository after each deposit, in order. */
  restoreEach(source: string, visit: (deposit: ShownDeposit, gitDir: string) => void): void {
    const folder = mkdtempSync(this.of.at('restore-'))
    let gitDir = ''
    for (const deposit of this.deposits(source)) {
      const { manifest } = deposit
      const bundle = join(folder, 'next.bundle')
      writeFileSync(bundle, openBytes(readFileSync(join(deposit.folder, manifest.envelope.key)), this.vaultIdentity()))
      if (manifest.kind === 'full') {
        gitDir = join(folder, `${manifest.sequence}.git`)
        git(folder, ['clone', '--quiet', '--mirror', bundle, gitDir])
      } else {
        // A fetch leaves the pack out when every ref is there already, and a detached HEAD with it.
        git(gitDir, ['bundle', 'unbundle', bundle])
        git(gitDir, ['fetch', '--quiet', '--prune', bundle, '+refs/*:refs/*'])
      }
      this.setSymbolicRefs(deposit, gitDir)
      visit(deposit, gitDir)
    }
  }

  /** The identity of the vault's first epoch, rebuilt from three shares. */
  vaultIdentity(): string {
    return (this.#identity ??= this.combine())
  }

  private setSymbolicRefs({ folder, manifest }: ShownDeposit, gitDir: string): void {
    const sealed = readFileSync(join(folder, manifest.inventory.key))
    const { head, refs } = Inventory.parse(JSON.parse(Buffer.from(openBytes(sealed, this.vaultIdentity())).toString()))
    if (head.kind === 'branch') git(gitDir, ['symbolic-ref', 'HEAD', head.ref])
    if (head.kind === 'detached') git(gitDir, ['update-ref', '--no-deref', 'HEAD', head.oid])
    for (const ref of refs) if (ref.symref !== undefined) git(gitDir, ['symbolic-ref', ref.name, ref.symref])
  }

  private deposit(folder: string): ShownDeposit {
    const path = join(folder, 'receipt.json')
    const version = `${folder} ${statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? ''}`
    const known = this.#shown.get(version)
    if (known !== undefined) return known
    const keys = keysOf(this.agreement.body, 'agent')
    const { body: manifest, digest } = openDocument(readFileSync(join(folder, 'manifest.json')), {
      schema: Manifest,
      keys,
      what: 'manifest',
    })
    const receipt = existsSync(path) ? openDocument(readFileSync(path), { schema: Receipt, keys, what: 'receipt' }).body : null
    if (receipt !== null) checkReceipt(receipt, manifest, digest)
    const shown = { folder, manifest, digest, receipt }
    this.#shown.set(version, shown)
    return shown
  }

  private combine(): string {
    const { vault } = this.agreement.body
    const [epoch] = vault.epochs
    if (epoch === undefined) throw new Error('expected an epoch')
    const shares = vault.custodians.slice(0, vault.threshold).map(({ party }) => {
      const identity = parseIdentityFile(readFileSync(this.of.at('parties', party, keyFileNames.identity), 'utf8'))
      return parseShare(openBytes(readFileSync(this.of.at('vault', 'shares', `${party}-epoch-1.age`)), identity))
    })
    return combineShares(checkVault(epoch, vault.threshold), shares).identity
  }
}

function git(cwd: string, args: readonly string[]): void {
  execFileSync('git', [...args], { cwd, env: gitEnvironment, stdio: ['ignore', 'pipe', 'pipe'] })
}
