// A copy that `escrow replicate` made holds its log too. Whoever has it takes something away, or shows another log, and `escrow verify` says so.
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'

let fixture: GitFixture
let home: EscrowHome
/** Checkpoint after the first deposit. */
let earlier = ''

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 2)
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`])
  await home.must('mirror')
  await home.must('replicate', '--to', home.at('earlier'))
  earlier = home.at('earlier', 'checkpoint')
  fixture.addCommits('refs/heads/main', 2, { label: 'second' })
  await home.must('mirror')
  await home.must('replicate', '--to', home.at('copy'))
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

let copies = 0
function copied(): string {
  copies += 1
  const folder = home.at(`changed-${copies}`)
  cpSync(home.at('copy'), folder, { recursive: true })
  return folder
}

/** The first file below the folder whose path has this in it. */
function find(folder: string, part: string): string {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .find((path) => path.slice(folder.length).includes(part))
  if (found === undefined) throw new Error(`expected a file with ${part} in its path`)
  return found
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40)
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

interface Verdict {
  readonly log: { readonly size: number; readonly events: number } | null
  readonly problems: readonly { readonly code: string }[]
}

async function verify(folder: string, ...options: readonly string[]): Promise<[number, readonly string[], Verdict['log']]> {
  const { exitCode, out } = await home.run('--json', 'verify', folder, '--agreement', home.agreement, ...options)
  const { log, problems } = JSON.parse(out) as Verdict
  return [exitCode, [...new Set(problems.map(({ code }) => code))].sort(), log]
}

describe('a copy with its log', () => {
  test('holds, and has grown from what was seen earlier', async () => {
    const [exitCode, codes, log] = await verify(home.at('copy'), '--seen', earlier)
    expect([exitCode, codes]).toEqual([0, []])
    expect(log?.events).toBe(log?.size)
  })

  test.for<[string, (folder: string) => void, readonly string[]]>([
    ['its newest deposit', (folder) => rmSync(join(find(folder, '0000000002-'), '..'), { recursive: true }), ['OBJECT_MISSING']],
    ['one event', (folder) => rmSync(find(folder, '/events/')), ['CHAIN_BROKEN']],
    ['every event', (folder) => rmSync(join(folder, 'events'), { recursive: true }), ['OBJECT_MISSING']],
    ['its tiles', (folder) => rmSync(join(folder, 'tile'), { recursive: true }), ['TILE_INVALID']],
    ['a byte of a tile', (folder) => flip(find(folder, '/tile/0/')), ['TILE_INVALID']],
    ['a byte of its entries', (folder) => flip(find(folder, '/tile/entries/')), ['TILE_INVALID']],
    ['a byte of its checkpoint', (folder) => flip(join(folder, 'checkpoint')), ['CHECKPOINT_INVALID']],
  ])('does not hold without %s', async ([, damage, codes]) => {
    const folder = copied()
    damage(folder)
    expect((await verify(folder)).slice(0, 2)).toEqual([
      3,
      codes.some((code) => code === 'CHAIN_BROKEN') ? expect.arrayContaining([...codes]) : codes,
    ])
  })

  test('an older log than its receipts is rolled back', async () => {
    const folder = copied()
    rmSync(join(folder, 'tile'), { recursive: true })
    for (const name of ['checkpoint', 'tile']) cpSync(home.at('earlier', name), join(folder, name), { recursive: true, force: true })
    expect((await verify(folder)).slice(0, 2)).toEqual([3, expect.arrayContaining(['LOG_ROLLED_BACK'])])
  })

  test('an older copy is rolled back for who has seen the newer log', async () => {
    expect((await verify(home.at('earlier'), '--seen', home.at('copy', 'checkpoint'))).slice(0, 2)).toEqual([3, ['LOG_ROLLED_BACK']])
  })

  test('without its log it holds by itself, says that it may lack deposits, and is not compared with what was seen', async () => {
    const folder = copied()
    rmSync(join(folder, 'checkpoint'))
    const said = await home.must('verify', folder, '--agreement', home.agreement)
    expect(said).toContain('whether its newest deposits are missing cannot be told')
    expect((await verify(folder, '--seen', earlier)).slice(0, 2)).toEqual([3, ['OBJECT_MISSING']])
  })
})

test('a copy whose log nobody has cosigned says so where the agreement demands a witness', async () => {
  expect(await home.must('verify', home.at('copy'), '--agreement', home.agreement)).toMatch(/cosigned by 0; \d+ events/)
  const key = 'witness-one.example+50f78141+BBBT5q5asNQ8lzGQyxIAuNJkdVYtE+MQryGs3rdGHRdS'
  const sources = ['  - source: watched', `    url: ${fixture.path}`, `witnesses: { quorum: 1, keys: ["${key}"] }`]
  const nobody = `log:\n  witnessQuorum: 1\n  witnesses:\n    - url: http://127.0.0.1:9\n      key: ${key}\n`
  home.configure((yaml) => yaml.replace(/log:\n {2}witnessQuorum: 0\n/, nobody))
  const agreement = await home.another(sources, 'watched')
  await home.run('mirror')
  await home.must('replicate', '--to', home.at('unwatched'))
  const said = await home.must('verify', home.at('unwatched'), '--agreement', agreement)
  expect(said).toMatch(/cosigned by 0 of 1 demanded; DEGRADED: others may be shown another log/)
  expect(said).toContain('1 DEGRADED: fewer witnesses than agreed')
})

describe('what would be passed over is refused', () => {
  test.for<[string, string, readonly string[]]>([
    ['--seen for a receipt', 'receipt', ['--seen', 'x']],
    ['--leaves for a receipt', 'receipt', ['--leaves', 'x']],
    ['--report for a receipt', 'receipt', ['--report', 'x']],
    ['--annex for a copy', 'copy', ['--annex', 'x']],
    ['--leaves for a copy', 'copy', ['--leaves', 'x']],
  ])('%s', async ([, what, options]) => {
    const path = what === 'copy' ? home.at('copy') : find(home.at('copy'), 'receipt.json')
    const ran = await home.run('verify', path, '--agreement', home.agreement, ...options)
    expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('[ARGUMENT_INVALID]')])
  })

  test('--seen without the agreement that pins the log', async () => {
    const ran = await home.run('verify', home.at('copy'), '--seen', earlier)
    expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('expected --seen with --agreement')])
  })
})
