// A depositor seals at home and sends over the network: the service sees ciphertext, takes up where it stopped, and countersigns.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { runGit } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'
import { describeRepository } from '../doubles/test-archive.js'

const vendor = GitFixture.withEveryKindOfRef()
let home: EscrowHome
let agreement = ''
let token = ''
beforeAll(async () => {
  home = await EscrowHome.make(['  - source: product', '    mode: sealed', '  - source: pushed', '    mode: push'])
  agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  token = await home.token()
  await home.token('partner')
})
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

const send = (url: string, ...options: readonly string[]) =>
  home.run(
    '--json',
    ...home.sealing(vendor.path),
    '--url',
    url,
    ...(options.includes('--token-file') ? [] : ['--token-file', token]),
    ...options,
  )
interface Sent {
  readonly outcome: string
  readonly sequence: number
  readonly kind: string
  readonly deposit: string
  readonly receipt: string | null
}
const sent = (ran: { readonly out: string; readonly err: string }): Sent => JSON.parse(ran.out === '' ? ran.err : ran.out) as Sent
const filesBelow = (folder: string) => readdirSync(folder, { recursive: true }).map(String).toSorted()
const states: ReturnType<typeof describeRepository>[] = []

test('what is sealed is sent, countersigned and receipted; what stopped on the way goes on from there', async () => {
  await serving(home.home, async (url) => {
    const first = await send(url, '--disclose-to', join(home.party('partner'), 'party.json'))
    expect(first.exitCode, first.err).toBe(0)
    expect(sent(first)).toMatchObject({
      outcome: 'received',
      sequence: 1,
      kind: 'full',
      receipt: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    })
    states.push(describeRepository(vendor.path))
    expect(sent(await send(url))).toMatchObject({ outcome: 'unchanged', sequence: 1 })

    // The service is away: the deposit stays sealed at home.
    vendor.addCommits('refs/heads/main', 2, { label: 'second' })
    const away = await send('http://127.0.0.1:9', '--token-file', home.at('no-such-file'))
    expect(away.exitCode).not.toBe(0)
    const out = join(home.at('state'), 'outbox', 'agreements', agreement, 'sources', 'product', '0000000002-incremental')
    const names = readdirSync(out)
    const attempt = names.find((name) => name.endsWith('.bundle.age'))?.split('.')[0] ?? ''
    const base = `${url}/v1/agreements/${agreement}/sources/product/offers/${attempt}`
    const post = (path: string, body: Uint8Array, type = 'application/octet-stream') =>
      fetch(`${base}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${readFileSync(token, 'utf8').trim()}`, 'content-type': type },
        body: new Uint8Array(body),
      })
    const envelope = readFileSync(join(out, `${attempt}.bundle.age`))
    const path = `/files/0000000002-incremental/${attempt}.bundle.age`
    expect(await (await post(path, envelope.subarray(0, 100))).json()).toEqual({ sizeBytes: 100 })
    for (const [piece, status, code] of [
      [`${path}?offset=50`, 409, 'OFFER_OFFSET'],
      [`/files/0000000002-incremental/other.bundle.age`, 400, 'ARGUMENT_INVALID'],
      [`/files/0000000002-incremental/..%2f..%2fx`, 400, 'ARGUMENT_INVALID'],
      [`/files/somewhere/${attempt}.bundle.age`, 400, 'ARGUMENT_INVALID'],
      [`${path}?offset=-1`, 422, 'BODY_INVALID'],
    ] as const) {
      const answer = await post(piece, envelope.subarray(0, 10))
      expect([answer.status, ((await answer.json()) as { code: string }).code], piece).toEqual([status, code])
    }
    expect((await post('/received', Buffer.alloc(0))).status).toBe(404)
    // Another run sends the rest of this very deposit, then finds nothing new.
    expect(sent(await send(url))).toMatchObject({ outcome: 'unchanged', sequence: 2 })
    states.push(describeRepository(vendor.path))
    const again = await post('/received', Buffer.alloc(0))
    expect([again.status, await again.json()]).toEqual([200, expect.objectContaining({ sequence: 2 }) as unknown])
  })
})

