// What a depositor remembers of its sealed deposits, so that the next one needs nothing from the operator but its word that the last one was
// received. `offered/` is the deposit that waits for that word; `accepted/<sequence>/` those that have it. Whatever is not accepted never
// happened: the next deposit takes its number.
import { readdir, rename, rm } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { inventoryBytesMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { makeFolders } from '../../../core/make-folders.js'
import type { PreparedDeposit, PreviousDeposit } from '../../../deposit/deposit-request.js'
import { canonicalize, parseCanonical } from '../../../format/canonical-json.js'
import { checkManifest } from '../../../format/check-manifest.js'
import { Inventory, Manifest } from '../../../format/manifest.js'
import { parseBody } from '../../../format/parse-body.js'
import { Receipt } from '../../../format/receipt.js'
import { keysOf, type SignedAgreement } from '../../../format/signed-agreement.js'
import { digestOf, openDocument, readUnverified } from '../../../format/signed-document.js'
import { verifyReceipt } from '../../../format/verify-receipt.js'
import { exists, fileFault, readNamedFile, writeNamedFile } from '../../files.js'
import { readContents, writeContents, type Content } from './holder-outbox.js'

const manifestName = 'manifest.json'
const inventoryName = 'inventory.json'
const knownObjectsName = 'known-objects'
const contentsName = 'contents.json'
const outName = 'out.txt'
/** What `escrow receive` writes into the folder that it received. */
export const acceptedName = 'accepted.json'

/** A deposit that the agent has accepted: its manifest, and the folder with what we remember of it. */
interface Remembered {
  readonly manifest: Manifest
  readonly digest: string
  readonly folder: string
}

/** What the agent says that it has: of a receipt only the digest of the manifest. */
interface Word {
  readonly digest: string
  readonly manifest: Manifest | null
}

/** One source's record at its depositor. One command at a time. */
export class DepositorState {
  private readonly offeredFolder: string

  /** @param path - made when it is missing; holds names of refs and files, so it is the depositor's own. */
  constructor(
    private readonly path: string,
    private readonly of: { readonly agreement: SignedAgreement; readonly source: string },
  ) {
    this.offeredFolder = join(path, 'offered')
  }

  /**
   * Learn whether the last deposit was received: from what the operator gave back, or from the folder that was received.
   *
   * @param path - accepted.json or a receipt. A countersigned manifest that we do not remember is taken too: the next deposit then follows it
   *   with a full one. That is how a depositor goes on who has lost this state.
   * @throws EscrowError `SIGNATURE_INVALID`, `AGREEMENT_DIGEST`, `FORMAT_INVALID`; `DEPOSIT_STATE` for a receipt of a deposit that we do not know
   */
  async settle(path?: string): Promise<void> {
    const offered = await this.read(this.offeredFolder)
    if (path !== undefined) await this.adopt(await this.wordIn(path), offered)
    else if (offered !== null) await this.adoptReceived(offered)
  }

  /**
   * Go on behind a deposit that we do not remember: the next one follows it, and is a full one.
   *
   * @param accepted - the manifest as the agent has countersigned it; attacker-controlled.
   * @param under - the version of the agreement that it was made under: ours, or one before it.
   * @throws EscrowError as `settle`
   */
  async goOnBehind(accepted: Uint8Array, under: SignedAgreement): Promise<void> {
    await this.adopt(this.verifyWord(accepted, [under.digest], under), null)
  }

  /**
   * The newest accepted deposit, as the next one rests on it.
   *
   * @returns null before the first.
   * @throws EscrowError `FORMAT_INVALID`, `FILE_UNREADABLE` when the state is damaged: remove the folder and give accepted.json with --receipt
   */
  async previous(): Promise<PreviousDeposit | null> {
    const newest = await this.newest()
    if (newest === null) return null
    const { manifest, digest: manifestDigest, folder } = newest
    const sequences = Array.from({ length: manifest.sequence - manifest.base + 1 }, (_, step) => manifest.base + step)
    const files = sequences.map((sequence) => join(this.acceptedFolder(sequence), knownObjectsName))
    const base = await this.read(this.acceptedFolder(manifest.base))
    // An incremental may refer only to what the whole chain is known to hold; with a gap in our memory a full deposit is made.
    const whole = base !== null && (await Promise.all(files.map((file) => exists(file)))).every(Boolean)
    return {
      manifest,
      manifestDigest,
      fullTakenAt: new Date(base?.manifest.takenAt ?? manifest.takenAt),
      open: async () => ({
        inventory: whole ? await this.readInventory(folder) : null,
        knownObjects: () => files.map((file) => createReadStream(file)),
        fullBundleBytes: base?.manifest.bundle.sizeBytes ?? 0,
      }),
    }
  }

  /** What is in the attachments of the newest chain: the service holds them as long as its deposits. Empty before the first. */
  async contents(): Promise<readonly Content[]> {
    const { manifest } = (await this.newest()) ?? {}
    if (manifest === undefined) return []
    const sequences = Array.from({ length: manifest.sequence - manifest.base + 1 }, (_, step) => manifest.base + step)
    const found = sequences.map((sequence) => readContents(join(this.acceptedFolder(sequence), contentsName)))
    return (await Promise.all(found)).flat()
  }

  /**
   * Remember a deposit that is about to be offered; it takes the place of one that nobody accepted.
   *
   * @param contents - of attachments; those that the deposit names are remembered with it.
   */
  async offered(
    deposit: PreparedDeposit,
    { out, contents }: { readonly out: string; readonly contents: readonly Content[] },
  ): Promise<void> {
    const named = new Set(deposit.manifest.attachments.map(({ sha256 }) => sha256))
    await rm(this.offeredFolder, { recursive: true, force: true })
    const secret = { secret: true } as const
    await writeNamedFile(join(this.offeredFolder, inventoryName), canonicalize(deposit.inventory.plain), secret)
    await writeNamedFile(join(this.offeredFolder, knownObjectsName), deposit.knownObjects.bytes, secret)
    await writeContents(
      join(this.offeredFolder, contentsName),
      contents.filter(({ sealed }) => named.has(sealed.sha256)),
    )
    await writeNamedFile(join(this.offeredFolder, outName), out, secret)
    await writeNamedFile(join(this.offeredFolder, manifestName), canonicalize(deposit.manifest), secret)
  }

  /** The folder of a deposit that was offered whole and not accepted yet; null when there is none. */
  async pending(): Promise<string | null> {
    if ((await this.read(this.offeredFolder)) === null) return null
    const out = (await readNamedFile(join(this.offeredFolder, outName), 64 * 1024)).toString('utf8')
    return (await exists(out)) ? out : null
  }

  /** Forget the deposit that was offered last: it never happened. */
  async forgetOffered(): Promise<void> {
    await rm(this.offeredFolder, { recursive: true, force: true })
  }

  private async adoptReceived(offered: Remembered): Promise<void> {
    const out = (await readNamedFile(join(this.offeredFolder, outName), 64 * 1024)).toString('utf8')
    const path = join(out, acceptedName)
    if (await exists(path)) await this.adopt(await this.wordIn(path), offered)
  }

  private async adopt(word: Word, offered: Remembered | null): Promise<void> {
    if (offered?.digest === word.digest) return this.promote(offered)
    const newest = await this.newest()
    if (newest?.digest === word.digest) return
    if (word.manifest === null || word.manifest.sequence <= (newest?.manifest.sequence ?? 0)) {
      throw new EscrowError(
        'DEPOSIT_STATE',
        `expected the agent's word on the deposit that was offered last, got one on manifest ${word.digest}`,
      )
    }
    await writeNamedFile(join(this.acceptedFolder(word.manifest.sequence), manifestName), canonicalize(word.manifest), { secret: true })
  }

  private async wordIn(path: string): Promise<Word> {
    const { agreement } = this.of
    // The newest deposit may be from before the newest version of the agreement.
    return this.verifyWord(await readNamedFile(path, signedDocumentBytesMax), [agreement.digest, agreement.body.previous], agreement)
  }

  /** The agent's signature, on a countersigned manifest or on a receipt. @param versions - a manifest is made under one of them. */
  private verifyWord(bytes: Uint8Array, versions: readonly (string | null)[], agreement: SignedAgreement): Word {
    const { source } = this.of
    if (isOf(bytes, Receipt)) {
      const { receipt } = verifyReceipt(bytes, agreement)
      if (receipt.source === source) return { digest: receipt.manifest, manifest: null }
      throw new EscrowError('DEPOSIT_STATE', `expected a receipt for ${source}, got one for ${receipt.source}`)
    }
    const keys = keysOf(agreement.body, 'agent')
    const { body: manifest, digest } = openDocument(bytes, { schema: Manifest, keys, what: 'accepted manifest' })
    checkManifest(manifest)
    if (versions.includes(manifest.agreement) && manifest.source === source) return { digest, manifest }
    throw new EscrowError(
      'AGREEMENT_DIGEST',
      `expected a manifest of ${source} under ${agreement.digest}, got one of ${manifest.source} under ${manifest.agreement}`,
    )
  }

  private async promote(offered: Remembered): Promise<void> {
    const folder = this.acceptedFolder(offered.manifest.sequence)
    try {
      await makeFolders(join(this.path, 'accepted'), { mode: 0o700 })
      await rm(folder, { recursive: true, force: true })
      await rename(this.offeredFolder, folder)
    } catch (error) {
      throw fileFault(folder, error)
    }
  }

  private acceptedFolder(sequence: number): string {
    return join(this.path, 'accepted', String(sequence).padStart(10, '0'))
  }

  private async newest(): Promise<Remembered | null> {
    const names = await readdir(join(this.path, 'accepted')).catch(() => [])
    const last = names
      .filter((name) => /^\d{10}$/.test(name))
      .sort()
      .at(-1)
    return last === undefined ? null : this.read(join(this.path, 'accepted', last))
  }

  private async read(folder: string): Promise<Remembered | null> {
    const path = join(folder, manifestName)
    if (!(await exists(path))) return null
    const manifest = parseBody(parseCanonical(await readNamedFile(path, signedDocumentBytesMax), signedDocumentBytesMax), Manifest, path)
    checkManifest(manifest)
    return { manifest, digest: digestOf(manifest), folder }
  }

  private async readInventory(folder: string): Promise<Inventory | null> {
    const path = join(folder, inventoryName)
    if (!(await exists(path))) return null
    return parseBody(parseCanonical(await readNamedFile(path, inventoryBytesMax), inventoryBytesMax), Inventory, path)
  }
}

function isOf(bytes: Uint8Array, schema: typeof Receipt): boolean {
  try {
    readUnverified(bytes, schema, 'document')
    return true
  } catch (error) {
    if (isEscrowError(error, 'FORMAT_INVALID')) return false
    throw error
  }
}
