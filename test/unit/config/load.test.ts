import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { laptopConfig } from '../../../config/laptop.js'
import { defaultHome, loadConfig, parseConfig, readSecretFile, type Environment } from '../../../config/load.js'
import {
  bytesPerDayMaxDefault,
  configBytesMax,
  packBytesMaxDefault,
  refsMax,
  secondOpinionBytesMaxDefault,
  secretBytesMax,
} from '../../../src/core/limits.js'

const laptop = laptopConfig({ origin: 'escrow.example/1', country: 'CH', control: 'DE' })
const parse = (text: string, environment: Environment = {}) => parseConfig(text, { file: 'escrow.yaml', home: '/home', environment })
const withLine = (line: string) => `${laptop}${line}\n`
const refusal = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was refused')
}

describe('what a configuration file may say', () => {
  test('the laptop footprint is complete and lies in its home folder', () => {
    expect(parse(laptop)).toEqual({
      home: '/home',
      origin: 'escrow.example/1',
      database: { kind: 'pglite', folder: '/home/db' },
      replicas: [
        { kind: 'folder', name: 'a', country: 'CH', control: 'DE', path: '/home/replicas/a' },
        { kind: 'folder', name: 'b', country: 'CH', control: 'DE', path: '/home/replicas/b' },
      ],
      scratch: { folder: '/home/scratch', ephemeral: false },
      keysFolder: '/home/keys',
      deposit: {
        packBytesMax: packBytesMaxDefault,
        secondOpinionBytesMax: secondOpinionBytesMaxDefault,
        bytesPerDayMax: bytesPerDayMaxDefault,
        refsMax,
        fullEveryDays: 30,
        chainLengthMax: 120,
      },
      fixity: { everyDays: 90, bytesPerSecond: 50_000_000 },
      retention: { lockAheadDays: 90 },
      remotes: { allowLocalPaths: true, allowHttp: false, allowPrivateAddresses: false, idleTimeoutMs: 120_000 },
      log: { witnessQuorum: 0, witnesses: [] },
      queue: { kind: 'database' },
      jobs: { depositsAtOnce: 2, checksAtOnce: 2, hostAtOnce: 4, hostPerMinute: 120 },
      notices: {},
      http: { host: '127.0.0.1', port: 8080, trustedProxies: 0, requestsPerMinute: 1200 },
      jurisdiction: { storeCountries: ['CH'], storeControlExcluded: [] },
    })
  })

  test.for([
    ['an unknown key', withLine('surprise: 1'), /surprise/],
    ['an unknown key in a group', withLine('fixity: { everyday: 1 }'), /fixity: .*everyday/],
    ['a number as text', withLine('fixity: { everyDays: "30" }'), /fixity\.everyDays/],
    ['a number below its range', withLine('fixity: { everyDays: 0 }'), /fixity\.everyDays/],
    ['a fraction', withLine('fixity: { everyDays: 1.5 }'), /fixity\.everyDays/],
    ['a country in words', laptop.replace('country: CH', 'country: Switzerland'), /replicas\[0\]\.country: expected a country code/],
    ['two replicas of one name', laptop.replace('name: b', 'name: a'), /replicas: expected distinct names/],
    ['no replica', laptop.replace(/replicas:[^]*?(?=scratch)/, 'replicas: []\n'), /replicas/],
    ['a replica of an unknown kind', laptop.replace('kind: folder', 'kind: tape'), /replicas\[0\]\.kind/],
    ['a secret instead of its file', laptop.replace('kind: pglite', 'kind: postgres\n  url: postgres://a:b@c/d'), /database/],
    ['no origin', laptop.replace(/origin: .*\n/, ''), /origin/],
    ['no witness quorum', laptop.replace(/log:\n {2}witnessQuorum: 0\n/, ''), /log/],
    ['more witnesses demanded than there are', laptop.replace('witnessQuorum: 0', 'witnessQuorum: 1'), /log: expected witnessQuorum/],
    ['no jurisdiction', laptop.replace(/jurisdiction:[^]*/, ''), /jurisdiction/],
    ['a key twice', withLine('origin: other.example'), /unique/],
    ['an alias', withLine('fixity: &a { everyDays: 1 }\nretention: *a'), /aliases/],
    ['a tag', withLine('fixity: !!js/function 1'), /YAML/],
    ['two documents', withLine('---\norigin: other'), /YAML/],
    ['broken YAML', withLine('  - : ['), /YAML/],
    ['a list', '- 1', /the file/],
    ['nothing', '', /origin/],
  ] as const)('%s is refused by name', ([, text, message]) => {
    expect(refusal(() => parse(text))).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) as string })
  })
})

