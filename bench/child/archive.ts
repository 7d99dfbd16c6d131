// An archive of one source for the bench: two directory replicas, a vault whose identity is kept, and a chain of deposits in memory.
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { encodeIdentity, identityToRecipient } from '../../src/crypto/recipient.js'
import type { DepositRequest, DepositTools, PreparedDeposit, PreviousDeposit } from '../../src/deposit/deposit-request.js'
import { AttachmentArchive, type HeldAttachment } from '../../src/deposit/keep-attachment.js'
import { prepareDeposit } from '../../src/deposit/prepare-deposit.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { AgreementId } from '../../src/format/ids.js'
import { KnownObjectsKey } from '../../src/format/known-objects.js'
import { CapabilityCache } from '../../src/git/http-remote.js'
import { HttpTransport } from '../../src/git/http-transport.js'
import { openRemote } from '../../src/git/open-remote.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { ReplicaSet } from '../../src/store/replica-set.js'

const lockedDays = 90
const dayMs = 86_400_000
const packBytesMax = 64 * 1024 ** 3

/** Whom the bench seals to. Fixed: its deposits protect nothing, and `age -d` needs the identity. */
export const vaultIdentity = encodeIdentity(new Uint8Array(32).fill(7))

/** Takes deposits as a worker does, without database and signatures. */
export class BenchArchive {
  private readonly clock = new SystemClock()
  private readonly entropy = new SystemEntropy()
  private readonly knownObjectsKey = new KnownObjectsKey(this.entropy.bytes(32))
  private readonly deposits: PreparedDeposit[] = []
  private readonly transport: HttpTransport

  private constructor(
    private readonly folder: string,
    private readonly url: string,
    private readonly replicas: ReplicaSet,
  ) {
    this.transport = new HttpTransport({ rules })
  }

  /** @param folder - an existing folder. @param url - of the source, as an agreement names it. */
  static async make(folder: string, url: string): Promise<BenchArchive> {
    const entropy = new SystemEntropy()
    const replicas = ['a', 'b'].map((name) => ({
      name,
      store: new FsObjectStore(join(folder, name), new SystemClock(), entropy),
      heads: new FsLogHeadStore(join(folder, `${name}-heads`), entropy),
      country: 'CH',
      control: 'CH',
    }))
    for (const { name } of replicas) await makeStoreFolder(join(folder, name))
    return new BenchArchive(folder, url, new ReplicaSet(replicas))
  }

  /** One deposit. @returns null when nothing has changed. */
  async deposit(): Promise<PreparedDeposit | null> {
    const result = await prepareDeposit(this.request(), this.tools())
    if (result.outcome === 'unchanged') return null
    this.deposits.push(result.deposit)
    return result.deposit
  }

  /** Close connections. */
  close(): void {
    this.transport.close()
  }

  private request(): DepositRequest {
    const vault = { recipient: identityToRecipient(vaultIdentity), epoch: 1, exposed: false }
    const retainUntil = new Date(this.clock.now().getTime() + lockedDays * dayMs)
    return {
      agreement: AgreementId.parse('agr_aaaaaaaaaaaaaaaaaaaa'),
      agreementDigest: 'a'.repeat(64),
      source: 'bench',
      mode: 'pull',
      url: this.url,
      vault,
      inventoryRecipients: [vault.recipient],
      previous: this.previous(),
      full: false,
      retainUntil: () => retainUntil,
      packBytesMax,
    }
  }

  private previous(): PreviousDeposit | null {
    const last = this.deposits.at(-1)
    if (last === undefined) return null
    return {
      manifest: last.manifest,
      manifestDigest: sha256Hex(canonicalize(last.manifest)),
      open: async () => ({
        inventory: last.inventory.plain,
        knownObjects: () => this.deposits.map((deposit) => Readable.from([deposit.knownObjects.bytes])),
        fullBundleBytes: this.deposits[0]?.manifest.bundle.sizeBytes ?? 0,
      }),
    }
  }

  private tools(): DepositTools {
    const { replicas, clock, entropy, knownObjectsKey } = this
    return {
      remote: openRemote(this.url, { rules, transport: this.transport, cache: this.cache }),
      replicas,
      clock,
      entropy,
      knownObjectsKey,
      scratch: { root: join(this.folder, 'scratch'), ephemeral: true },
      version: 'bench',
      attachments: new NothingAttached(),
    }
  }

  private readonly cache = new CapabilityCache()
}

/** Pointers of Git LFS are looked for in every pack; the remotes of the bench have none. */
class NothingAttached extends AttachmentArchive {
  async find(): Promise<ReadonlyMap<string, HeldAttachment>> {
    return new Map()
  }

  keep(): Promise<HeldAttachment> {
    return Promise.reject(new Error('expected a remote without LFS objects'))
  }
}

const rules = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: true }
