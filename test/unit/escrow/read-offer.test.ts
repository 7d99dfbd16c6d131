// What a depositor's folder may make the agent believe, and under which names its files may come to lie in the archive.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../../src/core/environment.js'
import { inventoryBytesMax } from '../../../src/core/limits.js'
import { signingKeyFromSeed, type SigningKey } from '../../../src/crypto/signature.js'
import type { KnownAgreement } from '../../../src/escrow/archive/agreement-shelf.js'
import { readOffer } from '../../../src/escrow/sealed/read-offer.js'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { Manifest } from '../../../src/format/manifest.js'
import { signDocument } from '../../../src/format/signed-document.js'
import { DepositStatement, type StatementOf } from '../../../src/format/statement.js'
import { ArchiveReader } from '../../../src/store/archive-reader.js'
import { expectedOf } from '../../../src/store/expected-object.js'
import { FsObjectStore } from '../../../src/store/fs-object-store.js'
import vectors from '../../vectors/manifest.json' with { type: 'json' }

const keyOf = (seed: number) => signingKeyFromSeed(new Uint8Array(32).fill(seed))
const [vendor, partner] = [keyOf(1), keyOf(2)]
const party = (name: string, role: string, { publicKey }: SigningKey) => ({ party: name, role, keys: [{ kind: 'ed25519', publicKey }] })
const origin = 'log.example.ch/escrow'
const parsed = Manifest.parse(parseCanonical(Buffer.from(vectors.manifests[0]!.text), 100_000))
const body = { origin, parties: [party('vendor', 'depositor', vendor), party('partner', 'beneficiary', partner)] }
const known = { signed: { body, digest: parsed.agreement } } as unknown as KnownAgreement
const agreement = 'agr_aaaaaaaaaaaaaaaaaaaa'
const attempt = 'a'.repeat(20)
const small = Buffer.from('sealed')
const file = (name: string) => ({ key: `${attempt}.${name}`, ...expectedOf(small) })
const manifest: Manifest = {
  ...parsed,
  mode: 'sealed',
  envelope: { ...parsed.envelope, key: `${attempt}.bundle.age` },
  inventory: file('inventory.age'),
  knownObjects: file('known-objects'),
}
const statement: StatementOf<'deposit-statement'> = {
  type: 'escrow/statement/deposit-statement/v1',
  origin,
  agreement: parsed.agreement,
  epoch: parsed.envelope.epoch,
  party: 'vendor',
  nonce: Buffer.alloc(16).toString('hex'),
  issuedAt: parsed.takenAt,
  expiresAt: new Date(Date.parse(parsed.takenAt) + 86_400_000).toISOString(),
  source: parsed.source,
  takenAt: parsed.takenAt,
  objectFormat: parsed.objectFormat,
  refsDigest: parsed.refsDigest,
  refCount: parsed.refCount,
  packChecksum: parsed.bundle.packChecksum,
}

let outbox: string
beforeEach(async () => {
  outbox = await mkdtemp(join(tmpdir(), 'escrow-outbox-'))
})
afterEach(() => rm(outbox, { recursive: true }))

interface Change {
  readonly manifest?: Partial<Manifest>
  readonly statement?: Partial<StatementOf<'deposit-statement'>>
  readonly key?: SigningKey
  readonly wordKey?: SigningKey
  readonly folder?: string
}
async function read(change: Change = {}) {
  const { key = vendor, wordKey = vendor, folder = `sources/${parsed.source}/0000000001-full` } = change
  const said = { ...manifest, ...change.manifest }
  const files: [string, Uint8Array][] = [
    ['manifest.json', signDocument({ body: said, schema: Manifest, key })],
    ['deposit-statement.json', signDocument({ body: { ...statement, ...change.statement }, schema: DepositStatement, key: wordKey })],
    [said.inventory.key, small],
    [said.knownObjects.key, small],
  ]
  for (const [name, bytes] of files) {
    const path = join(outbox, 'agreements', agreement, folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  const reader = new ArchiveReader(new FsObjectStore(outbox, new SystemClock(), new SystemEntropy()))
  return readOffer(reader, async () => known, new Date(parsed.takenAt))
}
const code = (name: string) => expect.objectContaining({ name: 'EscrowError', code: name })

test('a folder with one sealed deposit is an offer', async () => {
  expect(await read()).toMatchObject({ attempt, manifest, place: { agreement, source: parsed.source, sequence: 1, kind: 'full' } })
})

test.for<[string, Change, string]>([
  ['signed by another party', { key: partner }, 'SIGNATURE_INVALID'],
  ['under another agreement', { manifest: { agreement: 'f'.repeat(64) } }, 'AGREEMENT_DIGEST'],
  ['of a source that we look at ourselves', { manifest: { mode: 'pull' } }, 'DEPOSIT_STATE'],
  ['that contradicts itself', { manifest: { outcome: 'fail' } }, 'FORMAT_INVALID'],
  ['in the folder of another source', { folder: 'sources/other/0000000001-full' }, 'DEPOSIT_STATE'],
  ['under another number', { folder: `sources/${parsed.source}/0000000002-full` }, 'DEPOSIT_STATE'],
  ['under another kind', { folder: `sources/${parsed.source}/0000000001-incremental` }, 'DEPOSIT_STATE'],
  ['whose bundle would be a receipt', { manifest: { envelope: { ...manifest.envelope, key: 'receipt.json' } } }, 'FORMAT_INVALID'],
  ['whose inventory would be a receipt', { manifest: { inventory: { ...manifest.inventory, key: 'receipt.json' } } }, 'FORMAT_INVALID'],
  ['with the list of another attempt', { manifest: { knownObjects: { ...file('x'), key: 'b.known-objects' } } }, 'FORMAT_INVALID'],
  [
    'with an inventory that fills memory',
    { manifest: { inventory: { ...manifest.inventory, sizeBytes: inventoryBytesMax + 1 } } },
    'FORMAT_INVALID',
  ],
  ["whose word is another party's", { wordKey: partner }, 'SIGNATURE_INVALID'],
  ['with a word for another epoch', { statement: { epoch: parsed.envelope.epoch + 1 } }, 'STATEMENT_INVALID'],
  ['with a word for another service', { statement: { origin: `${origin}/2` } }, 'STATEMENT_INVALID'],
  ['with a word about another source', { statement: { source: 'other' } }, 'STATEMENT_INVALID'],
  ['with a word about another look', { statement: { takenAt: '2026-11-21T02:00:06.000Z' } }, 'STATEMENT_INVALID'],
  ['with a word about other refs', { statement: { refsDigest: 'f'.repeat(64) } }, 'STATEMENT_INVALID'],
  ['with a word about no pack', { statement: { packChecksum: null } }, 'STATEMENT_INVALID'],
])('an offer %s is refused', async ([, change, expected]) => {
  await expect(read(change)).rejects.toThrow(code(expected))
})

test('two deposits in a folder are none', async () => {
  await read()
  await expect(read({ folder: 'sources/other/0000000001-full' })).rejects.toThrow(code('NOT_FOUND'))
})
