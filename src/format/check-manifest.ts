// The rules between the fields of a manifest, and between the manifests of a chain. A verifier needs nothing else to know that no
// deposit is missing from a folder but the digest of the newest manifest.
import { EscrowError } from '../core/errors.js'
import { attachmentName } from './attachment.js'
import type { Manifest } from './manifest.js'

/** A manifest with the digest of its payload. */
export interface DatedManifest {
  readonly manifest: Manifest
  readonly digest: string
}

/**
 * Refuse a manifest that contradicts itself.
 *
 * @param manifest - of the right types already; its content is attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID` naming the field.
 *
 * Source: docs/formats/manifest.md, "Rules".
 */
export function checkManifest(manifest: Manifest): void {
  checkPlace(manifest)
  checkFiles(manifest)
  checkFindings(manifest)
}

function checkPlace({ sequence, kind, base, previous, objectFormat, bundle }: Manifest): void {
  if ((sequence === 1) !== (previous === null)) throw invalid('a previous digest from sequence 2 on', `sequence ${sequence}`)
  if (kind === 'full' && base !== sequence) throw invalid(`a full deposit to be its own base ${sequence}`, base)
  if (kind === 'incremental' && base >= sequence) throw invalid(`an incremental to rest on a base before ${sequence}`, base)
  const digits = objectFormat === 'sha1' ? 40 : 64
  if (bundle.packChecksum.length !== digits) throw invalid(`a pack checksum of ${digits} digits`, bundle.packChecksum.length)
}

/** Keys are names below the deposit's own folder, so that a folder can be copied elsewhere and still be read, and nothing outside it named. */
const fileName = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/

function checkFiles({ envelope, inventory, knownObjects, attachments }: Manifest): void {
  for (const file of [envelope, inventory, knownObjects]) {
    if (!fileName.test(file.key)) throw invalid('a file name as key', JSON.stringify(file.key.slice(0, 60)))
  }
  const attachment = attachments.find((file) => file.key !== attachmentName(file.sha256))
  if (attachment !== undefined) throw invalid('attachments to bear their digests', JSON.stringify(attachment.key.slice(0, 100)))
  const keys = [envelope, inventory, knownObjects, ...attachments].map((file) => file.key)
  if (new Set(keys).size !== keys.length) throw invalid('each object key once', 'one of them twice')
  const { sizeBytes, partBytes, partSha256 } = envelope
  // An empty file is one empty part (docs/formats/manifest.md, "Envelope").
  const parts = partBytes === 0 ? 0 : Math.max(1, Math.ceil(sizeBytes / partBytes))
  if (partSha256.length !== parts) throw invalid(`${parts} part digests for ${sizeBytes} bytes in parts of ${partBytes}`, partSha256.length)
  if (parts === 1 && partSha256[0] !== envelope.sha256)
    throw invalid('the digest of the only part to be that of the whole', partSha256[0] ?? '')
}

function checkFindings({ findings, outcome }: Manifest): void {
  const names = findings.map(({ code, severity }) => `${code} ${severity}`)
  if (new Set(names).size !== names.length) throw invalid('each finding once for each severity', 'one of them twice')
  const expected = findings.some((finding) => finding.severity === 'blocking') ? 'fail' : 'pass'
  if (outcome !== expected) throw invalid(`outcome ${expected} with these findings`, outcome)
}

/**
 * Require that manifests are deposits of one source one after the other, each resting on those before it.
 *
 * @param chain - in order of sequence, beginning with a full deposit (any; the digest before it is then not checked); signatures verified.
 * @throws EscrowError `CHAIN_BROKEN` at the first gap or contradiction; `FORMAT_INVALID` when a manifest contradicts itself.
 *
 * What was cut off at the end only a receipt, the log or the newest digest can show.
 */
export function checkChain(chain: readonly DatedManifest[]): void {
  let full: Manifest | null = null
  let before: DatedManifest | null = null
  for (const link of chain) {
    checkManifest(link.manifest)
    if (before !== null) checkFollows(link.manifest, before)
    if (link.manifest.kind === 'full') full = link.manifest
    checkBase(link.manifest, full)
    before = link
  }
}

function checkFollows(next: Manifest, { manifest: before, digest }: DatedManifest): void {
  if (next.source !== before.source) throw broken(next, `source ${before.source}`, next.source)
  if (next.sequence !== before.sequence + 1) throw broken(next, `sequence ${before.sequence + 1}`, next.sequence)
  if (next.previous !== digest) throw broken(next, `previous ${digest.slice(0, 16)}`, next.previous?.slice(0, 16) ?? 'none')
}

/** A chain is opened with one epoch's shares and read by one git repository, so neither may change before the next full deposit. */
function checkBase(next: Manifest, full: Manifest | null): void {
  if (full === null) throw broken(next, 'a full deposit first', next.kind)
  if (next.base !== full.sequence) throw broken(next, `base ${full.sequence}`, next.base)
  if (next.objectFormat !== full.objectFormat) throw broken(next, `object format ${full.objectFormat}`, next.objectFormat)
  if (next.envelope.epoch !== full.envelope.epoch) throw broken(next, `epoch ${full.envelope.epoch}`, next.envelope.epoch)
  if (next.envelope.recipient !== full.envelope.recipient)
    throw broken(next, `recipient ${full.envelope.recipient}`, next.envelope.recipient)
}

function invalid(expected: string, got: string | number): EscrowError {
  return new EscrowError('FORMAT_INVALID', `manifest: expected ${expected}, got ${got}`)
}

function broken({ source, sequence }: Manifest, expected: string, got: string | number): EscrowError {
  return new EscrowError('CHAIN_BROKEN', `deposit ${sequence} of ${source}: expected ${expected}, got ${got}`, {
    details: { source, sequence },
  })
}
