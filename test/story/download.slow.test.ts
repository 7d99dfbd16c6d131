// What a beneficiary may fetch after a release, below HTTP: exactly what was granted, in time, from an allowed network, and every try on record.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessRecheckMs, refusalsLoggedPerHourMax } from '../../src/core/http-limits.js'
import { Database } from '../../src/db/database.js'
import { ExportCase } from '../../src/release/case/export-case.js'
import { findGrant, listAccesses, type AccessRow, type GrantRow } from '../../src/release/grant/grant.table.js'
import { ListDownload } from '../../src/release/grant/list-download.js'
import { ServeDownload, type Download, type DownloadWish } from '../../src/release/grant/serve-download.js'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { refusal, ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { dayMs } from '../doubles/moments.js'
import { describeRepository } from '../doubles/test-archive.js'

const release = [
  '  type: escrow/release-policy/v1',
  '  calendars: [{ calendar: zurich, timeZone: Europe/Zurich }]',
  '  calendar: zurich',
  '  clocks: { formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0, coolingOffHours: 0, grantDays: 30 }',
  '  conditions: [{ condition: insolvent, kind: insolvency }]',
  '  guardians: [ministry]',
  '  licence: { scope: maintain and operate, returnOrDestroyDays: 365 }',
  '  title: { basis: fiduciary-ownership }',
  '  network:',
  '    networks: [{ cidr: 192.0.2.0/24, country: DE }, { cidr: 198.51.100.0/24, country: US }]',
  '    countries: [CH, DE]',
  '    ownStaff: [{ party: partner, cidr: 198.51.100.7/32 }]',
] as const

let template: ReleaseTemplate
let house: ReleaseHouse
let requestId = ''
beforeAll(async () => {
  template = await ReleaseTemplate.make(release, ['other'])
  template.fixture.addCommits('refs/heads/main', 2)
  await template.home.must('mirror')
}, 300_000)
afterAll(() => template.remove())

const home = '192.0.2.17'

/** From the request to the grant, all clocks at zero. */
async function granted(sequence: number | null = 1): Promise<void> {
  if ((await house.requests()).length === 0) await house.record(await house.ask({ deposits: [{ source: 'product', sequence }] }))
  const custodians = ['notary', 'university', 'chamber'] as const
  for (const party of custodians) await house.approve(party)
  for (const party of custodians) await house.record(await house.shareOf(party))
  await house.tick()
  requestId = (await house.request()).requestId
}

const serve = (wish: Partial<DownloadWish>): Promise<Download> =>
  house.app.get(ServeDownload).run({ requestId, party: 'partner', address: home, key: 'none', ...wish })
const list = (address = home, party = 'partner') => house.app.get(ListDownload).run({ requestId, party, address })
const accesses = (): Promise<readonly AccessRow[]> => house.app.get(Database).query((db) => listAccesses(db, requestId, 0, 1000))
const grant = (): Promise<GrantRow | null> => house.app.get(Database).query((db) => findGrant(db, requestId, 'partner'))

async function bytesOf({ body }: Download): Promise<Buffer> {
  const blocks: Uint8Array[] = []
  for await (const block of body) blocks.push(block)
  return Buffer.concat(blocks)
}

/** Types and fields of the request's own events, as a party reads them in its case. */
async function events(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  await house.app.get(PublishLog).run()
  const files = await house.app.get(ExportCase).run(requestId)
  return files
    .filter(({ path }) => path.startsWith('log/'))
    .map(({ bytes }) => (JSON.parse(Buffer.from(bytes).toString('utf8')) as { event: Record<string, unknown> }).event)
}
const named = async (name: string) => (await events()).filter(({ type }) => type === `escrow/event/${name}/v1`)
const replicaFiles = (): readonly string[] =>
  readdirSync(join(house.folder, 'replicas', 'a', 'objects'), { recursive: true, encoding: 'utf8' })

describe('a grant of one deposit', () => {
  beforeAll(async () => {
    house = await ReleaseHouse.open(template)
    await granted(1)
  }, 60_000)
  afterAll(() => house.close())

  test('nothing but the deposits that were asked for, and what they rest on', async () => {
    const keys = (await list()).objects.map(({ key }) => key)
    expect(keys.filter((key) => key.includes('/sources/')).every((key) => key.includes('/sources/product/0000000001-full/'))).toBe(true)
    expect(keys.filter((key) => /\.(?:bundle|inventory)\.age$/.test(key))).toHaveLength(2)
    const stored = replicaFiles().map((name) =>
      name
        .split(/[/\\]/)
        .filter((part) => part !== '')
        .join('/'),
    )
    expect(stored.some((name) => name.includes('/sources/other/') && name.includes('bundle.age'))).toBe(true)
    const row = await house.request()
    for (const foreign of [
      `agreements/${row.agreementId}/sources/other/0000000001-full/manifest.json`,
      `agreements/${row.agreementId}/sources/product/0000000002-incremental/manifest.json`,
      `agreements/${row.agreementId}/agreement-1.annex.age`,
      `agreements/${row.agreementId}/releases/${requestId}/statements/${row.requestDigest}.json`,
      'tile/0/000',
    ]) {
      expect(await refusal(serve({ key: foreign })), foreign).toBe('GRANT_REFUSED')
    }
    for (const hostile of ['', '../escrow.yaml', '/etc/passwd', 'agreements/../keys', 'a'.repeat(5000), '\u001b[2J', 'agreements//x']) {
      expect(await refusal(serve({ key: hostile })), JSON.stringify(hostile)).toBe('GRANT_REFUSED')
    }
    expect((await accesses()).filter(({ key }) => key === 'malformed')).toHaveLength(7)
  })

  test('a download goes on where it broke off, and only its bytes go out', async () => {
    const { key, sizeBytes } = (await list()).objects.find((object) => object.key.endsWith('.bundle.age')) ?? { key: '', sizeBytes: 0 }
    const whole = await bytesOf(await serve({ key }))
    for (const offset of [0, 1, Math.floor(sizeBytes / 2), sizeBytes - 1]) {
      const rest = await serve({ key, range: { offset } })
      expect([rest.offset, rest.bodyBytes]).toEqual([offset, sizeBytes - offset])
      expect(await bytesOf(rest)).toEqual(whole.subarray(offset))
    }
    expect(await bytesOf(await serve({ key, range: { offset: 3, sizeBytes: 10 } }))).toEqual(whole.subarray(3, 13))
    expect(await bytesOf(await serve({ key, range: { offset: 3, sizeBytes: sizeBytes * 2 } }))).toEqual(whole.subarray(3))
    for (const range of [
      { offset: sizeBytes },
      { offset: -1 },
      { offset: 1.5 },
      { offset: Number.NaN },
      { offset: 0, sizeBytes: 0 },
      { offset: 0, sizeBytes: -1 },
    ]) {
      expect(await refusal(serve({ key, range })), JSON.stringify(range)).toBe('RANGE_INVALID')
    }
    const [first] = (await accesses()).filter((access) => access.key === key && access.refusalCode === null)
    expect(first).toMatchObject({ party: 'partner', address: home, offsetBytes: 0, sizeBytes, sentBytes: sizeBytes, refusalCode: null })
  })

  test('a reader who goes away leaves a record of what went out', async () => {
    const { key } = (await list()).objects.find((object) => object.key.endsWith('.bundle.age')) ?? { key: '' }
    for await (const block of (await serve({ key })).body) {
      expect(block.length).toBeGreaterThan(0)
      break
    }
    const last = (await accesses()).at(-1)
    expect([last?.key, last?.sentBytes, last?.endedAt]).toEqual([key, 0, house.clock.now()])
    await serve({ key })
    expect((await accesses()).at(-1)).toMatchObject({ key, sentBytes: null, endedAt: null })
  })

  test('only from the countries of the agreement, but the staff of the beneficiary from its own network', async () => {
    const { key } = (await list()).objects[0] ?? { key: '' }
    for (const [address, expected] of [
      [home, null],
      ['::ffff:192.0.2.17', null],
      ['198.51.100.7', null],
      ['198.51.100.8', 'NETWORK_REFUSED'],
      ['203.0.113.1', 'NETWORK_REFUSED'],
      ['2001:db8::1', 'NETWORK_REFUSED'],
      ['192.0.2.17, 203.0.113.1', 'NETWORK_REFUSED'],
      ['', 'NETWORK_REFUSED'],
    ] as const) {
      expect(await refusal(serve({ key, address })), address).toBe(expected)
    }
    const rules = (await accesses()).map(({ networkRule }) => networkRule)
    expect(new Set(rules)).toEqual(new Set(['country', 'own-staff', 'country-excluded', 'network-unknown', 'address-invalid']))
  })

  test('every access is in the log that all parties read, and refusals too, but no address', async () => {
    const { key, sizeBytes } = (await list()).objects.find((object) => object.key.endsWith('.bundle.age')) ?? { key: '', sizeBytes: 0 }
    await serve({ key, range: { offset: 1 } })
    house.clock.advance(3_600_000 + 1)
    await refusal(serve({ key, address: '203.0.113.1' }))
    expect((await named('grant-used')).slice(-1)).toEqual([
      expect.objectContaining({ beneficiary: 'partner', key, sizeBytes: sizeBytes - 1 }),
    ])
    expect((await named('grant-refused')).slice(-1)).toEqual([
      expect.objectContaining({ beneficiary: 'partner', key, code: 'NETWORK_REFUSED' }),
    ])
    expect(JSON.stringify(await events())).not.toMatch(/192\.0\.2\.17|203\.0\.113\.1/)
  })

  test('a guardian revokes: nothing more goes out, not even of a download that runs', async () => {
    const { requestDigest } = await house.request()
    const { key } = (await list()).objects.find((object) => object.key.endsWith('.bundle.age')) ?? { key: '' }
    const running = await serve({ key })
    const matter = { requestDigest, beneficiary: 'partner', reason: 'The licence was broken.' }
    for (const [party, as] of [
      ['vendor', 'vendor'],
      ['auditor', 'auditor'],
      ['agent', '../service/keys'],
    ] as const) {
      const refused = await refusal(house.sign('grant-revocation', party, matter, { as }).then((bytes) => house.record(bytes)))
      expect(refused, party).toBe('SIGNER_REFUSED')
    }
    const revocation = await house.sign('grant-revocation', 'ministry', matter)
    await house.record(revocation)
    const { revokedAt } = (await grant()) ?? {}
    expect(revokedAt).toEqual(house.clock.now())
    house.clock.advance(accessRecheckMs)
    await house.record(revocation)
    expect((await grant())?.revokedAt).toEqual(revokedAt)
    expect(await refusal(bytesOf(running))).toBe('GRANT_REVOKED')
    expect(await refusal(serve({ key }))).toBe('GRANT_REVOKED')
    expect(await refusal(list())).toBe('GRANT_REVOKED')
    expect(await named('grant-revoked')).toEqual([expect.objectContaining({ beneficiary: 'partner' })])
  })
})

describe('a grant that ends by time', () => {
  beforeAll(async () => {
    house = await ReleaseHouse.open(template)
    await granted(2)
  }, 60_000)
  afterAll(() => house.close())

  test('what is listed is fetched byte for byte, and is an archive that opens with the shares', async () => {
    const { objects, deposits } = await list()
    expect(deposits).toEqual([{ source: 'product', sequence: 2 }])
    const folder = join(house.folder, 'fetched')
    for (const { key, sizeBytes, sha256 } of objects) {
      const bytes = await bytesOf(await serve({ key }))
      expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([sizeBytes, sha256])
      mkdirSync(dirname(join(folder, key)), { recursive: true })
      writeFileSync(join(folder, key), bytes)
    }
    await house.app.get(PublishLog).run()
    for (const { path, bytes } of await house.app.get(ExportCase).run(requestId)) {
      mkdirSync(dirname(join(house.folder, 'case', path)), { recursive: true })
      writeFileSync(join(house.folder, 'case', path), bytes)
    }
    const opening = ['open', '--as', template.home.party('partner'), '--agreement', template.home.agreement, '--request', requestId]
    await template.home.must(...opening, '--from', folder, '--case', join(house.folder, 'case'), '--to', join(house.folder, 'open.git'))
    expect(describeRepository(join(house.folder, 'open.git'))).toEqual(describeRepository(template.fixture.path))
  })

  test('access ends with the millisecond in which the grant expires', async () => {
    const expiresAt = (await grant())?.expiresAt.getTime() ?? 0
    expect(expiresAt - house.clock.now().getTime()).toBeGreaterThanOrEqual(30 * dayMs)
    house.clock.advance(expiresAt - house.clock.now().getTime() - 1)
    const { key } = (await list()).objects[0] ?? { key: '' }
    house.clock.advance(1)
    expect(await refusal(list())).toBe('GRANT_EXPIRED')
    expect(await refusal(serve({ key }))).toBe('GRANT_EXPIRED')
    await house.tick()
    expect(await refusal(serve({ key }))).toBe('GRANT_EXPIRED')
  })

  test('whoever is refused again and again fills rows, not the log', async () => {
    house.clock.advance(3_600_000 + 1)
    const before = { rows: (await accesses()).length, logged: (await named('grant-refused')).length }
    for (let tried = 0; tried < refusalsLoggedPerHourMax + 5; tried += 1) await refusal(serve({ key: `none/${tried}` }))
    expect(await accesses()).toHaveLength(before.rows + refusalsLoggedPerHourMax + 5)
    expect(await named('grant-refused')).toHaveLength(before.logged + refusalsLoggedPerHourMax)
  })

  test('the day of return comes once, unless the beneficiary has confirmed before', async () => {
    const { returnByAt } = (await grant()) ?? {}
    const { grantedAt = new Date(0) } = (await grant()) ?? {}
    expect(returnByAt).toEqual(new Date(grantedAt.getTime() + 365 * dayMs))
    await house.wait(grantedAt.getTime() + 365 * dayMs - house.clock.now().getTime() - 1)
    expect(await named('return-due')).toEqual([])
    await house.wait(1)
    await house.wait(dayMs)
    expect(await named('return-due')).toEqual([expect.objectContaining({ beneficiary: 'partner', returnByAt: returnByAt?.toISOString() })])
    const { requestDigest } = await house.request()
    const account = 'Two discs were shredded.'
    const forged = await house.sign('return-confirmation', 'notary', { requestDigest, outcome: 'destroyed', account })
    expect(await refusal(house.record(forged))).toBe('SIGNER_REFUSED')
    await house.record(await house.sign('return-confirmation', 'partner', { requestDigest, outcome: 'destroyed', account }))
    expect((await grant())?.returnedAt).toEqual(house.clock.now())
  })
})

describe('a request before its grant', () => {
  beforeAll(async () => {
    house = await ReleaseHouse.open(template)
  }, 60_000)
  afterAll(() => house.close())

  test('before anything is granted, and for everybody else, there is nothing', async () => {
    await house.record(await house.ask({ deposits: [{ source: 'product', sequence: 1 }] }))
    requestId = (await house.request()).requestId
    expect(await refusal(list())).toBe('GRANT_REFUSED')
    expect(await refusal(list(home, 'vendor'))).toBe('GRANT_REFUSED')
    const before = (await accesses()).length
    expect(await refusal(list(home, 'stranger'))).toBe('NOT_FOUND')
    expect(await refusal(serve({ requestId: 'req_aaaaaaaaaaaaaaaaaaaa' }))).toBe('NOT_FOUND')
    expect(await accesses()).toHaveLength(before)
  })

  test('no grant while an object has no good copy anywhere, receipts included', async () => {
    const receipt = replicaFiles()
      .filter((name) => name.endsWith('sources/product/0000000001-full/receipt.json'))
      .flatMap((name) => ['a', 'b'].map((replica) => join(house.folder, 'replicas', replica, 'objects', name)))
    expect(receipt).toHaveLength(2)
    const kept = receipt.map((path) => [path, readFileSync(path)] as const)
    for (const path of receipt) truncateSync(path, 10)
    await granted()
    expect(await grant()).toBe(null)
    for (const [path, bytes] of kept) writeFileSync(path, bytes)
    await house.tick()
    expect(await grant()).not.toBe(null)
  })

  test('a beneficiary may renounce, but not for another; the revocation of another request does nothing here', async () => {
    const { requestDigest } = await house.request()
    const reason = 'We have what we need.'
    const stranger = await house.sign('grant-revocation', 'notary', { requestDigest, beneficiary: 'partner', reason })
    expect(await refusal(house.record(stranger))).toBe('SIGNER_REFUSED')
    const other = await house.sign('grant-revocation', 'ministry', { requestDigest: 'ab'.repeat(32), beneficiary: 'partner', reason })
    expect(await refusal(house.record(other))).toBe('NOT_FOUND')
    const nobody = await house.sign('grant-revocation', 'ministry', { requestDigest, beneficiary: 'foundation', reason })
    expect(await refusal(house.record(nobody))).toBe('NOT_FOUND')
    const stale = await house.sign('grant-revocation', 'ministry', { requestDigest, beneficiary: 'partner', reason }, { epoch: 2 })
    expect(await refusal(house.record(stale))).toBe('STATEMENT_INVALID')
    expect((await grant())?.revokedAt).toBe(null)
    await house.record(await house.sign('grant-revocation', 'partner', { requestDigest, beneficiary: 'partner', reason }))
    expect((await grant())?.revokedAt).toEqual(house.clock.now())
  })

  test('who has confirmed in time is not reminded', async () => {
    const { requestDigest } = await house.request()
    const account = 'Given back by courier.'
    await house.record(await house.sign('return-confirmation', 'partner', { requestDigest, outcome: 'returned', account }))
    await house.wait(400 * dayMs)
    expect(await named('return-due')).toEqual([])
  })
})
