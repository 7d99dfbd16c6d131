import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { canonicalize } from '../../../src/format/canonical-json.js'
import { Receipt } from '../../../src/format/receipt.js'
import { signDocument } from '../../../src/format/signed-document.js'
import { objectKeys } from '../../../src/store/object-key.js'
import { GitFixture } from '../../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../../doubles/service-fixture.js'
import { dayMs } from '../../doubles/moments.js'

const page = readFileSync(new URL('../../../src/evidence/static-verifier.html', import.meta.url), 'utf8')
let folder: string
let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let [receipt, manifest, agreement] = ['', '', '']

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-page-'))
  service = await ServiceFixture.open()
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  agreed = await service.agree([{ source: 'engine', url: repository.path }])
  for (let day = 0; day < 3; day += 1) {
    service.clock.advance(dayMs)
    repository.addCommits('refs/heads/main', 1, { label: `day ${day}` })
    await service.mirror(agreed, 'engine')
  }
  await service.publish()
  const place = { agreement: agreed.id, source: 'engine', sequence: 2, kind: 'incremental' as const }
  const read = (key: string) => readFileSync(join(service.replica('a'), key), 'utf8')
  receipt = read(objectKeys.receipt(place))
  manifest = read(objectKeys.manifest(place))
  agreement = read(objectKeys.agreement(agreed.id, 1))
})
afterAll(async () => {
  await service.close()
  repository.remove()
  rmSync(folder, { recursive: true })
})

interface Shown {
  readonly verdict: string
  readonly words: string
}

/** What a real browser shows, without any network, when these files are chosen. */
function shown(inputs: { readonly agreementText: string; readonly receiptText: string; readonly manifestText?: string }): Shown {
  const path = join(folder, 'page.html')
  const script = `<script>addEventListener('load', () => show(${JSON.stringify(inputs).replaceAll('<', String.raw`\u003c`)}))</script>`
  writeFileSync(path, page.replace('</html>', `${script}</html>`))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${join(folder, 'profile')}`]
  const dom = execFileSync('chromium', [...flags, '--virtual-time-budget=20000', '--dump-dom', `file://${path}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 120_000,
  }).toString()
  const [, verdict = 'none'] = /<html[^>]*data-verdict="(\w+)"/.exec(dom) ?? []
  const [, list = ''] = /<ol id="checks">([^]*?)<\/ol>/.exec(dom) ?? []
  return { verdict, words: list.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ') }
}

const resigned = (change: (body: Receipt) => Receipt): string => {
  const body = Receipt.parse(JSON.parse(Buffer.from((JSON.parse(receipt) as { payload: string }).payload, 'base64').toString()))
  return Buffer.from(signDocument({ body: change(body), schema: Receipt, key: service.party('agent').signingKey })).toString()
}

test('the page says that a receipt of a real service holds, with its manifest', () => {
  const good = shown({ agreementText: agreement, receiptText: receipt, manifestText: manifest })
  expect(good).toMatchObject({ verdict: 'good', words: expect.stringContaining(agreed.signed.digest) as string })
  expect(good.words).toContain('deposit 2 of source engine')
})

test('the page refuses what escrow verify refuses', () => {
  const refused = (inputs: Parameters<typeof shown>[0], words: string) =>
    expect(shown(inputs)).toMatchObject({ verdict: 'bad', words: expect.stringContaining(words) as string })
  const flipped = receipt.replace(/"sig":"(.)/, (_all, letter: string) => `"sig":"${letter === 'A' ? 'B' : 'A'}`)
  refused({ agreementText: agreement, receiptText: flipped }, 'not signed by the agent')
  refused({ agreementText: agreement, receiptText: resigned((body) => ({ ...body, agreement: '0'.repeat(64) })) }, 'for another agreement')
  refused(
    { agreementText: agreement, receiptText: resigned((body) => ({ ...body, log: { ...body.log, salt: '0'.repeat(64) } })) },
    'the leaf is not',
  )
  const otherRoot = (proof: string) =>
    proof.replace(/^index \d+\n(.)/m, (line, letter: string) => line.slice(0, -1) + (letter === 'A' ? 'B' : 'A'))
  refused(
    { agreementText: agreement, receiptText: resigned((body) => ({ ...body, log: { ...body.log, proof: otherRoot(body.log.proof) } })) },
    'does not lead to the checkpoint',
  )
  const unsigned = JSON.stringify({ ...(JSON.parse(agreement) as object), signatures: [] })
  refused({ agreementText: unsigned, receiptText: receipt }, 'not signed by')
  refused({ agreementText: agreement, receiptText: receipt, manifestText: receipt }, 'for another manifest')
  refused({ agreementText: '<b>agreement</b>', receiptText: receipt }, 'no JSON')
})

test('a title that would be markup is shown as text', () => {
  const title = '<img src=x onerror=document.title=1>'
  const text = Buffer.from(canonicalize({ ...agreed.signed.body, title })).toString('base64')
  const forged = JSON.stringify({ ...(JSON.parse(agreement) as object), payload: text })
  const { verdict, words } = shown({ agreementText: forged, receiptText: receipt })
  expect(verdict).toBe('bad')
  expect(words).toContain('&lt;img')
})
