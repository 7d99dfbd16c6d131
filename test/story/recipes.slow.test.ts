// What docs/recipes tells people to put into their CI, run as it stands there: the real shell and git, and the command of a build, against a service.
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AttachedKind } from '../../src/format/attachment.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { BuiltEscrow } from '../doubles/built-escrow.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { gitEnvironment, GitFixture } from '../doubles/git-fixture.js'
import { run, type GitRan } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'

const recipes = readFileSync('docs/recipes/README.md', 'utf8')
const [deposit = '', attach = ''] = [...recipes.matchAll(/```sh\n([^]*?)```/g)].map(([, script]) => script)
const vendor = new GitFixture()
let built: BuiltEscrow
let home: EscrowHome
let token = ''

beforeAll(async () => {
  built = BuiltEscrow.build()
  vendor.addCommits('refs/heads/main', 2)
  home = await EscrowHome.make(['  - source: product', '    mode: push'])
  token = readFileSync(await home.token(), 'utf8').trim()
  mkdirSync(home.at('bin'))
  writeFileSync(home.at('bin', 'escrow'), `#!/bin/sh\nexec "${process.execPath}" "${built.dist}/src/cli/main.js" "$@"\n`)
  chmodSync(home.at('bin', 'escrow'), 0o755)
  mkdirSync(home.at('tmp'))
  writeFileSync(home.at('attach.sh'), attach)
  writeFileSync(home.at('deposit.sh'), deposit)
}, 300_000)
afterAll(async () => {
  await home.remove()
  built.remove()
  vendor.remove()
})

/** One command of a job, with the variables that the recipes name. */
async function job(url: string, command: string): Promise<GitRan> {
  const { agreement } = openAgreement(readFileSync(home.agreement)).body
  const ran = await run('sh', ['-c', `cd "$WORK" && ${command}`], {
    ...gitEnvironment,
    PATH: `${home.at('bin')}:${process.env['PATH']}`,
    WORK: home.folder,
    TMPDIR: home.at('tmp'),
    SOURCE_URL: `file://${vendor.path}`,
    ESCROW_URL: `${url}/git/${agreement}/product.git`,
    ESCROW_SERVICE: url,
    ESCROW_AGREEMENT: home.agreement,
    ESCROW_SOURCE: 'product',
    ESCROW_TOKEN: token,
  })
  expect(ran.text).not.toContain(token)
  // Neither clone nor token stays behind.
  expect(readdirSync(home.at('tmp'))).toEqual([])
  return ran
}

test('a job attaches an SBOM and an image, and the push after it brings them into a deposit, also when nothing else is new', async () => {
  writeFileSync(home.at('product.spdx.json'), '{"spdxVersion":"SPDX-2.3"}')
  writeFileSync(home.at('product-image.tar'), Buffer.alloc(3_000_000, 'an image, '))
  await serving(home.home, async (url) => {
    const nightly = 'sh attach.sh sbom product.spdx.json && sh attach.sh image product-image.tar && sh deposit.sh'
    const first = await job(url, nightly)
    expect([first.exitCode, /deposit 1 \(full\)/.test(first.text)], first.text).toEqual([0, true])
    // The same the night after: nothing is new, and nothing waits for a change that may never come.
    const again = await job(url, 'sh deposit.sh')
    expect([again.exitCode, again.text.includes('nothing is new since deposit 1')], again.text).toEqual([0, true])
    writeFileSync(home.at('product.spdx.json'), '{"spdxVersion":"SPDX-2.3","name":"product"}')
    const changed = await job(url, nightly)
    expect([changed.exitCode, /deposit 2 \(incremental\)/.test(changed.text)], changed.text).toEqual([0, true])
    const wrong = await job(url, 'ESCROW_SOURCE=other sh attach.sh sbom product.spdx.json')
    expect([wrong.exitCode === 0, wrong.text.includes('NOT_FOUND')], wrong.text).toEqual([false, true])
  })
  const to = home.at('opened.git')
  await home.must(...home.opening(home.replica), ...(await home.release()), '--to', to)
  const opened = readdirSync(home.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.name === 'product.spdx.json')
  const texts = opened.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
  expect(texts).toEqual(Array(2).fill('{"spdxVersion":"SPDX-2.3","name":"product"}'))
})

test('every recipe names a script that is there, with a kind that there is', () => {
  const used = [...recipes.matchAll(/\b(deposit|attach)\.sh(?: ([a-z-]+))?/g)].map(([, script, kind]) => [script, kind] as const)
  const kinds = used.flatMap(([script, kind]) => (script === 'attach' && kind !== undefined ? [kind] : []))
  expect(kinds.length).toBeGreaterThan(6)
  expect(kinds.filter((kind) => !AttachedKind.safeParse(kind).success)).toEqual([])
  const named = [...recipes.matchAll(/--attach\s+([a-z-]+)=/g)].map(([, kind]) => kind)
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((kind) => !AttachedKind.safeParse(kind).success)).toEqual([])
})
