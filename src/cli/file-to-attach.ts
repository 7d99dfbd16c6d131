import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import { Digester } from '../crypto/digest.js'
import type { FileWish } from '../deposit/attached-file.js'
import { AttachedKind } from '../format/attachment.js'
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

/**
 * What `--attach <kind[:name]=file>` names.
 *
 * @throws EscrowError `ARGUMENT_INVALID` for a kind that nobody knows, or build secrets without a label
 */
export function parseAttach(text: string): { readonly path: string; readonly kind: AttachedKind; readonly name: string } {
  const [, kindText, label, path = ''] = /^([^:=]+)(?::([^=]+))?=([^\0]+)$/s.exec(text) ?? []
  const kind = AttachedKind.safeParse(kindText)
  if (!kind.success)
    throw new EscrowError(
      'ARGUMENT_INVALID',
      `expected --attach like sbom=product.spdx.json, with one of ${AttachedKind.options.join(', ')}`,
    )
  requireLabel(kind.data, label)
  return { path, kind: kind.data, name: label ?? basename(path) }
}

/** @throws EscrowError `ARGUMENT_INVALID` for build secrets without a label */
export function requireLabel(kind: AttachedKind, label: string | undefined): void {
  if (kind !== 'build-secrets' || label !== undefined) return
  throw new EscrowError(
    'ARGUMENT_INVALID',
    'expected a name with build secrets: a neutral label, because their own name is sealed with them',
  )
}

/** Read a file that is to be attached, once. @throws EscrowError `FILE_UNREADABLE`, also for what is no file: a pipe would be waited for, and cannot be read twice */
export async function fileToAttach(
  context: CommandContext,
  { path, kind, name }: { readonly path: string; readonly kind: AttachedKind; readonly name: string },
): Promise<FileToAttach> {
  const bytes = () => createReadStream(path, { highWaterMark: readBlockBytes }) as AsyncIterable<Uint8Array>
  const digester = new Digester()
  try {
    const found = await stat(path)
    if (!found.isFile() && !found.isDirectory()) throw new EscrowError('FILE_UNREADABLE', `${path}: it is no file: write it into one first`)
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