test('only the depositor finds the door, and only of a sealed source', async () => {
  await serving(home.home, async (url) => {
    const at = (source: string, file: string) =>
      fetch(`${url}/v1/agreements/${agreement}/sources/${source}/offers/${'a'.repeat(20)}`, {
        headers: { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` },
      })
    expect((await at('product', token)).status).toBe(200)
    expect((await at('product', home.at('partner.token'))).status).toBe(403)
    expect((await at('pushed', token)).status).toBe(409)
    expect((await at('nowhere', token)).status).toBe(404)
    const refused = await send(url, '--token-file', home.at('partner.token'))
    vendor.addCommits('refs/heads/main', 1, { label: 'third' })
    expect([refused.exitCode, sent(refused).outcome]).toEqual([0, 'unchanged'])
    const wrong = await send(url, '--token-file', home.at('partner.token'))
    expect(wrong.err).toContain('ROLE_REFUSED')
    // A wrong token says nothing of what was sealed: it waits for the right one.
    const waiting = filesBelow(home.at('state', 'outbox'))
    expect((await send(url, '--token-file', home.at('partner.token'))).err).toContain('ROLE_REFUSED')
    expect(filesBelow(home.at('state', 'outbox'))).toEqual(waiting)
    const piece = (attempt: string) =>
      fetch(`${url}/v1/agreements/${agreement}/sources/product/offers/${attempt.repeat(20)}/files/0000000009-full/manifest.json`, {
        method: 'POST',
        headers: { authorization: `Bearer ${readFileSync(token, 'utf8').trim()}`, 'content-type': 'application/octet-stream' },
        body: 'x',
      })
    expect((await piece('b')).status).toBe(200)
    expect(sent(await send(url))).toMatchObject({ outcome: 'unchanged', sequence: 3 })
    states.push(describeRepository(vendor.path))
    // What was received stays, so that its answer can be asked for again; what can follow nothing any more is gone.
    expect((await readdir(home.at('service', 'inbox'))).length).toBe(1)
    // Whoever begins anew again and again finds room: what was added to least recently makes it.
    for (const attempt of ['c', 'd', 'e', 'f']) expect((await piece(attempt)).status).toBe(200)
    const kept = (await readdir(home.at('service', 'inbox'))).map((name) => name.slice(-1))
    expect(kept.toSorted()).toEqual(['d', 'e', 'f'])
  })
})

/** Options for `git push`, signed over what a repository holds now. */
const stated = async (source: string, ...more: readonly string[]) => home.run(...stating('vendor', source, 'stated.json'), ...more)
const stating = (party: string, source: string, out: string): readonly string[] => {
  const what = ['deposit-statement', vendor.path, '--as', home.party(party), '--agreement', home.agreement, '--source', source]
  return [...what, '--out', home.at(out)]
}

test('the verifier to whom it was disclosed sees without any custodian that the vault opens it; nobody else does', async () => {
  const [name = ''] = filesBelow(home.at('state', 'disclosed'))
  const about = ['--agreement', home.agreement, '--from', home.replica]
  const verifying = (party: string, ...more: readonly string[]) =>
    ['verify-seal', home.at('state', 'disclosed', name), '--as', home.party(party)].concat(about, more)
  const bundle = home.at('disclosed.bundle')
  expect(await home.must(...verifying('partner', '--bundle', bundle))).toContain('the vault of epoch 1 opens it: age1')
  const cloned = home.at('disclosed.git')
  expect((await runGit(['clone', '--mirror', bundle, cloned])).exitCode).toBe(0)
  expect(describeRepository(cloned).objects).toEqual(states[0]?.objects)
  expect((await home.run(...verifying('notary'))).err).toContain('ENVELOPE_RECIPIENT')
  // What is there already is left alone.
  const size = readFileSync(bundle).length
  expect((await home.run(...verifying('partner', '--bundle', bundle))).exitCode).not.toBe(0)
  expect(readFileSync(bundle).length).toBe(size)
})

test('that nothing is new is signed, noted and kept; what differs is told to everybody', async () => {
  const words = () =>
    filesBelow(join(home.replica, 'agreements', agreement, 'statements')).filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).length
  await serving(home.home, async (url) => {
    const noted = JSON.parse((await send(url)).out) as object
    expect(noted).toEqual({ outcome: 'unchanged', source: 'product', sequence: 3, noted: true })
    const before = words()
    expect(before).toBeGreaterThan(0)
    // Somebody else at the vendor has a repository that was never sent.
    vendor.addCommits('refs/heads/main', 1, { label: 'never sent' })
    const other = await stated('product', '--url', url, '--token-file', token)
    expect(other.out).toMatch(
      /product\s+refused: deposit 3 is not what the deposit statement says: digest of refs and HEAD: .*STATEMENT_DIFFERS/,
    )
    expect(words()).toBe(before + 1)
    expect(await eventsOf(url)).toContain('escrow/event/deposit-refused/v1 product')
    const stranger = await home.run(...stating('partner', 'product', 'strange.json'), '--url', url, '--token-file', token)
    expect(stranger.err).toContain('SIGNATURE_INVALID')
    expect((await stated('nowhere')).err).toContain('ARGUMENT_INVALID')
  })
})

test('a push says what it brings; what is not so blocks', async () => {
  await serving(home.home, async (url) => {
    const address = home.pushAddress(url, 'pushed')
    const push = async (...options: readonly string[]) =>
      (await runGit(['--git-dir', vendor.path, 'push', '--mirror', ...options, address])).text
    const signed = async (source = 'pushed') => (await stated(source)).out.split(' ')
    const first = await signed()
    expect(first.slice(0, 3)).toEqual(['-o', 'head=refs/heads/main', '-o'])
    const pushed = await push(...first)
    expect(pushed).toMatch(/deposit 1 \(full\)/)
    expect(pushed).not.toContain('STATEMENT')
    expect(filesBelow(join(home.replica, 'agreements', agreement, 'sources', 'pushed', '0000000001-full'))).toContain(
      'deposit-statement.json',
    )
    expect(await push(...first)).toContain('nothing is new since deposit 1')

    vendor.addCommits('refs/heads/main', 1, { label: 'behind its back' })
    const late = await push(...first)
    expect(late).toMatch(/blocking: STATEMENT_DIFFERS \(1\) deposit statement: digest of refs and HEAD/)
    expect(late).toMatch(/deposit 2 \(incremental\)/)
    expect(await push(...first)).toMatch(/deposit 2 is not what the deposit statement says.*STATEMENT_DIFFERS/)
    vendor.addCommits('refs/heads/main', 1, { label: 'again' })
    for (const [options, words] of [
      [['-o', 'statement=%%%'], 'expected one -o statement= in base64url'],
      [['-o', 'statement=e30'], 'SIGNATURE_INVALID|FORMAT_INVALID'],
      [await signed('product'), 'expected one about pushed, got one about product'],
      [[...first.slice(2), ...first.slice(2)], 'expected one -o statement='],
    ] as const)
      expect(await push(...options)).toMatch(new RegExp(`nothing was stored: .*(?:${words})`))
    expect(await push(...(await signed()))).toMatch(/deposit 3 \(incremental\)/)
    const asking = ['completeness', '--agreement', home.agreement, '--source', 'pushed', '--as', home.party('partner'), '--url', url]
    for (const asked of ['1', '2', '3'])
      expect(await home.json(...asking, '--token-file', home.at('partner.token'), '--sequence', asked)).toMatchObject({
        sequence: Number(asked),
      })
  })
  expect(await home.must('verify', home.replica, '--agreement', home.agreement)).toContain('everything that was looked at holds')
})

/** What was recorded under the agreement: type and subject. */
async function eventsOf(url: string): Promise<readonly string[]> {
  const answer = await fetch(`${url}/v1/agreements/${agreement}/events?limit=200`, {
    headers: { authorization: `Bearer ${readFileSync(token, 'utf8').trim()}` },
  })
  const { items } = (await answer.json()) as { items: { readonly type: string; readonly subject: string }[] }
  return items.map(({ type, subject }) => `${type} ${subject}`)
}

test('each deposit is opened as it was sealed, and nothing is left of what was on its way', async () => {
  const shares = await home.release()
  for (const [index, state] of states.entries()) {
    const target = home.at(`opened-${index + 1}.git`)
    await home.must(...home.opening(home.replica), ...shares, '--sequence', String(index + 1), '--to', target)
    expect(describeRepository(target)).toEqual(state)
    rmSync(target, { recursive: true })
  }
})

test('a CI that keeps no state goes on behind the newest deposit; who has an old state stops nobody', async () => {
  await serving(home.home, async (url) => {
    rmSync(join(home.home, 'inbox'), { recursive: true })
    const newest = sent(await send(url)).sequence
    for (const sequence of [newest, newest + 1]) {
      const state = home.at(`fresh-${sequence}`)
      expect(sent(await send(url, '--state', state))).toMatchObject({ outcome: 'unchanged', sequence })
      rmSync(state, { recursive: true })
      vendor.addCommits('refs/heads/main', 1, { label: `fresh ${sequence}` })
      const ran = await send(url, '--state', state)
      expect(sent(ran), ran.err).toMatchObject({ outcome: 'received', sequence: sequence + 1, kind: 'full' })
    }
    for (let run = 0; run < 5; run += 1) {
      const late = await send(url)
      expect([late.exitCode, late.err]).toEqual([4, expect.stringContaining(`a deposit that follows deposit ${newest + 2}`) as string])
    }
    rmSync(home.at('state'), { recursive: true })
    expect(sent(await send(url))).toMatchObject({ outcome: 'unchanged', sequence: newest + 2 })
    expect(readdirSync(join(home.home, 'inbox')).length).toBe(1)
  })
})
