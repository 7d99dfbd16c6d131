// A sealed deposit as its depositor offers it: a folder with one deposit in the archive's own layout. Everything in it is attacker-controlled.
import { EscrowError } from '../../core/errors.js'
import { attachmentBytesMax, attachmentsMax, inventoryBytesMax, signedDocumentBytesMax } from '../../core/limits.js'
import { differencesFrom } from '../../format/check-deposit-statement.js'
import { checkManifest } from '../../format/check-manifest.js'
import { checkStatement } from '../../format/check-statement.js'
import { Manifest } from '../../format/manifest.js'
import { keysOf } from '../../format/signed-agreement.js'
import { openDocument } from '../../format/signed-document.js'
import { DepositStatement } from '../../format/statement.js'
import { depositFileKey, type ArchiveReader, type DepositFolder } from '../../store/archive-reader.js'
import type { ExpectedObject } from '../../store/expected-object.js'
import { objectKeys, type DepositPlace, type ObjectKey } from '../../store/object-key.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'

/** A small sealed file, verified. */
interface OfferedFile {
  readonly key: ObjectKey
  readonly bytes: Uint8Array
}

/** A deposit whose documents are the depositor's; whether it may follow what is here, `checkOffer` says. Its envelope is not read yet. */
export interface Offer {
  readonly known: KnownAgreement
  readonly place: DepositPlace
  readonly attempt: string
  readonly manifest: Manifest
  readonly digest: string
  /** The manifest as the depositor signed it. */
  readonly signed: Uint8Array
  /** The deposit statement, signed. */
  readonly statement: Uint8Array
  readonly envelopeKey: ObjectKey
  readonly inventory: OfferedFile
  readonly knownObjects: OfferedFile
}

/**
 * Read an offer.
 *
 * @throws EscrowError `NOT_FOUND` unless there is exactly one deposit with a manifest, which its depositor writes last; `SIGNATURE_INVALID`,
 *   `AGREEMENT_DIGEST`, `STATEMENT_*`, `FORMAT_INVALID`, `OBJECT_*`
 */
export async function readOffer(
  outbox: ArchiveReader,
  agreementOf: (id: string) => Promise<KnownAgreement>,
  now: Date,
  signal?: AbortSignal,
): Promise<Offer> {
  const { place } = await onlyDeposit(outbox, signal)
  const known = await agreementOf(place.agreement)
  const keys = keysOf(known.signed.body, 'depositor')
  const signed = await outbox.read(objectKeys.manifest(place), signedDocumentBytesMax, signal)
  const { body: manifest, digest } = openDocument(signed, { schema: Manifest, keys, what: 'manifest' })
  checkManifest(manifest)
  if (manifest.agreement !== known.signed.digest) {
    throw new EscrowError(
      'AGREEMENT_DIGEST',
      `expected a deposit under agreement ${known.signed.digest}, got one under ${manifest.agreement}`,
    )
  }
  const { source, sequence, kind, mode } = manifest
  if (source !== place.source || sequence !== place.sequence || kind !== place.kind || mode !== 'sealed') {
    throw new EscrowError(
      'DEPOSIT_STATE',
      `expected the sealed deposit ${place.sequence} of ${place.source}, got ${mode} deposit ${sequence} of ${source}`,
    )
  }
  const attempt = attemptOf(manifest)
  const statement = await outbox.read(objectKeys.depositStatement(place), signedDocumentBytesMax, signal)
  checkWord(statement, { manifest, known, now })
  const small = async (file: ExpectedObject & { readonly key: string }) => readSmall(outbox, depositFileKey(place, file.key), file, signal)
  const inventory = await small(manifest.inventory)
  const knownObjects = await small(manifest.knownObjects)
  const envelopeKey = depositFileKey(place, manifest.envelope.key)
  return { known, place, attempt, manifest, digest, signed, statement, envelopeKey, inventory, knownObjects }
}

async function onlyDeposit(outbox: ArchiveReader, signal?: AbortSignal): Promise<DepositFolder> {
  const found: DepositFolder[] = []
  for (const id of await outbox.agreements(signal)) {
    const { sources } = await outbox.tree(id, undefined, signal)
    for (const folders of sources.values()) found.push(...folders.filter((folder) => folder.files.has('manifest.json')))
  }
  const [folder] = found
  if (folder !== undefined && found.length === 1) return folder
  const words = found.length === 0 ? 'none that is finished' : `${found.length}`
  throw new EscrowError('NOT_FOUND', `expected one sealed deposit in the folder, got ${words}`)
}

/** Names of its files are part of keys that must never meet another attempt's. */
function attemptOf({ envelope, inventory, knownObjects, attachments }: Manifest): string {
  const [, attempt = ''] = /^([a-z2-7]{20})\.bundle\.age$/.exec(envelope.key) ?? []
  const expected = [`${attempt}.inventory.age`, `${attempt}.known-objects`]
  if (attempt === '' || inventory.key !== expected[0] || knownObjects.key !== expected[1]) {
    throw new EscrowError(
      'FORMAT_INVALID',
      'expected files named after one attempt: 20 characters, then .bundle.age, .inventory.age, .known-objects',
    )
  }
  if (attachments.length > attachmentsMax || attachments.some((file) => file.sizeBytes > attachmentBytesMax)) {
    throw new EscrowError('FORMAT_INVALID', `expected at most ${attachmentsMax} attachments of at most ${attachmentBytesMax} bytes`)
  }
  return attempt
}

/** What the depositor says it sent is what its manifest says. */
function checkWord(bytes: Uint8Array, of: { readonly manifest: Manifest; readonly known: KnownAgreement; readonly now: Date }): void {
  const { body, digest } = of.known.signed
  const { body: statement } = openDocument(bytes, { schema: DepositStatement, keys: keysOf(body, 'depositor'), what: 'deposit statement' })
  checkStatement(statement, { agreement: digest, origin: body.origin, epoch: of.manifest.envelope.epoch, now: of.now })
  const { source, takenAt, bundle } = of.manifest
  const differences = differencesFrom(statement, { ...of.manifest, packChecksum: bundle.packChecksum })
  const isWhole = statement.packChecksum !== null && statement.source === source && statement.takenAt === takenAt
  if (isWhole && differences.length === 0) return
  throw new EscrowError('STATEMENT_INVALID', 'deposit statement: expected one for this manifest, got one for another')
}

async function readSmall(outbox: ArchiveReader, key: ObjectKey, expected: ExpectedObject, signal?: AbortSignal): Promise<OfferedFile> {
  if (expected.sizeBytes > inventoryBytesMax) throw new EscrowError('FORMAT_INVALID', `${key}: expected at most ${inventoryBytesMax} bytes`)
  const blocks: Uint8Array[] = []
  for await (const block of outbox.open(key, { sizeBytes: expected.sizeBytes, sha256: expected.sha256 }, signal)) blocks.push(block)
  return { key, bytes: Buffer.concat(blocks) }
}
