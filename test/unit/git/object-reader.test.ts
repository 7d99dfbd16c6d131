import { afterAll, beforeAll, expect, test } from 'vitest'
import { readObjects, statObjects } from '../../../src/git/cat-file.js'
import { ObjectReader } from '../../../src/git/object-reader.js'
import { addEveryKindOfRef, GitFixture } from '../../doubles/git-fixture.js'

let fixture: GitFixture
let ids: readonly string[]
beforeAll(() => {
  fixture = new GitFixture('sha256')
  addEveryKindOfRef(fixture)
  ids = fixture.git(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)']).split('\n')
})
afterAll(() => fixture.remove())

const absent = `${'0'.repeat(63)}1`
const bodies = async (objects: AsyncIterable<{ readonly body: Buffer } | null>) => {
  const found: (string | null)[] = []
  for await (const object of objects) found.push(object?.body.toString('hex') ?? null)
  return found
}

test('question after question is answered as by a git of its own, also about what is not there', async () => {
  const reader = new ObjectReader(fixture.path)
  // More than the pipes hold on either side.
  const many = Array.from({ length: 60 }, () => [...ids, absent]).flat()
  expect(await bodies(reader.read([]))).toEqual([])
  expect(await reader.stat([...ids, absent])).toEqual(await statObjects(fixture.path, [...ids, absent]))
  expect(await bodies(reader.read(many))).toEqual(await bodies(readObjects(fixture.path, many)))
  expect(await reader.stat([absent])).toEqual(new Map())
  expect(await bodies(reader.read([absent]))).toEqual([null])
  reader.close()
})

test('whoever leaves an answer early, or is refused an object, can ask nothing more', async () => {
  for (const leave of [
    async (reader: ObjectReader) => {
      for await (const object of reader.read(ids)) if (object !== null) break
    },
    async (reader: ObjectReader) => expect(bodies(reader.read(ids, 10))).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' }),
  ]) {
    const reader = new ObjectReader(fixture.path)
    await leave(reader)
    await expect(reader.stat(ids)).rejects.toThrow('one question at a time')
  }
})

test('a git that cannot start, and one that is aborted, say why', async () => {
  await expect(new ObjectReader('/nonexistent').stat(ids)).rejects.toMatchObject({ code: 'GIT_FAILED' })
  const stop = new AbortController()
  const reader = new ObjectReader(fixture.path, stop.signal)
  await reader.stat(ids)
  stop.abort(new Error('enough'))
  await expect(reader.stat(ids)).rejects.toThrow('enough')
})
