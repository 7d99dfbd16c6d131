// The same commands on the footprint of a real service: PostgreSQL and two S3 with object lock.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { serviceAddress } from '../services/addresses.js'

const database = `escrow_story_${randomBytes(5).toString('hex')}`
const folder = mkdtempSync(join(tmpdir(), 'reduit-footprint-'))
let home: EscrowHome
let source: GitFixture

beforeAll(async () => {
  await onServer(`create database ${database}`)
  source = new GitFixture()
  source.addCommits('refs/heads/main', 3)
  home = await EscrowHome.make([`  - source: product`, `    url: ${source.path}`], () => configuration())
})

afterAll(async () => {
  await home?.remove()
  source?.remove()
  await onServer(`drop database ${database} with (force)`)
  rmSync(folder, { recursive: true, force: true })
})

describe('PostgreSQL and two S3', () => {
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
})

function configuration(): string {
  const secret = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const url = new URL(serviceAddress('postgres'))
  url.pathname = `/${database}`
  const run = randomBytes(5).toString('hex')
  const replica = (name: string) => [
    `  - name: ${name}`,
    '    kind: s3',
    '    country: CH',
    '    control: CH',
    `    endpoint: ${serviceAddress('s3')}`,
    `    bucket: escrow-${run}-${name}`,
    `    headBucket: escrow-${run}-${name}-heads`,
    `    accessKeyFile: ${secret('access', serviceAddress('s3AccessKey'))}`,
    `    secretKeyFile: ${secret('secret', serviceAddress('s3SecretKey'))}`,
  ]
  return [
    'origin: test.example/1',
    'database:',
    '  kind: postgres',
    `  urlFile: ${secret('database', url.href)}`,
    'replicas:',
    ...replica('a'),
    ...replica('b'),
    'remotes:',
    '  allowLocalPaths: true',
    'log:',
    '  witnessQuorum: 0',
    'jurisdiction:',
    '  storeCountries: [CH]',
    '  storeControlExcluded: [US]',
    '',
  ].join('\n')
}

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: serviceAddress('postgres') })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
