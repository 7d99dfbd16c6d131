// What is left of a release when it matters: rows that come back after the index was lost, and a folder for an auditor.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../config/load.js'
import { openAdapters } from '../../src/adapters.module.js'
import { startApplication } from '../../src/app.module.js'
import { openArchive } from '../../src/cli/open-archive.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { Database } from '../../src/db/database.js'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { verifyEvidence, type VerifiedEvidence } from '../../src/evidence/verify-evidence.js'
import { KeepEvidence } from '../../src/release/case/keep-evidence.js'
import { RebuildReleases } from '../../src/release/rebuild/rebuild-releases.js'
import { StartDrill } from '../../src/release/drill/start-drill.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { FsArchiveTarget } from '../../src/store/fs-archive-target.js'
import { CollectEvidence } from '../../src/verify/collect-evidence.js'
import { EvidenceFolder } from '../../src/verify/evidence-folder.js'
import { RebuildIndex } from '../../src/verify/rebuild-index.js'
import { SealEvidence } from '../../src/verify/seal-evidence.js'
import { ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { testDatabase } from '../doubles/test-database.js'
import { dumpIndex, flipBit } from './service-life.js'

let template: ReleaseTemplate
let house: ReleaseHouse
beforeAll(async () => {
  template = await ReleaseTemplate.make()
}, 120_000)
afterAll(() => template.remove())

const dump = () => dumpIndex(house.app.get(Database))

/** Lose the index, and start on an empty one. */
async function loseIndex(): Promise<void> {
  await house.app.get(PublishLog).run()
  await house.app.close()
  const surroundings = { clock: house.clock, entropy: new SystemEntropy(), database: await testDatabase() }
  house.app = await startApplication(await openAdapters(await loadConfig(house.folder), surroundings))
}

function rebuild(): Promise<unknown> {
  const beforeHead = async () => void (await house.app.get(RebuildReleases).run())
  return house.app.get(RebuildIndex).run({ beforeHead })
}

describe('an index that was lost', () => {
  beforeEach(async () => {
    house = await ReleaseHouse.open(template)
  })
  afterEach(() => house.close())

  test('an order that was contested, lost, approved, released and granted is what it was, and its request runs out by its clock', async () => {
    const lodged = await house.order('partner')
    const { digest } = peekStatement(lodged)
    await house.record(lodged)
    await house.record(await house.order('ministry'))
    const contested = { order: digest, court: 'Court of Appeals', docket: 'A-17', grounds: 'By all legal means.', evidence: [] }
    await house.record(await house.sign('contestation', 'vendor', contested))
    const lost = { subject: { kind: 'order' as const, digest }, outcome: 'proceed' as const, grounds: 'Having heard both.', evidence: [] }
    await house.record(await house.sign('ruling', 'arbiter', lost))
    await house.tick()
    for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
    await house.wait(25 * hourMs)
    for (const party of ['notary', 'university', 'chamber']) await house.record(await house.shareOf(party))
    await house.tick()
    await house.app.get(PublishLog).run()
    const before = await dump()
    const counts = { release_request: 1, shutdown_order: 1, release_statement: 8, held_share: 3, release_grant: 1 }
    expect(Object.fromEntries(Object.keys(counts).map((name) => [name, before[name]?.length]))).toEqual(counts)
    await loseIndex()
    await rebuild()
    expect(await dump()).toEqual(before)
    expect(await house.state()).toBe('released')
    await house.wait(45 * dayMs)
    expect(await house.state()).toBe('closed')
  })

  test('a request that was objected to and is being voted on goes on where it was', async () => {
    await house.record(await house.ask())
    for (let days = 0; days < 30 && (await house.state()) !== 'notice'; days += 1) await house.wait(dayMs)
    const { requestDigest } = await house.request()
    await house.record(await house.sign('contrary-instruction', 'vendor', { requestDigest, grounds: 'We have paid.', evidence: [] }))
    expect(await house.state()).toBe('contested')
    const subject = { kind: 'request' as const, digest: requestDigest }
    await house.record(await house.sign('ruling', 'arbiter', { subject, outcome: 'proceed', grounds: 'Not shown.', evidence: [] }))
    await house.approve('notary')
    await house.refuse('university')
    const matter = { subject: 'foundation', available: false, cause: 'share-lost' as const, reason: 'The safe burnt out.' }
    await house.record(await house.sign('availability', 'foundation', matter))
    expect((await house.request()).progress.unavailable).toEqual(['foundation'])
    await house.app.get(PublishLog).run()
    const before = await dump()
    await loseIndex()
    await rebuild()
    expect(await dump()).toEqual(before)
    for (const party of ['chamber', 'auditor']) await house.approve(party)
    expect(await house.state()).toBe('coolingOff')
  })

  test('alarms, drills, proofs of shares, evidence and an order against us that must stay silent are what they were', async () => {
    const { agreement } = house.agreement.body
    const wish = { kind: 'approval', condition: 'insolvent' } as const
    const { drill } = await house.app.get(StartDrill).run(agreement, wish, 48)
    const cover = { requestDigest: drill, agreement: house.agreement.digest, epoch: 1, recipients: [house.recipientOf('partner')] }
    const answer = async (requestDigest: string) => {
      for (const party of ['notary', 'university', 'chamber'])
        await house.record(await house.sign('approval', party, { covers: [{ ...cover, requestDigest }], reason: 'Drill.' }))
    }
    await answer(drill)
    await house.record(await house.provenShare('notary', 1))
    const paper = Buffer.from('the district court has opened proceedings')
    const asked = await house.ask({
      evidence: [{ title: 'opening', sha256: sha256Hex(paper), sizeBytes: paper.length, mediaType: 'text/plain' }],
    })
    await house.record(asked)
    await house.app.get(KeepEvidence).run({ statement: peekStatement(asked).digest, bytes: paper })
    const day = (days: number) => new Date(house.clock.now().getTime() + days * dayMs).toISOString()
    const gagged = await house.legalOrder({ noticeForbidden: true, noticeForbiddenUntil: day(60) })
    const open = await house.legalOrder({ reference: 'L 8' })
    for (const order of [gagged, open]) {
      await house.record(order)
      const step = { order: peekStatement(order).digest, step: { kind: 'check-done', check: 'authenticity' } as const }
      await house.record(await house.signAsAgent('legal-order-step', { ...step, proof: 'ab'.repeat(32) }))
    }
    await house.wait(3 * dayMs)
    const running = await house.app.get(StartDrill).run(agreement, wish, 480)
    await house.wait(10 * dayMs)
    await house.app.get(PublishLog).run()
    const before = await dump()
    expect(before['drill']?.map((row) => row['outcome']).toSorted()).toEqual([null, 'pass'])
    expect(before['custody_alarm']?.map((row) => row['alarm'])).toContain('restore-drill-overdue')
    expect([before['share_health']?.length, before['legal_order']?.length]).toEqual([1, 2])
    await loseIndex()
    await rebuild()
    expect(await dump()).toEqual(before)
    // The drill under way is answered and reported after the loss, and the silence ends on its day: then all of it comes into the open.
    await answer(running.drill)
    await house.wait(20 * dayMs)
    expect((await dump())['drill']?.map((row) => row['outcome'])).toEqual(['pass', 'pass'])
    await house.wait(40 * dayMs)
    const told = await dump()
    await house.app.get(PublishLog).run()
    await loseIndex()
    await rebuild()
    const subjects = (rows: typeof told) => [rows['release_statement'], rows['legal_order']?.map(({ progress: _progress, ...row }) => row)]
    expect(subjects(await dump())).toEqual(subjects(told))
    expect(told['release_statement']?.filter((row) => String(row['key']).includes('/legal-orders/'))).toHaveLength(4)
  })

  test('a rebuild stops when a statement that the log tells of is altered at every replica', async () => {
    await house.record(await house.ask())
    await loseIndex()
    for (const replica of readdirSync(join(house.folder, 'replicas'))) {
      const objects = join(house.folder, 'replicas', replica, 'objects')
      const statement = readdirSync(objects, { recursive: true, encoding: 'utf8' }).find((name) =>
        /statements\/[0-9a-f]{64}\.json$/.test(name),
      )
      flipBit(join(objects, statement!))
    }
    await expect(rebuild()).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:DIGEST_MISMATCH|FORMAT_INVALID|OBJECT_\w+)$/) as string,
    })
    await expect(house.app.get(PublishLog).run()).rejects.toMatchObject({ code: 'LOG_ROLLED_BACK' })
  })
})

let folder: string
let sealed: VerifiedEvidence
const hostile = `</q><script>alert(1)</script><img src=x onerror=alert(2)>"'&amp;`

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

describe('evidence', () => {
  beforeAll(async () => {
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
    const statements = readdirSync(copy, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /statements\/[0-9a-f]{64}\.json$/.test(name),
    )
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
})
