// A depositor attaches files over the network: sealed at home, sent in pieces, taken up wherever they were cut; named by the next deposit and opened
// by the partner. What is not as it says is refused and leaves nothing.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { serving } from '../doubles/serving.js'

const vendor = new GitFixture()
let home: EscrowHome
let agreement = ''
let vault = ''
const image = Buffer.alloc(3 << 20, 'a build image, ').map((byte, at) => byte ^ (at >> 11))
const secret = 'the key that signs releases'

beforeAll(async () => {
  vendor.addCommits('refs/heads/main', 2)
  home = await EscrowHome.make(['  - source: product', `    url: ${vendor.path}`, '  - source: sealed', '    mode: sealed'])
  const { body } = openAgreement(readFileSync(home.agreement))
  agreement = body.agreement
  vault = body.vault.epochs[0]!.recipient
  writeFileSync(home.at('image.tar'), image)
  writeFileSync(home.at('release-key.pem'), secret)
  for (const party of ['vendor', 'partner']) await home.must(...tokenOf(party))
}, 300_000)
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

const tokenFile = (party: string) => home.at(`${party}.token`)
const tokenOf = (party: string, out = tokenFile(party)) =>
  ['token', 'create', join(home.party(party), 'party.json'), '--label', party, '--days', '30', '--out', out] as const
const attach = (url: string, name: string, kind: string, ...more: readonly string[]) => {
  const what = ['attach', home.at(name), '--agreement', home.agreement, '--source', 'product', '--kind', kind, '--url', url]
  return home.run('--json', ...what, ...(more.includes('--token-file') ? [] : ['--token-file', tokenFile('vendor')]), ...more)
}
const folder = () => join(home.replica, 'agreements', agreement, 'sources', 'product', 'attachments')
const agesIn = (path: string) => readdirSync(path).filter((name) => /^[0-9a-f]{64}\.age$/.test(name))
const stored = () => agesIn(folder())
const inbox = () => {
  try {
    return readdirSync(home.at('service', 'inbox'))
  } catch {
    return []
  }
}

/** One attachment at the service, as any program may ask for it. */
class Desk {
  constructor(
    private readonly url: string,
    private readonly digest: string,
    private readonly party = 'vendor',
    private readonly source = 'product',
  ) {}

