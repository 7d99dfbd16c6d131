import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listBlobs, listCommits, listObjects, readManyObjects, readObjects, statObjects } from '../../../src/git/cat-file.js'
import { addEveryKindOfRef, GitFixture } from '../../doubles/git-fixture.js'

describe.each(['sha1', 'sha256'] as const)('objects of a %s repository', (objectFormat) => {
  let fixture: GitFixture
  const id = (revision: string) => fixture.git(['rev-parse', revision])

  beforeAll(() => {
    fixture = new GitFixture(objectFormat)
    addEveryKindOfRef(fixture)
  })
  afterAll(() => fixture.remove())

  test('contents are those of cat-file, and what is not there is null', async () => {
    const revisions = ['main', 'main^{tree}', 'plain-blob', 'nested']
    const absent = `${'0'.repeat(objectFormat === 'sha1' ? 39 : 63)}1`
    const ids = [...revisions.map(id), absent, id('main')]
    const found: (string | null)[] = []
    for await (const object of readObjects(fixture.path, ids)) {
      if (object !== null) expect(object.body).toHaveLength(object.sizeBytes)
      if (object !== null && object.type !== 'tree')
        expect(object.body.toString().replace(/\n$/, '')).toBe(fixture.git(['cat-file', '-p', object.oid]))
      found.push(object === null ? null : object.oid)
    }
    expect(found).toEqual([...revisions.map(id), null, id('main')])
  })

  test.for([0, 1, 99_999, 100_000, 100_001])('a blob of %i bytes is read if it fits into 100,000', async (size) => {
    const oid = fixture.writeRaw('blob', Buffer.alloc(size, 'z'))
    const read = async () => {
      const sizes: (number | undefined)[] = []
      for await (const object of readObjects(fixture.path, [oid, id('main')], 100_000)) sizes.push(object?.body.length)
      return sizes
    }
    if (size <= 100_000) expect((await read())[0]).toBe(size)
    else await expect(read()).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
  })

  test('many at once are the same answers, whatever the pipe cuts in two', async () => {
    const sizes = [0, 65_535, 65_536, 200_000]
    const few = Array.from({ length: 3 }, (_, index) => fixture.writeRaw('blob', `small ${index}`))
    const small = Array.from({ length: 2_000 }, (_, index) => few[index % few.length] ?? '')
    const large = sizes.map((size) => fixture.writeRaw('blob', Buffer.alloc(size, 'm')))
    const absent = '1'.repeat(objectFormat === 'sha1' ? 40 : 64)
    const ids = [...large, ...small.slice(0, 1_000), absent, ...large, ...small]
    const found: (string | null)[] = []
    let turns = 0
    for await (const some of readManyObjects(fixture.path, ids)) {
      turns += 1
      for (const object of some) {
        if (object !== null && object.sizeBytes < 20) expect(object.body.toString()).toMatch(/^(?:m*|small \d+)$/)
        if (object !== null) expect(object.body).toHaveLength(object.sizeBytes)
        found.push(object === null ? null : object.oid)
      }
    }
    expect(found).toEqual(ids.map((one) => (one === absent ? null : one)))
    expect(turns).toBeLessThan(ids.length / 2)
  })

  test('one that is too large is refused among those that arrived with it', async () => {
    const ids = [50, 100, 101].map((size) => fixture.writeRaw('blob', Buffer.alloc(size, 't')))
    const read = async () => {
      for await (const some of readManyObjects(fixture.path, ids, 100)) expect(some).not.toContain(undefined)
    }
    await expect(read()).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
  })

  test('types are told of what is there, by id', async () => {
    const absent = 'f'.repeat(objectFormat === 'sha1' ? 40 : 64)
    const heads = await statObjects(fixture.path, [id('main'), absent, id('plain-tree')])
    expect([...heads].map(([oid, head]) => [oid, head.type])).toEqual([
      [id('main'), 'commit'],
      [id('plain-tree'), 'tree'],
    ])
  })

  test('every object is listed once', async () => {
    const listed: string[] = []
    for await (const object of listObjects(fixture.path)) listed.push(`${object.oid} ${object.type} ${object.sizeBytes}`)
    const expected = fixture.git(['cat-file', '--batch-all-objects', '--batch-check']).split('\n')
    expect(listed.sort()).toEqual(expected.sort())
  })

  test('commits are listed, and nothing else is', async () => {
    const found: string[] = []
    for await (const oids of listCommits(fixture.path)) found.push(...oids)
    const expected: string[] = []
    for await (const { oid, type } of listObjects(fixture.path)) if (type === 'commit') expected.push(oid)
    expect(expected.length).toBeGreaterThan(1)
    expect(found).toEqual(expected)
  })

  test('blobs are listed by size, and nothing else is', async () => {
    for (const size of [9, 10, 99, 100]) fixture.writeRaw('blob', Buffer.alloc(size, 'y'))
    const found: string[] = []
    for await (const oids of listBlobs(fixture.path, { atLeast: 10, below: 100 })) found.push(...oids)
    const expected: string[] = []
    for await (const { oid, type, sizeBytes } of listObjects(fixture.path))
      if (type === 'blob' && sizeBytes >= 10 && sizeBytes < 100) expected.push(oid)
    expect(expected.length).toBeGreaterThan(1)
    expect(found.sort()).toEqual(expected.sort())
  })
})
