// A restore drill by nothing but command lines: a rehearsal vault of its own, a canary, and what the beneficiary measures.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { releaseLines, releaseParties } from '../doubles/release-terms.js'

let fixture: GitFixture
let canary: GitFixture
let home: EscrowHome
let rehearsal = ''
const shares = ['notary', 'university', 'chamber'] as const

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 2)
  canary = new GitFixture()
  canary.addCommits('refs/heads/main', 1)
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`], {
    parties: releaseParties,
    release: releaseLines,
  })
  rehearsal = await home.another(['  - source: canary', `    url: ${canary.path}`], 'rehearsal')
  await home.must('mirror')
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
  canary.remove()
})

async function idOf(agreement: string): Promise<string> {
  return (await home.json<{ agreement: { agreement: string } }>('agreement', 'show', agreement)).agreement.agreement
}

test('the canary comes back from the rehearsal vault, times are measured, and a wrong canary fails', async () => {
  const released: string[] = []
  for (const party of shares) {
    const out = home.at('released', `${party}.age`)
    const share = home.at('vault-rehearsal', 'shares', `${party}-epoch-1.age`)
    await home.must(
      'share',
      'release',
      '--as',
      home.party(party),
      '--agreement',
      rehearsal,
      '--share',
      share,
      '--to',
      'partner',
      '--out',
      out,
    )
    released.push('--share', out)
  }
  const agreement = await idOf(home.agreement)
  const head = canary.git(['rev-parse', 'refs/heads/main']).trim()
  const drill = async (name: string, commit: string) => {
    const out = home.at(`${name}.json`)
    const wish = ['--rehearsal', await idOf(rehearsal), '--source', 'canary', '--canary', commit]
    await home.must('drill', 'start', '--agreement', agreement, ...wish, '--out', out)
    const measuring = ['--as', home.party('partner'), '--agreement', home.agreement, '--rehearsal', rehearsal, '--from', home.replica]
    const to = ['--to', home.at(`${name}.git`), '--out', home.at(`${name}-result.json`)]
    const ran = await home.run('drill', 'restore', out, ...measuring, ...released, ...to)
    await home.must('release', 'record', home.at(`${name}-result.json`))
    return ran.exitCode
  }
  expect(await drill('found', head)).toBe(0)
  expect(await drill('lost', 'ab'.repeat(20))).toBe(3)
  // Shares of the real vault open no rehearsal: they are not what is rehearsed with.
  const listed = await home.run('--json', 'drill', 'list')
  const { drills } = JSON.parse(listed.out) as {
    drills: readonly { outcome: string; report: { recoveryTimeMinutes: number; recoveryPointMinutes: number } }[]
  }
  expect(drills.map(({ outcome }) => outcome).sort()).toEqual(['fail', 'pass'])
  for (const { report } of drills) expect([report.recoveryTimeMinutes >= 0, report.recoveryPointMinutes >= 0]).toEqual([true, true])
  const summons = home.at('vote.json')
  await home.must('drill', 'start', '--agreement', agreement, '--condition', 'insolvent', '--out', summons)
  const voting = ['--as', home.party('notary'), '--agreement', home.agreement, '--reason', 'Drill.', '--out', home.at('vote-notary.json')]
  await home.must('drill', 'vote', summons, ...voting)
  await home.must('release', 'record', home.at('vote-notary.json'))
  const wrong = await home.run(
    'drill',
    'vote',
    summons,
    '--as',
    home.party('notary'),
    '--agreement',
    rehearsal,
    '--reason',
    'Drill.',
    '--out',
    home.at('no.json'),
  )
  expect(wrong.err).toMatch(/SIGNATURE_INVALID|AGREEMENT_DIGEST/)
}, 300_000)