  async ask(
    path: string,
    body?: Buffer | object,
    type = 'application/octet-stream',
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const isBytes = Buffer.isBuffer(body)
    const answer = await fetch(`${this.base}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...this.headers, 'content-type': isBytes || body === undefined ? type : 'application/json' },
      ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }

  async code(path: string, body?: Buffer | object, type?: string): Promise<unknown> {
    const { status, body: said } = await this.ask(path, body, type)
    return status === 200 ? 200 : `${status} ${String(said['code'])}`
  }

  /** A connection that is cut in the middle of a piece. */
  cut(bytes: Buffer, declared: number): Promise<void> {
    return new Promise((resolve) => {
      const headers = { ...this.headers, 'content-type': 'application/octet-stream', 'content-length': declared }
      const sent = request(`${this.base}/pieces?offset=0`, { method: 'POST', headers })
      sent.on('error', () => resolve())
      sent.write(bytes, () => setTimeout(() => sent.destroy(new Error('cut')), 200))
    })
  }

  private get base(): string {
    return `${this.url}/v1/agreements/${agreement}/sources/${this.source}/attachments/${this.digest}`
  }

  private get headers() {
    return { authorization: `Bearer ${readFileSync(tokenFile(this.party), 'utf8').trim()}` }
  }
}

test('what was cut goes on where it stopped, and the same age file arrives', async () => {
  const state = home.at('state')
  await serving(home.home, async (url) => {
    // Sealed, and then there is no token: nothing was sent.
    expect((await attach(url, 'image.tar', 'image', '--state', state, '--token-file', home.at('no-token'))).exitCode).not.toBe(0)
    const outbox = join(state, 'outbox', 'agreements', agreement, 'sources', 'product', 'attachments')
    const [name = ''] = agesIn(outbox)
    const sealed = readFileSync(join(outbox, name))
    const digest = sha256Hex(sealed)
    expect(name).toBe(`${digest}.age`)
    expect(sealed.includes('a build image')).toBe(false)
    const desk = new Desk(url, digest)
    expect((await desk.ask('')).body).toEqual({ sizeBytes: 0, held: false })
    await desk.cut(sealed.subarray(0, 100_000), sealed.length)
    // A busy service takes the piece after its sender is gone.
    await expect.poll(async () => (await desk.ask('')).body['sizeBytes'], { timeout: 10_000 }).toBe(100_000)
    expect(await desk.code('/pieces?offset=7', sealed.subarray(7, 10))).toBe('409 OFFER_OFFSET')
    expect((await desk.ask('/pieces?offset=100000', sealed.subarray(100_000, 200_000))).body).toEqual({ sizeBytes: 200_000, held: false })
    // Not whole yet: what is there has another digest, and would be forgotten as wrong bytes.
    const ran = await attach(url, 'image.tar', 'image', '--state', state)
    expect(ran.exitCode, ran.err).toBe(0)
    expect(JSON.parse(ran.out)).toMatchObject({ attached: [{ name: 'image.tar', sealedSha256: digest, sealedBytes: sealed.length }] })
    expect(stored()).toEqual([name])
    // The last answer was lost: it is given again, and nothing is sent or stored twice.
    const entry = { kind: 'image', name: 'image.tar', sealed: digest, sha256: sha256Hex(image), sizeBytes: image.length }
    expect(await desk.code('/received', { epoch: 1, entry })).toBe(200)
    expect((await desk.ask('')).body).toEqual({ sizeBytes: sealed.length, held: true })
    expect((await desk.ask('/pieces?offset=0', sealed.subarray(0, 10))).body).toMatchObject({ held: true })
    expect([stored(), inbox(), readdirSync(state)]).toEqual([[name], [], expect.not.arrayContaining(['outbox', 'contents.json'])])
    const compartment = await attach(url, 'release-key.pem', 'build-secrets', '--name', 'signing')
    expect(compartment.exitCode, compartment.err).toBe(0)
  })
})

test('what is not as it says is refused and forgotten', async () => {
  await serving(home.home, async (url) => {
    const before = stored()
    const age = Buffer.from(sealBytes(Buffer.from('x'), [vault], new SystemEntropy()))
    const entry = (sealed: string) => ({ kind: 'sbom', name: 'x.json', sealed, sha256: sha256Hex(Buffer.from('x')), sizeBytes: 1 })
    const partner = openAgreement(readFileSync(home.agreement)).body.parties.find(({ party }) => party === 'partner')!
    const two = Buffer.from(sealBytes(Buffer.from('x'), [vault, partner.recipient ?? ''], new SystemEntropy()))
    for (const [bytes, digest, code] of [
      [age, sha256Hex(Buffer.from('another')), '422 DIGEST_MISMATCH'],
      [Buffer.from('no age file'), sha256Hex(Buffer.from('no age file')), '422 ENVELOPE_HEADER'],
      [two, sha256Hex(two), '422 RECIPIENT_INVALID'],
    ] as const) {
      const desk = new Desk(url, digest)
      expect(await desk.code('/received', { epoch: 1, entry: entry(digest) })).toBe('404 NOT_FOUND')
      expect(await desk.code('/pieces', bytes)).toBe(200)
      expect(await desk.code('/received', { epoch: 1, entry: entry(digest) })).toBe(code)
      expect((await desk.ask('')).body).toEqual({ sizeBytes: 0, held: false })
    }
    const digest = sha256Hex(age)
    const desk = new Desk(url, digest)
    expect(await desk.code('/pieces', age)).toBe(200)
    for (const [word, code] of [
      [{ epoch: 2, entry: entry(digest) }, '422 RECIPIENT_INVALID'],
      [{ epoch: 1 }, '422 BODY_INVALID'],
      [{ epoch: 1, entry: entry('0'.repeat(64)) }, '422 BODY_INVALID'],
      [{ epoch: 1, entry: { ...entry(digest), name: '../x' } }, '422 BODY_INVALID'],
      [{ epoch: 1, entry: { kind: 'lfs', sealed: digest, sha256: digest, sizeBytes: 1 } }, '422 BODY_INVALID'],
      [{ entry: entry(digest) }, '422 BODY_INVALID'],
    ] as const)
      expect(await desk.code('/received', word), JSON.stringify(word)).toBe(code)
    expect(await desk.code('/pieces?offset=-1', age)).toBe('422 BODY_INVALID')
    expect(await desk.code('/pieces', age, 'text/plain')).toBe('415 MEDIA_TYPE_INVALID')
    expect(await new Desk(url, 'not-a-digest').code('')).toBe('404 NOT_FOUND')
    expect(await new Desk(url, digest, 'vendor', 'nowhere').code('')).toBe('404 NOT_FOUND')
    expect(await new Desk(url, digest, 'partner').code('')).toBe('403 ROLE_REFUSED')
    // The depositor of a sealed source makes the inventory itself.
    const sealed = new Desk(url, digest, 'vendor', 'sealed')
    expect(await sealed.code('/pieces', age)).toBe(200)
    expect(await sealed.code('/received', { epoch: 1, entry: entry(digest) })).toBe('422 BODY_INVALID')
    expect(stored()).toEqual(before)
  })
})

test('a wrong, a foreign and a revoked token, and who begins too many', async () => {
  const other = home.at('other.token')
  const { token } = await home.json<{ token: string }>(...tokenOf('vendor', other))
  await home.must('token', 'revoke', token)
  writeFileSync(home.at('unknown.token'), `tok_${'a'.repeat(20)}.${'A'.repeat(43)}`)
  writeFileSync(home.at('broken.token'), 'tok_')
  await serving(home.home, async (url) => {
    for (const [file, words] of [
      ['unknown.token', /TOKEN_INVALID/],
      ['other.token', /TOKEN_INVALID/],
      ['partner.token', /ROLE_REFUSED/],
      ['broken.token', /expected an API token/],
    ] as const)
      expect((await attach(url, 'release-key.pem', 'other', '--token-file', home.at(file))).err).toMatch(words)
    const begin = (first: number) => new Desk(url, sha256Hex(Buffer.from([first]))).code('/pieces', Buffer.from('x'))
    const begun = inbox().filter((name) => name.includes('-product-')).length
    for (let first = begun; first < 8; first += 1) expect(await begin(first)).toBe(200)
    expect(await begin(99)).toBe('429 OFFERS_TOO_MANY')
  })
  rmSync(home.at('service', 'inbox'), { recursive: true })
})

test('sizes and quotas of the operator hold', async () => {
  const limited = async (key: string, value: string, work: (url: string) => Promise<void>) => {
    process.env[key] = value
    try {
      await serving(home.home, work)
    } finally {
      delete process.env[key]
    }
  }
  await limited('ESCROW_DEPOSIT_PACK_BYTES_MAX', '1000000', async (url) => {
    expect((await attach(url, 'image.tar', 'image', '--name', 'again.tar')).err).toMatch(/at most 1000000 bytes.*DEPOSIT_TOO_LARGE/)
  })
  await limited('ESCROW_DEPOSIT_BYTES_PER_DAY_MAX', '1000000', async (url) => {
    expect((await attach(url, 'release-key.pem', 'other')).err).toContain('QUOTA_EXCEEDED')
  })
})

test('the next deposit names them, and the partner opens them', async () => {
  const { sources } = await home.json<{ sources: { outcome: string; manifest: { attachments: { sha256: string }[] } }[] }>('mirror')
  expect(sources[0]).toMatchObject({ outcome: 'deposited' })
  expect(sources[0]?.manifest.attachments.map(({ sha256 }) => `${sha256}.age`).toSorted()).toEqual(stored().toSorted())
  const to = home.at('opened.git')
  await home.must(...home.opening(home.replica), ...(await home.release()), '--to', to)
  expect(readFileSync(join(to, 'attachments', 'image.tar')).equals(image)).toBe(true)
  expect(readFileSync(join(to, 'attachments', 'signing', 'release-key.pem'), 'utf8')).toBe(secret)
})