describe('what the environment overrides', () => {
  test('every kind of key, before the whole is checked', () => {
    const config = parse(laptop, {
      ESCROW_ORIGIN: 'other.example/2',
      ESCROW_DEPOSIT_PACK_BYTES_MAX: '1000',
      ESCROW_REMOTES_ALLOW_HTTP: 'true',
      ESCROW_JURISDICTION_STORE_CONTROL_EXCLUDED: 'US, CN',
      ESCROW_SCRATCH_FOLDER: '/run/scratch',
      ESCROW_HOME: '/elsewhere',
      ESCROW_TEST_POSTGRES_URL: 'postgres://',
      UNRELATED: 'x',
    })
    expect(config).toMatchObject({
      home: '/home',
      origin: 'other.example/2',
      deposit: { packBytesMax: 1000, refsMax },
      remotes: { allowLocalPaths: true, allowHttp: true },
      jurisdiction: { storeControlExcluded: ['US', 'CN'] },
      scratch: { folder: '/run/scratch' },
    })
  })

  test('a database of another kind as a whole', () => {
    const kind = { ESCROW_DATABASE_KIND: 'postgres', ESCROW_DATABASE_URL_FILE: 'secrets/url', ESCROW_DATABASE_POOL_MAX: '3' }
    const text = laptop.replace(/database:\n.*\n.*\n/, '')
    expect(parse(text, kind).database).toEqual({ kind: 'postgres', urlFile: '/home/secrets/url', poolMax: 3 })
  })

  test.for([
    ['ESCROW_DEPOSIT_PACK_BYTES', '1'],
    ['ESCROW_REPLICAS', '[]'],
    ['ESCROW_DEPOSIT_REFS_MAX', '1e3'],
    ['ESCROW_DEPOSIT_REFS_MAX', ''],
    ['ESCROW_DEPOSIT_REFS_MAX', '0'],
    ['ESCROW_REMOTES_ALLOW_HTTP', 'yes'],
    ['ESCROW_JURISDICTION_STORE_COUNTRIES', ''],
  ] as const)('%s=%s is refused', ([name, value]) => {
    expect(refusal(() => parse(laptop, { [name]: value }))).toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('files', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reduit-config-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('a home folder has its configuration, or the environment names one for it', async () => {
    await expect(loadConfig(folder, {})).rejects.toMatchObject({ code: 'HOME_MISSING' })
    await writeFile(join(folder, 'escrow.yaml'), laptop)
    expect((await loadConfig(folder, {})).keysFolder).toBe(join(folder, 'keys'))
    await writeFile(join(folder, 'other.yaml'), laptop.replace('keysFolder: keys', 'keysFolder: other-keys'))
    expect((await loadConfig(folder, { ESCROW_CONFIG: join(folder, 'other.yaml') })).keysFolder).toBe(join(folder, 'other-keys'))
  })

  test('a file that is too long is refused unread', async () => {
    await writeFile(join(folder, 'escrow.yaml'), '#'.repeat(configBytesMax + 1))
    await expect(loadConfig(folder, {})).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  test('a secret is read as it stands, and none, an empty and an endless one are refused', async () => {
    const secret = join(folder, 'secret')
    await expect(readSecretFile(secret)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    for (const bad of ['', '\n', 'x'.repeat(secretBytesMax + 1)]) {
      await writeFile(secret, bad)
      await expect(readSecretFile(secret)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    }
    await expect(readSecretFile('/dev/zero')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    await writeFile(secret, 'hush\n')
    expect(await readSecretFile(secret)).toBe('hush\n')
  })

  test('the home folder is the one that the environment names', () => {
    expect(defaultHome({ ESCROW_HOME: '/srv/reduit' })).toBe('/srv/reduit')
    expect(defaultHome({ ESCROW_HOME: '' })).toMatch(/\.reduit$/)
  })
})
