// What a service sees of its log before it begins: an index that is older than the published log must not take another deposit.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateSigningKey } from '../../src/crypto/signature.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { signCheckpoint } from '../../src/format/checkpoint.js'
import { BeginLog } from '../../src/log/begin-log.js'
import { LogFixture, logKey, origin, policy } from '../doubles/log-fixture.js'

let log: LogFixture
beforeEach(async () => {
  log = await LogFixture.open()
})
afterEach(() => log.close())

const beginning = (of: LogFixture, name = origin) => {
  const identity = { origin: name, signer: logKey, holder: 'begin', retainUntil: of.retainUntil, witnesses: null }
  return new BeginLog(of.inner, of.store, { identity, policy }).onModuleInit()
}
const checkpointOf = (replica: string) => join(log.home, replica, 'heads', 'checkpoint')

test('a new log, one that was published and one that has more to publish may begin', async () => {
  await beginning(log)
  await log.seed(3)
  await log.sequencer().run()
  await beginning(log)
  await log.seed(2)
  await beginning(log)
  expect(await log.sequencer().run()).toMatchObject({ size: 5 })
})

test('an index from before the last publication may not, and is told what to do', async () => {
  await log.seed(3)
  await log.sequencer().run()
  const before = log.heads[0]!.written.length
  const fresh = await LogFixture.open()
  try {
    const older = Object.assign(log.over(fresh.inner), { inner: fresh.inner })
    await expect(beginning(older)).rejects.toMatchObject({
      code: 'LOG_ROLLED_BACK',
      message: expect.stringContaining('this database is older than the published log') as string,
    })
    // Without any checkpoint the locked tiles still tell of it, where there is a full one.
    for (const replica of ['north', 'south']) await rm(checkpointOf(replica))
    await beginning(older)
  } finally {
    await fresh.close()
  }
  expect(log.heads[0]!.written.length).toBe(before)
})

test('a log under another key, another name or with another tree may not', async () => {
  await log.seed(2)
  await log.sequencer().run()
  const right = await readFile(checkpointOf('south'))
  const stranger = generateSigningKey(new SystemEntropy())
  await writeFile(checkpointOf('south'), signCheckpoint({ origin, size: 2, root: new Uint8Array(32) }, stranger))
  await expect(beginning(log)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
  await writeFile(checkpointOf('south'), signCheckpoint({ origin, size: 2, root: new Uint8Array(32) }, logKey))
  await expect(beginning(log)).rejects.toMatchObject({ code: 'LOG_FORKED' })
  await writeFile(checkpointOf('south'), right)
  await expect(beginning(log, 'other.example/1')).rejects.toMatchObject({ code: 'LOG_INCONSISTENT' })
})

test('a replica that does not answer, or lost what it showed, is no reason not to begin', async () => {
  await log.seed(2)
  await log.sequencer().run()
  await writeFile(checkpointOf('north'), 'disk noise')
  await rm(join(log.home, 'south'), { recursive: true })
  await beginning(log)
})

test('a publication by another process while we look is none either', async () => {
  await log.seed(2)
  await log.sequencer().run()
  const [head] = log.heads
  const read = head!.read.bind(head)
  let looks = 0
  head!.read = async (name, signal) => {
    looks += 1
    // As if the checkpoint had been read a moment before its place in the index: what is seen first is of the future.
    return looks > 1 ? read(name, signal) : signCheckpoint({ origin, size: 9, root: new Uint8Array(32) }, logKey)
  }
  await beginning(log)
  expect(looks).toBe(2)
})
