// A file that somebody attaches: what of it is sealed, and what the inventory says of it. Whoever seals, the agent or a depositor at home, does it so.
import { EscrowError } from '../core/errors.js'
import { Digester, digesting, type StreamDigest } from '../crypto/digest.js'
import { AttachmentName, encodeCompartmentHeader, type AttachedFile, type AttachedKind } from '../format/attachment.js'
import type { AttachmentToKeep, HeldAttachment } from './keep-attachment.js'

/** A file that somebody attaches. */
export interface FileWish {
  readonly kind: AttachedKind
  /** As parties will see it; of build secrets a neutral label. */
  readonly name: string
  /** Its own name, which build secrets keep to themselves. */
  readonly fileName: string
  /** What the file is; the bytes are compared with it. */
  readonly file: StreamDigest
  /** From the beginning, every time. */
  readonly bytes: () => AsyncIterable<Uint8Array>
}

/** What is sealed: the file, or for a compartment a header and the file. The bytes end with `DIGEST_MISMATCH` when the file is not as it was. */
export function plaintextOf({ kind, fileName, file, bytes }: FileWish): AttachmentToKeep {
  if (kind !== 'build-secrets') return { bytes: bytes(), expected: file }
  const header = encodeCompartmentHeader({ name: fileName, ...file })
  return { bytes: prefixed(header, bytes(), file), expected: null }
}

/** What the inventory says of a file. */
export function entryOf(
  { kind, name }: Pick<FileWish, 'kind' | 'name'>,
  { sealed, plain }: Pick<HeldAttachment, 'sealed' | 'plain'>,
): AttachedFile {
  return kind === 'build-secrets' ? { kind, name, sealed: sealed.sha256 } : { kind, name, sealed: sealed.sha256, ...plain }
}

/** @throws EscrowError `ARGUMENT_INVALID` for a name that not every system can keep. The file's own name goes nowhere but into a compartment. */
export function requireNames({ kind, name, fileName }: Pick<FileWish, 'kind' | 'name' | 'fileName'>): void {
  requireName(name, 'attach it under another name')
  if (kind === 'build-secrets') requireName(fileName, 'rename the file')
}

function requireName(name: string, advice: string): void {
  const parsed = AttachmentName.safeParse(name)
  if (parsed.success) return
  const words = parsed.error.issues[0]?.message ?? 'expected a file name'
  throw new EscrowError('ARGUMENT_INVALID', `${words}, got ${JSON.stringify(name.slice(0, 100))}: ${advice}`)
}

async function* prefixed(header: Uint8Array, bytes: AsyncIterable<Uint8Array>, file: StreamDigest): AsyncGenerator<Uint8Array> {
  yield header
  const digester = new Digester()
  yield* digesting(bytes, digester)
  const got = digester.finish()
  if (got.sha256 === file.sha256 && got.sizeBytes === file.sizeBytes) return
  throw new EscrowError(
    'DIGEST_MISMATCH',
    `expected ${file.sizeBytes} bytes with digest ${file.sha256}, got ${got.sizeBytes} with ${got.sha256}`,
  )
}
