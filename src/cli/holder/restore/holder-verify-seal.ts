import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Writable } from 'node:stream'
import { EscrowError } from '../../../core/errors.js'
import { sealDisclosureBytesMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { openOwnBytes } from '../../../crypto/open-own-bytes.js'
import { checkManifest } from '../../../format/check-manifest.js'
import { Manifest } from '../../../format/manifest.js'
import { parseSealDisclosure, verifyDisclosedSeal, type SealDisclosure } from '../../../format/seal-disclosure.js'
import { epochOf, keysOf, openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import { openDocument, type OpenedDocument } from '../../../format/signed-document.js'
import { depositFileKey, type ArchiveReader } from '../../../store/archive-reader.js'
import { objectKeys, type DepositPlace } from '../../../store/object-key.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile } from '../../files.js'
import { openNamedArchive } from '../../open-archive.js'
import { openPartyFolder } from '../../party/party-folder.js'
import { formatBytes } from '../../terminal.js'

interface VerifySealOptions {
  readonly as: string
  readonly agreement: string
  readonly from: string
  readonly bundle?: string
}

/**
 * Verify, without any custodian, that the vault opens one sealed deposit: with what its depositor disclosed to whoever runs this.
 *
 * @throws EscrowError `ENVELOPE_RECIPIENT` for a disclosure to somebody else; `SEAL_BROKEN`, `RECIPIENT_INVALID`, `SIGNATURE_INVALID`, `NOT_FOUND`,
 *   `OBJECT_*`; nothing is left of `--bundle` then
 */
export async function verifySeal(context: CommandContext, options: VerifySealOptions, path: string): Promise<CommandResult> {
  const { identity } = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const disclosure = parseSealDisclosure(openOwnBytes(await readNamedFile(path, 2 * sealDisclosureBytesMax), identity))
  const reader = await openNamedArchive(options.from)
  const place = await findPlace(reader, agreement, disclosure)
  const { body: manifest, digest: manifestDigest } = await readManifest(reader, agreement, place)
  const { envelope, bundle } = manifest
  const { recipient: vault } = epochOf(agreement.body, envelope.epoch)
  const stored = reader.open(depositFileKey(place, envelope.key), envelope, context.signal)
  const opened = verifyDisclosedSeal(stored, { disclosure, manifest, manifestDigest, vault })
  await keep(opened, options.bundle)
  const lines = columns([
    ['deposit', `${place.sequence} of ${place.source}, manifest ${manifestDigest}`],
    ['seal', `the vault of epoch ${envelope.epoch} opens it: ${envelope.recipient}`],
    ['bundle', `${formatBytes(bundle.sizeBytes)}, ${bundle.sha256}${options.bundle === undefined ? '' : `, written to ${options.bundle}`}`],
  ])
  const { source, sequence } = place
  return {
    json: { outcome: 'opens', source, sequence, manifest: manifestDigest, recipient: envelope.recipient, bundle: bundle.sha256 },
    lines,
  }
}

async function findPlace(reader: ArchiveReader, agreement: SignedAgreement, { source, sequence }: SealDisclosure): Promise<DepositPlace> {
  const { sources } = await reader.tree(agreement.body.agreement, source)
  const folder = sources.get(source)?.find(({ place, files }) => place.sequence === sequence && files.has('manifest.json'))
  if (folder === undefined) throw new EscrowError('NOT_FOUND', `the copy of the archive has no deposit ${sequence} of ${source}`)
  return folder.place
}

async function readManifest(reader: ArchiveReader, agreement: SignedAgreement, place: DepositPlace): Promise<OpenedDocument<Manifest>> {
  const bytes = await reader.read(objectKeys.manifest(place), signedDocumentBytesMax)
  const opened = openDocument(bytes, { schema: Manifest, keys: keysOf(agreement.body, 'depositor'), what: 'manifest' })
  checkManifest(opened.body)
  if (opened.body.agreement === agreement.digest) return opened
  throw new EscrowError('AGREEMENT_DIGEST', `expected a manifest under ${agreement.digest}, got one under ${opened.body.agreement}`)
}

/** What was written counts only when the end was reached. */
async function keep(opened: AsyncIterable<Uint8Array>, path: string | undefined): Promise<void> {
  if (path === undefined) return pipeline(opened, new Writable({ write: (_block, _encoding, done) => done() }))
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true })
  let isOurs = false
  file.once('open', () => (isOurs = true))
  try {
    await pipeline(opened, file)
  } catch (error) {
    if (isOurs) await rm(path, { force: true })
    throw error
  }
}
