import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { openCheckpoint } from '../../src/format/checkpoint.js'
import { parseEntryBundle } from '../../src/format/tile.js'
import type { WriteFault } from '../doubles/failing-writes.js'
import { policy, type LogFixture } from '../doubles/log-fixture.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'

/** What anybody can see: the checkpoint, and every entry from the bundles; the naive tree over them must have the signed root. */
export async function publishedAt(log: LogFixture, replica: string): Promise<{ size: number; entries: string[] }> {
  const at = (...path: string[]) => join(log.home, replica, ...path)
  const checkpoint = openCheckpoint(await readFile(at('heads', 'checkpoint')), policy)
  const entries: Uint8Array[] = []
  for (let index = 0; index * 256 < checkpoint.size; index += 1) {
    const width = Math.min(256, checkpoint.size - index * 256)
    const name = `tile/entries/${String(index).padStart(3, '0')}`
    const file = width === 256 ? at('store', name) : at('heads', `${name}.p/${width}`)
    entries.push(...parseEntryBundle(await readFile(file), width))
  }
  expect(Buffer.from(checkpoint.root).equals(new NaiveMerkle(entries).root(0, checkpoint.size))).toBe(true)
  return { size: checkpoint.size, entries: entries.map((entry) => Buffer.from(entry).toString()) }
}

/** Every checkpoint that any replica was ever asked to show must be a beginning of what is shown now. */
export async function expectNoForkOf(log: LogFixture): Promise<void> {
  const { entries } = await publishedAt(log, 'north')
  const tree = new NaiveMerkle(entries.map((entry) => Buffer.from(entry)))
  const seen = log.heads.flatMap(({ written }) => written).filter(({ name }) => name === 'checkpoint')
  for (const { bytes } of seen) {
    const { size, root } = openCheckpoint(bytes, policy)
    expect(tree.root(0, size).equals(root)).toBe(true)
  }
}

/** Let each write of a step fail in turn, each step completing a tile and beginning the next. @returns writes of the last step. */
export async function surviveEveryWrite(log: LogFixture, fault: WriteFault): Promise<number> {
  let size = 10
  let sequencer = log.sequencer()
  await log.seed(size)
  await sequencer.run()
  for (let write = 1; ; write += 1) {
    await log.seed(256)
    size += 256
    log.writes.plan(write, fault)
    try {
      await sequencer.run()
    } catch (error) {
      expect(error).toBeInstanceOf(EscrowError)
      sequencer = log.sequencer()
    }
    const { struck } = log.writes
    log.writes.revive()
    expect(await sequencer.run()).toMatchObject({ size })
    if (!struck) break
  }
  const shown = await Promise.all(log.replicas.replicas.map(({ name }) => publishedAt(log, name)))
  expect(shown[0]!.size).toBe(size)
  for (const one of shown) expect(one).toEqual(shown[0])
  await expectNoForkOf(log)
  return log.writes.count
}
