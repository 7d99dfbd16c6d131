// The same commands on each of the three footprints of docs/ARCHITECTURE.md: PGlite and folders; PostgreSQL and S3; PostgreSQL, Redis and two S3
// of different owners. Whatever is promised of one is promised of all.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { Footprint, footprints, type FootprintName } from '../services/footprint.js'
import { deleteFile, flipBit } from './service-life.js'

describe.each(Object.keys(footprints) as FootprintName[])('%s', (kind) => {
  let footprint: Footprint
  let home: EscrowHome
  let source: GitFixture

  beforeAll(async () => {
    footprint = await Footprint.open(kind)
    source = new GitFixture()
    source.addCommits('refs/heads/main', 3)
    const sources = [`  - source: product`, `    url: ${source.path}`]
    const configured = footprint.servers ? { configuration: () => footprint.configuration } : {}
    home = await EscrowHome.make(sources, { ...configured, database: 'folder' })
  }, 300_000)
  afterAll(async () => {
    await home?.remove()
    source?.remove()
    await footprint?.close()
  })

  test('a source is deposited in full and in part, checked, replicated, verified and opened', async () => {
    await home.must('mirror')
    source.addCommits('refs/heads/main', 2, { label: 'second' })
    const second = await home.json<{ sources: { manifest: { kind: string; sequence: number } }[] }>('mirror')
    expect(second.sources[0]?.manifest).toMatchObject({ kind: 'incremental', sequence: 2 })
    expect(await home.must('mirror')).toContain('unchanged')
    expect(await home.must('check', '--all')).toContain('every one matches')
    const copy = home.at('copy')
    await home.must('replicate', '--to', copy)
    expect(await home.must('verify', copy, '--agreement', home.agreement)).toContain('everything that was looked at holds')
    await home.must(...home.opening(copy), ...(await home.release()), '--to', home.at('restored.git'))
  })

  test('what one replica loses, or a thief of its key hides or overlays, is found and repaired from the other', async () => {
    const { turned, gone } = await damage()
    const found = await home.run('check', '--all')
    expect(found, found.err).toMatchObject({ exitCode: 3 })
    const bad = found.out.split('\n').filter((line) => /^ +(?:mismatch|missing|unreadable) /.test(line))
    expect(bad.map((line) => line.trim()).sort()).toEqual([`mismatch  b  ${turned}`, `missing  b  ${gone}`])
    expect(await home.must('repair')).toContain('2 repaired')
    expect(await home.must('check', '--all')).toContain('every one matches')
  })

  test('an index that is lost is rebuilt from the replicas, and nothing is deposited twice', async () => {
    if (footprint.servers) {
      await footprint.nextDatabase()
      expect(await home.must('rebuild')).toContain('rebuilt from')
    } else expect(await home.must('rebuild', '--replace')).toContain('rebuilt from')
    expect(await home.must('mirror')).toContain('unchanged')
    source.addCommits('refs/heads/main', 1, { label: 'third' })
    const third = await home.json<{ sources: { manifest: { kind: string; sequence: number } }[] }>('mirror')
    expect(third.sources[0]?.manifest).toMatchObject({ kind: 'incremental', sequence: 3 })
    expect(await home.must('check', '--all')).toContain('every one matches')
    expect(await home.must('check-log')).toBeTruthy()
  })

  test('one service keeps many agreements and sources apart', async () => {
    const sources = ['one', 'two'].flatMap((name) => [`  - source: ${name}`, `    url: ${source.path}`])
    const other = await home.another(sources, 'second')
    const mirrored = await home.json<{ sources: { source: string; outcome: string }[] }>('mirror')
    expect(new Map(mirrored.sources.map((one) => [one.source, one.outcome]))).toEqual(
      new Map([
        ['one', 'deposited'],
        ['product', 'unchanged'],
        ['two', 'deposited'],
      ]),
    )
    const copy = home.at('copy-of-two')
    await home.must('replicate', '--to', copy)
    expect(await home.must('verify', copy, '--agreement', other)).toContain('everything that was looked at holds')
    // Shares of one vault open nothing of the other.
    const shares = await home.release()
    const opening = ['--as', home.party('partner'), '--agreement', other, '--from', copy, '--source', 'one', ...shares]
    const refused = await home.run('open', ...opening, '--to', home.at('never.git'))
    expect(refused).toMatchObject({ exitCode: 6, err: expect.stringContaining('SHARES_TOO_FEW') as string })
  })

  /** In a folder a bit turns and a file goes; in a locked bucket a thief of its key can lay other bytes or a delete marker over an object. */
  async function damage(): Promise<{ readonly turned: string; readonly gone: string }> {
    if (footprint.servers) {
      return { turned: await footprint.overlayObject('manifest.json'), gone: await footprint.hideObject('.bundle.age') }
    }
    const root = join(home.home, 'replicas', 'b', 'objects')
    const [first = '', second = ''] = readdirSync(root, { recursive: true }).map(String).filter((name) => name.endsWith('.bundle.age')).sort() // prettier-ignore
    flipBit(join(root, first))
    deleteFile(join(root, second))
    return { turned: first, gone: second }
  }
})
