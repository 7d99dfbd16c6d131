import { assert } from '../core/errors.js'
import { copyTo, threadMemory } from '../crypto/thread-memory.js'

/**
 * The same bytes in blocks of one size, the last one shorter: digests and ciphers are fastest on 1 MiB, and remotes send 64 KiB or less.
 *
 * Reads ahead by one block, so that the source is not idle while a block is worked on. Two buffers take turns: a block is valid until
 * the next one is asked for, and whoever keeps it longer copies it. They lie in memory that another thread can hash.
 *
 * @param blockBytes - at least 1.
 * @returns blocks; none for no bytes. When it is left early the source is ended, but not
 *   waited for: one that hangs would hang us too. The caller aborts what is behind it.
 */
export async function* inBlocks(source: AsyncIterable<Uint8Array>, blockBytes: number): AsyncGenerator<Uint8Array> {
  assert(blockBytes > 0, 'a block has a byte')
  const blocks = cut(source, [threadMemory(blockBytes), threadMemory(blockBytes)])
  let next = blocks.next()
  try {
    for (;;) {
      const { done, value } = await next
      if (done === true) return
      next = blocks.next()
      // Whoever stops reading never hears of a failure that was read ahead.
      next.catch(() => undefined)
      yield value
    }
  } finally {
    blocks.return(undefined).catch(() => undefined)
  }
}

/**
 * The same bytes in blocks that are worth a turn of another thread: large pieces are passed on where they lie, small ones gathered.
 *
 * @param blockBytes - the size of gathered blocks, at least 1; pieces from half of it on are large.
 * @returns blocks; none for no bytes. Each is valid until the next one is asked for, as long as the source's own are.
 */
export function gathered(source: AsyncIterable<Uint8Array>, blockBytes: number): AsyncGenerator<Uint8Array> {
  assert(blockBytes > 0, 'a block has a byte')
  return cut(source, [new Uint8Array(blockBytes)], blockBytes / 2)
}

/** @param buffers - of one size; they take turns. @param largeFrom - bytes from which on a piece is passed on, where none are gathered before it. */
async function* cut(
  source: AsyncIterable<Uint8Array>,
  buffers: readonly Uint8Array[],
  largeFrom = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array, undefined> {
  let turn = 0
  let used = 0
  for await (const bytes of source) {
    if (used === 0 && bytes.byteLength >= largeFrom) {
      yield bytes
      continue
    }
    for (let offset = 0; offset < bytes.byteLength;) {
      const buffer = buffers[turn]
      assert(buffer !== undefined, 'one of the buffers')
      const piece = bytes.subarray(offset, offset + buffer.byteLength - used)
      copyTo(buffer, used, piece)
      used += piece.byteLength
      offset += piece.byteLength
      if (used < buffer.byteLength) continue
      yield buffer
      turn = (turn + 1) % buffers.length
      used = 0
    }
  }
  if (used > 0) yield buffers[turn]?.subarray(0, used) ?? new Uint8Array(0)
  return undefined
}

/** Wait for both, also when one fails: a file must not be closed under a write. */
export async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second])
  return Promise.all([first, second])
}
