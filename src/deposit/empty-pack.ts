import { createHash } from 'node:crypto'
import type { ObjectFormat } from '../git/git-remote.js'

/** `PACK`, version 2, no objects (gitformat-pack). */
const header = Buffer.from('5041434b0000000200000000', 'hex')

/**
 * The pack of a deposit that brings no object: one that only deletes or renames refs, or an empty repository.
 *
 * @returns 32 bytes in SHA-1 repositories, 44 in SHA-256 ones, as a stream.
 */
export async function* emptyPack(format: ObjectFormat): AsyncGenerator<Uint8Array> {
  yield Buffer.concat([header, createHash(format).update(header).digest()])
}
