// What people and an operator with every key of the service try around a release, beside what the other stories tell.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { combineFiles } from '../../src/cli/holder/restore/holder-shares.js'
import { encodeSignedDocument, signDocument as signPayload } from '../../src/crypto/dsse.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { combineShares } from '../../src/crypto/holder/vault-shares.js'
import { checkVault } from '../../src/crypto/vault-commitments.js'
import { Database } from '../../src/db/database.js'
import { parseShare } from '../../src/format/share.js'
import { parseSignedDocument } from '../../src/crypto/dsse.js'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { ExportCase } from '../../src/release/case/export-case.js'
import { listHeldShares } from '../../src/release/release.table.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { projectTables } from '../contract/project-tables.js'
import { refusal, ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'

const three = ['notary', 'university', 'chamber'] as const
const agentKeys = '../service/keys'
let template: ReleaseTemplate
let house: ReleaseHouse
const printed: string[] = []
beforeAll(async () => {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream)
    vi.spyOn(stream, 'write').mockImplementation((chunk, ...rest) => {
      printed.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1'))
      return write(chunk, ...(rest as []))
    })
  }
  template = await ReleaseTemplate.make()
  house = await ReleaseHouse.open(template)
}, 300_000)
afterAll(async () => {
  vi.restoreAllMocks()
  await house.close()
  await template.remove()
})

const coverOf = async (change: Readonly<Record<string, unknown>> = {}) => {
  const row = await house.request()
  const recipients = [house.recipientOf('partner')]
  return { requestDigest: row.requestDigest, agreement: row.agreementDigest, epoch: row.epoch, recipients, ...change }
}
const approval = async (party: string, change: Readonly<Record<string, unknown>> = {}, how: { readonly as?: string } = {}) =>
  house.sign('approval', party, { covers: [await coverOf(change)], reason: 'The evidence is complete.' }, how)
const refused = async (bytes: Promise<Uint8Array>): Promise<string | null> => refusal(house.record(await bytes))

test('statements that come too early are refused, and good later', async () => {
  await house.record(await house.ask())
  const early = await approval('notary')
  const { requestDigest } = await house.request()
  expect(await refusal(house.record(early))).toBe('REQUEST_STATE')
  expect(await refused(house.shareOf('notary'))).toBe('REQUEST_STATE')
  const subject = { kind: 'request' as const, digest: requestDigest }
  const ruling = { subject, outcome: 'reject' as const, grounds: 'Too early.', evidence: [] }
  expect(await refused(house.sign('ruling', 'arbiter', ruling))).toBe('REQUEST_STATE')
  expect(await refused(house.sign('veto', 'ministry', { requestDigest, reason: 'Too early.' }))).toBe('REQUEST_STATE')
  expect(await house.state()).toBe('submitted')
  for (let days = 0; days < 60 && (await house.state()) !== 'approval'; days += 1) await house.wait(dayMs)
  await house.record(early)
  expect((await house.request()).progress.votes).toHaveLength(1)
})

test('an approval for another request, epoch, agreement or set of recipients approves nothing', async () => {
  const other = 'ab'.repeat(32)
  const before = await house.request()
  expect(await refused(approval('university', { requestDigest: other }))).toBe('NOT_FOUND')
  expect(await refused(approval('university', { epoch: 2 }))).toBe('STATEMENT_INVALID')
  expect(await refused(approval('university', { agreement: other }))).not.toBe(null)
  expect(await refused(approval('university', { recipients: [house.recipientOf('auditor')] }))).toBe('STATEMENT_INVALID')
  const both = [house.recipientOf('partner'), house.recipientOf('auditor')]
  expect(await refused(approval('university', { recipients: both }))).toBe('STATEMENT_INVALID')
  expect(await house.request()).toEqual(before)
})

test('a signature that was made for another purpose says nothing here', async () => {
  const bytes = await approval('university')
  const { payload } = parseSignedDocument(bytes)
  const { signingKey } = await openPartyFolder(template.home.party('university'))
  const elsewhere = encodeSignedDocument(signPayload({ payload, key: signingKey, payloadType: 'application/vnd.in-toto+json' }))
  expect(await refusal(house.record(elsewhere))).toBe('FORMAT_INVALID')
  const renamed = Buffer.from(
    Buffer.from(elsewhere).toString().replace('application/vnd.in-toto+json', 'application/vnd.escrow.statement+json'),
  )
  expect(await refusal(house.record(renamed))).toBe('SIGNATURE_INVALID')
  const another = Buffer.from(Buffer.from(payload).toString().replaceAll('statement/approval/', 'statement/refusal/'))
  const carried = JSON.parse(Buffer.from(bytes).toString()) as { payload: string }
  carried.payload = another.toString('base64')
  expect(await refusal(house.record(Buffer.from(JSON.stringify(carried))))).not.toBe(null)
  expect((await house.request()).progress.votes).toHaveLength(1)
})

