import { open, type FileHandle } from 'node:fs/promises'
import { EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import type { ObjectFormat } from './git-remote.js'

/**
 * Reads the index that git wrote beside a pack (gitformat-pack, "Version 2 pack-*.idx files"): magic, version, 256 counts, then the
 * object ids in order. Only what git itself made on scratch is read here, yet a file that is too short or of another kind is refused.
 */

const magic = 0xff744f63
const fanoutBytes = 256 * 4
const headerBytes = 8 + fanoutBytes

/** What the index says about the whole pack. */
export interface PackIndexSummary {
  readonly objectCount: number
  readonly packChecksum: string
}

/**
 * Object count and pack checksum.
 *
 * @throws EscrowError `FORMAT_INVALID`
 */
export async function readPackIndexSummary(indexPath: string, objectFormat: ObjectFormat): Promise<PackIndexSummary> {
  const file = await open(indexPath, 'r')
  try {
    const objectCount = await readCount(file)
    const idBytes = idBytesOf(objectFormat)
    const { size } = await file.stat()
    const sizeBytesMin = headerBytes + objectCount * (idBytes + 8) + 2 * idBytes
    if (size < sizeBytesMin) throw invalid(`expected at least ${sizeBytesMin} bytes of pack index, got ${size}`)
    const checksum = await readExactly(file, idBytes, size - 2 * idBytes)
    return { objectCount, packChecksum: checksum.toString('hex') }
  } finally {
    await file.close()
  }
}

/**
 * Every object id of the pack, ascending, in blocks: memory does not grow with the pack.
 *
 * @returns blocks of whole ids, one after the other (20 or 32 bytes each); none for an empty pack. A block is the caller's.
 * @throws EscrowError `FORMAT_INVALID` while iterating.
 */
export async function* readObjectIds(indexPath: string, objectFormat: ObjectFormat): AsyncGenerator<Buffer, void, undefined> {
  const idBytes = idBytesOf(objectFormat)
  const idsInBlock = Math.floor(readBlockBytes / idBytes)
  const file = await open(indexPath, 'r')
  try {
    const objectCount = await readCount(file)
    for (let at = 0; at < objectCount; at += idsInBlock) {
      const count = Math.min(idsInBlock, objectCount - at)
      yield await readExactly(file, count * idBytes, headerBytes + at * idBytes)
    }
  } finally {
    await file.close()
  }
}

async function readCount(file: FileHandle): Promise<number> {
  const header = await readExactly(file, headerBytes, 0)
  if (header.readUInt32BE(0) !== magic || header.readUInt32BE(4) !== 2)
    throw invalid('expected a pack index of version 2, got something else')
  return header.readUInt32BE(headerBytes - 4)
}

async function readExactly(file: FileHandle, sizeBytes: number, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(sizeBytes)
  const { bytesRead } = await file.read(buffer, 0, sizeBytes, position)
  if (bytesRead !== sizeBytes) throw invalid(`expected ${sizeBytes} bytes at ${position} of the pack index, got ${bytesRead}`)
  return buffer
}

function idBytesOf(objectFormat: ObjectFormat): number {
  return objectFormat === 'sha1' ? 20 : 32
}

function invalid(message: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', message)
}
