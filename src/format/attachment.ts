// Files that belong to deposits beside the repository: what each is called in an inventory, in a manifest, and inside a compartment that
// only the quorum opens. What is attacker-controlled: every name.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { compartmentHeaderBytesMax } from '../core/limits.js'
import { canonicalize, parseCanonical } from './canonical-json.js'
import { SafeCount, Sha256Hex } from './ids.js'
import type { KnownObjectsKey } from './known-objects.js'
import { parseBody } from './parse-body.js'

/** What people attach. `build-secrets` is the compartment that only the quorum can open: its file name and digest are sealed with it. */
export const AttachedKind = z.enum(['build-environment', 'image', 'documentation', 'sbom', 'other', 'build-secrets'])
export type AttachedKind = z.infer<typeof AttachedKind>

/**
 * The name of an attached file: one folder entry on any system, never a path. It becomes a file on the machine of whoever opens a deposit,
 * so it begins with a letter, digit or underscore and ends with none of what some systems cut off.
 */
export const AttachmentName = z
  .string()
  .max(200)
  .regex(
    /^[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N} ._+@()=,-]*[\p{L}\p{M}\p{N}_+@)=-])?$/u,
    'expected a file name of letters, digits, spaces and ._+@()=,-',
  )
  .refine((name) => !/^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(name), 'expected a name that every system can keep')

/** An attachment as the inventory of a deposit lists it. `sealed` is the digest of its age file, by which the manifest names it. */
export const InventoryAttachment = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('lfs'), sealed: Sha256Hex, sha256: Sha256Hex, sizeBytes: SafeCount }),
  z.strictObject({
    kind: AttachedKind.exclude(['build-secrets']),
    name: AttachmentName,
    sealed: Sha256Hex,
    sha256: Sha256Hex,
    sizeBytes: SafeCount,
  }),
  /** `name` is a neutral label: the file's own name and digest are inside. */
  z.strictObject({ kind: z.literal('build-secrets'), name: AttachmentName, sealed: Sha256Hex }),
])
export type InventoryAttachment = z.infer<typeof InventoryAttachment>
/** One that people attached, as opposed to what git LFS brought. */
export type AttachedFile = Exclude<InventoryAttachment, { kind: 'lfs' }>

/** The key of an attachment in a manifest, below the folder of its source. @param sealed - SHA-256 of the age file. */
export function attachmentName(sealed: string): string {
  return `attachments/${sealed}.age`
}

/**
 * What the index keeps in the place of a digest of plaintext: without the source's key nobody can ask whether a known file was deposited.
 *
 * @param what - `content` with a SHA-256; `sealed` with that of the age file, where its depositor sealed it and nobody here knows the content;
 *   `name` with the name of an attached file.
 * @returns 64 hex digits.
 */
export function attachmentTag(key: KnownObjectsKey, what: 'content' | 'sealed' | 'name', text: string): string {
  return Buffer.from(key.mac(Buffer.from(`escrow-attachment/v1 ${what}\n${text}`)), 'latin1').toString('hex')
}

/** What precedes the bytes of a file in a compartment. */
export const CompartmentHeader = z.strictObject({ name: AttachmentName, sha256: Sha256Hex, sizeBytes: SafeCount })
export type CompartmentHeader = z.infer<typeof CompartmentHeader>

const compartmentLine = 'escrow-compartment/v1\n'

/** The beginning of a compartment's plaintext; the bytes of the file follow. */
export function encodeCompartmentHeader(header: CompartmentHeader): Uint8Array {
  return Buffer.concat([Buffer.from(compartmentLine), canonicalize(header), Buffer.from('\n')])
}

/**
 * Read the beginning of a compartment.
 *
 * @param start - the first bytes of the plaintext, `compartmentHeaderBytesMax` or all there are; attacker-controlled.
 * @returns the header, and where the bytes of the file begin.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseCompartmentHeader(start: Buffer): { readonly header: CompartmentHeader; readonly offset: number } {
  const end = start.subarray(0, compartmentHeaderBytesMax).indexOf('\n', compartmentLine.length)
  if (start.toString('latin1', 0, compartmentLine.length) !== compartmentLine || end < 0) {
    throw new EscrowError('FORMAT_INVALID', `compartment: expected the line escrow-compartment/v1 and a header`)
  }
  const line = start.subarray(compartmentLine.length, end)
  const header = parseBody(parseCanonical(line, compartmentHeaderBytesMax), CompartmentHeader, 'compartment')
  return { header, offset: end + 1 }
}
