// A release as an auditor gets it in a folder: every statement signed by who the log says, and words of strangers that stay words.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { openArchive } from '../../src/cli/open-archive.js'
import { verifyEvidence, type VerifiedEvidence } from '../../src/evidence/verify-evidence.js'
import { FsArchiveTarget } from '../../src/store/fs-archive-target.js'
import { PublishLog } from '../../src/escrow/publish-log.js'
import { CollectEvidence } from '../../src/verify/collect-evidence.js'
import { EvidenceFolder } from '../../src/verify/evidence-folder.js'
import { SealEvidence } from '../../src/verify/seal-evidence.js'
import { hourMs, ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { flipBit } from './service-life.js'

let template: ReleaseTemplate
let house: ReleaseHouse
let folder: string
let sealed: VerifiedEvidence
const hostile = `</q><script>alert(1)</script><img src=x onerror=alert(2)>"'&amp;`

beforeAll(async () => {
  template = await ReleaseTemplate.make()
  house = await ReleaseHouse.open(template)
  await house.record(await house.ask({ grounds: `The depositor is bankrupt. ${hostile}` }))
  for (let days = 0; days < 60 && (await house.state()) !== 'approval'; days += 1) await house.wait(24 * hourMs)
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  await house.wait(25 * hourMs)
  for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
  await house.tick()
  folder = join(house.folder, 'evidence')
  sealed = await collect()
}, 120_000)
afterAll(async () => {
  await house.close()
  await template.remove()
})

async function collect(): Promise<VerifiedEvidence> {
  const { signal } = new AbortController()
  await house.app.get(PublishLog).run(signal)
  const evidence = new EvidenceFolder(new FsArchiveTarget(folder, new SystemEntropy()))
  const order = { agreementId: house.agreement.body.agreement, collectedAt: house.clock.now(), folder: evidence }
  await house.app.get(CollectEvidence).run(order, signal)
  return house.app.get(SealEvidence).run({ ...order, reader: openArchive(folder) }, signal)
}

function verify(from = folder): Promise<VerifiedEvidence> {
  const wish = { pinned: house.agreement, tagSecret: null, collectedAt: house.clock.now() }
  return verifyEvidence(openArchive(from), house.agreement.body.agreement, wish, new AbortController().signal)
}

test('a release is in the folder with every statement, and all of it holds', async () => {
  expect(sealed.problems).toEqual([])
  const { problems, statements } = await verify()
  expect(problems).toEqual([])
  const types = [...statements.values()].map(({ statement, party }) => `${statement.type.split('/')[2]} by ${party}`)
  expect(types.sort()).toEqual([
    'approval by chamber',
    'approval by notary',
    'approval by university',
    'release-request by partner',
    'share-release by chamber',
    'share-release by notary',
    'share-release by university',
  ])
})

test('a statement that was altered, exchanged or taken out is found', async () => {
  const copy = `${folder}-copy`
  cpSync(folder, copy, { recursive: true })
  const statements = readdirSync(copy, { recursive: true, encoding: 'utf8' }).filter((name) => /statements\/[0-9a-f]{64}\.json$/.test(name))
  const [first = '', second = ''] = statements.map((name) => join(copy, name))
  const bytes = readFileSync(first)
  const codes = async () => (await verify(copy)).problems.map(({ error }) => error.code).join(' ')
  flipBit(first)
  expect(await codes()).toMatch(/SIGNATURE_INVALID|FORMAT_INVALID/)
  writeFileSync(first, readFileSync(second))
  expect(await codes()).toMatch(/DIGEST_MISMATCH|SIGNATURE_INVALID/)
  rmSync(first)
  expect(await codes()).toMatch(/OBJECT_MISSING/)
  writeFileSync(first, bytes)
  expect(await codes()).toBe('')
  rmSync(copy, { recursive: true })
})

test('the report tells the release step by step, and what parties wrote is text in it', () => {
  const report = readFileSync(join(folder, 'report.html'), 'utf8')
  expect(report).toContain('The depositor is bankrupt.')
  expect(report).toContain('share release by <b>notary</b>')
  expect(report).not.toMatch(/<script|<img/i)
})
