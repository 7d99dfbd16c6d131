import type { Writable } from 'node:stream'

/**
 * Write blocks one after the other, waiting whenever the other side is slower.
 *
 * @param onBlock - called after each block that was taken.
 *
 * Resolves early, without an error, if the stream is closed meanwhile: why it was closed is for the reader of the answer to say.
 */
export async function writeBlocks(writable: Writable, blocks: Iterable<Uint8Array>, onBlock: () => void = () => undefined): Promise<void> {
  for (const block of blocks) {
    if (writable.destroyed) return
    if (!writable.write(block)) await drained(writable)
    onBlock()
  }
}

function drained(writable: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      writable.off('drain', done).off('close', done)
      resolve()
    }
    writable.once('drain', done).once('close', done)
  })
}