test('two custodians and an operator with the keys of the service do not make three', async () => {
  await house.record(await approval('university'))
  for (const party of ['chamber', 'auditor', 'foundation', 'agent', 'vendor', 'partner', 'arbiter']) {
    expect(await refused(approval(party, {}, { as: agentKeys })), party).toMatch(/^SIGN/)
  }
  expect(await house.state()).toBe('approval')
  const custodians = ['notary', 'university'] as const
  const files = await Promise.all(
    custodians.map(async (party) => {
      const { statement } = peekStatement(await house.shareOf(party))
      const sealed = statement.type === 'escrow/statement/share-release/v1' ? statement.sealedShares[0]?.file : undefined
      return { file: party, envelope: Buffer.from(sealed ?? '', 'base64') }
    }),
  )
  const { identity } = await openPartyFolder(template.home.party('partner'))
  const { vault } = house.agreement.body
  const epoch = vault.epochs[0]
  if (epoch === undefined) throw new Error('no epoch')
  const wanted = { vault, epoch, identity }
  expect(() => combineFiles(files, wanted)).toThrow(expect.objectContaining({ code: 'SHARES_TOO_FEW' }))
  expect(() => combineFiles([...files, ...files], wanted)).toThrow(expect.objectContaining({ code: 'SHARES_TOO_FEW' }))
})

test('an operator who shows an agreement of its own shows it to nobody who has pinned one', async () => {
  const foreign = house.sign(
    'approval',
    'chamber',
    { covers: [await coverOf({ agreement: 'cd'.repeat(32) })], reason: 'So be it.' },
    { agreement: 'cd'.repeat(32) },
  )
  expect(await refused(foreign)).not.toBe(null)
  expect(await house.state()).toBe('approval')
})

test('after the release nobody can take it back, and everything anywhere is sealed', async () => {
  await house.record(await approval('chamber'))
  await house.wait(25 * hourMs)
  for (const party of three) await house.record(await house.shareOf(party))
  await house.tick()
  const { requestDigest, requestId } = await house.request()
  expect(await refused(house.sign('withdrawal', 'partner', { requestDigest, reason: 'Too late.' }))).toBe('REQUEST_STATE')
  expect(await refused(house.sign('veto', 'ministry', { requestDigest, reason: 'Too late.' }))).toBe('REQUEST_STATE')
  const lodged = { requestDigest, grounds: 'Too late.', evidence: [] }
  expect(await refused(house.sign('contrary-instruction', 'vendor', lodged))).toBe('REQUEST_STATE')
  await house.app.get(PublishLog).run()
  const exported = await house.app.get(ExportCase).run(requestId)
  expect(await house.app.get(Database).query((db) => listHeldShares(db, requestId))).toHaveLength(3)
  const places = [
    ...(await dumped()),
    ...exported.map(({ path, bytes }) => ({ place: `case ${path}`, bytes: Buffer.from(bytes) })),
    ...onDisk(),
  ]
  const everywhere = [...places, { place: 'printed', bytes: Buffer.from(printed.join('')) }]
  const canaries = await secrets()
  const found = everywhere.filter(({ bytes }) => canaries.some((secret) => bytes.includes(secret))).map(({ place }) => place)
  expect(found).toEqual([])
  // The search finds what is there: the request's id lies in the database, in the store and in the case.
  const known = everywhere.filter(({ bytes }) => bytes.includes(requestId)).map(({ place }) => place.split(' ')[0])
  expect(new Set(known)).toEqual(new Set(['table', 'file', 'case']))
})

/** Every row of every table, bytes as they are. */
async function dumped(): Promise<readonly { readonly place: string; readonly bytes: Buffer }[]> {
  const places: { place: string; bytes: Buffer }[] = []
  for (const [name, table] of Object.entries(projectTables)) {
    const rows = await house.app.get(Database).query((db) => db.select().from(table))
    for (const row of rows) {
      for (const value of Object.values(row)) {
        const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(JSON.stringify(value) ?? '')
        places.push({ place: `table ${name}`, bytes })
      }
    }
  }
  return places
}

function onDisk(): readonly { readonly place: string; readonly bytes: Buffer }[] {
  return readdirSync(house.folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(house.folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ place: `file ${path}`, bytes: readFileSync(path) }))
}

/** What no service may ever have had: shares, the key that they give, the beneficiary's identity, and a piece of the source. */
async function secrets(): Promise<readonly Buffer[]> {
  const shares = await Promise.all(
    three.map(async (party) => {
      const { identity } = await openPartyFolder(template.home.party(party))
      return parseShare(openBytes(readFileSync(template.home.share(party)), identity))
    }),
  )
  const { vault } = house.agreement.body
  const epoch = vault.epochs[0]
  if (epoch === undefined) throw new Error('no epoch')
  const { identity } = combineShares(checkVault(epoch, vault.threshold), shares)
  const partner = await openPartyFolder(template.home.party('partner'))
  const { fixture } = template
  const [file = ''] = fixture.git(['ls-tree', '-r', '--name-only', 'refs/heads/main']).trim().split('\n')
  const values = shares.flatMap(({ value }) => [Buffer.from(value), Buffer.from(Buffer.from(value).toString('hex'))])
  const words = [identity, partner.identity, fixture.git(['show', `refs/heads/main:${file}`]).slice(0, 60)]
  return [...values, ...words.map((text) => Buffer.from(text))]
}
