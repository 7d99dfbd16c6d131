import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { readBlockBytes } from '../core/limits.js'
import { Digester } from '../crypto/digest.js'
import type { FileWish } from '../deposit/attached-file.js'
import type { AttachedKind } from '../format/attachment.js'
import type { CommandContext } from './command.js'
import { fileFault } from './files.js'

/** A file to attach, read once to know what it is. */
export interface FileToAttach extends FileWish {
  readonly path: string
}

/** What became of a file. */
export interface Attached {
  readonly name: string
  readonly sealedSha256: string
  readonly sealedBytes: number
  readonly waitUntil: Date
}

/** Read a file that is to be attached, once. @throws EscrowError `FILE_UNREADABLE` */
export async function fileToAttach(
  context: CommandContext,
  { path, kind, name }: { readonly path: string; readonly kind: AttachedKind; readonly name: string },
): Promise<FileToAttach> {
  const bytes = () => createReadStream(path, { highWaterMark: readBlockBytes }) as AsyncIterable<Uint8Array>
  const digester = new Digester()
  try {
    let done = 0
    for await (const block of bytes()) {
      context.signal.throwIfAborted()
      digester.update(block)
      done += block.byteLength
      context.progress({ phase: `reading ${name}`, done, unit: 'bytes' })
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error && typeof error.code === 'string' ? fileFault(path, error) : error
  }
  return { path, kind, name, fileName: basename(path), file: digester.finish(), bytes }
}
