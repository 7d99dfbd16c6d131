// A depositor that has forgotten everything follows the newest deposit, however old the agreement is under which it was made.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DepositorState } from '../../src/cli/holder/deposit/holder-state.js'
import { fetchVersion } from '../../src/cli/service/fetch-agreement.js'
import { generateSigningKey } from '../../src/crypto/signature.js'
import { Agreement } from '../../src/format/agreement.js'
import { Manifest } from '../../src/format/manifest.js'
import { openAgreement, type SignedAgreement } from '../../src/format/signed-agreement.js'
import { signDocument } from '../../src/format/signed-document.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'
import agreementVectors from '../vectors/agreement.json' with { type: 'json' }
import manifestVectors from '../vectors/manifest.json' with { type: 'json' }

const entropy = new SeededEntropy('amended twice')
/** The agent has another key in each version. */
const keys = [1, 2, 3].map(() => generateSigningKey(entropy))
const first = Agreement.parse(JSON.parse(agreementVectors.text))
const chain = keys.reduce<readonly SignedAgreement[]>((before, key, at) => {
  const parties = first.parties.map((party) =>
    party.role === 'agent' ? { ...party, keys: [{ kind: 'ed25519' as const, publicKey: key.publicKey }] } : party,
  )
  const body = { ...first, version: at + 1, previous: before.at(-1)?.digest ?? null, parties }
  return [...before, openAgreement(signDocument({ body: Agreement.parse(body), schema: Agreement, key }))]
}, [])
const [oldest, , newest] = chain as [SignedAgreement, SignedAgreement, SignedAgreement]
const stored = Manifest.parse(JSON.parse(manifestVectors.manifests[0]!.text))
const accepted = signDocument({ body: { ...stored, agreement: oldest.digest }, schema: Manifest, key: keys[0]! })

/** What the service gives out, by version. */
const given = new Map(chain.map(({ body, bytes }) => [body.version, bytes]))
const server = createServer((request, response) => {
  const [, version = ''] = /\/versions\/(\d+)\/document$/.exec(request.url ?? '') ?? []
  response.end(given.get(Number(version)))
})
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reduit-older-'))
  await writeFile(join(folder, 'token'), 'esc_token')
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

const versionOf = (digest: string) => {
  const service = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tokenFile: join(folder, 'token') }
  return fetchVersion(service, { newest, digest }, AbortSignal.timeout(10_000))
}
const stateOf = (name: string) => new DepositorState(join(folder, name), { agreement: newest, source: stored.source })

test('a deposit from two amendments ago, signed with a key that the agent had then, is followed', async () => {
  const state = stateOf('lost')
  await state.goOnBehind(accepted, await versionOf(oldest.digest))
  expect((await state.previous())?.manifest).toMatchObject({ sequence: stored.sequence, agreement: oldest.digest })
})

test('one that the agent of that time has not signed is not', async () => {
  const forged = signDocument({ body: { ...stored, agreement: oldest.digest }, schema: Manifest, key: keys[2]! })
  const state = stateOf('forged')
  await expect(state.goOnBehind(forged, await versionOf(oldest.digest))).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  await expect(state.goOnBehind(accepted, newest)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  expect(await state.previous()).toBeNull()
})

test('a version that nobody named, and a document that is another one, are refused', async () => {
  await expect(versionOf('f'.repeat(64))).rejects.toMatchObject({ code: 'AGREEMENT_DIGEST' })
  given.set(2, oldest.bytes)
  await expect(versionOf(oldest.digest)).rejects.toMatchObject({ code: 'AGREEMENT_DIGEST' })
  const other = { ...newest.body, version: 2, previous: oldest.digest, title: 'Another title' }
  given.set(2, signDocument({ body: other, schema: Agreement, key: keys[2]! }))
  await expect(versionOf(oldest.digest)).rejects.toMatchObject({ code: 'AGREEMENT_DIGEST' })
})
