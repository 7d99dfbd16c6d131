import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'

let home: EscrowHome
let repository: GitFixture

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  home = await EscrowHome.make(['  - source: product', `    url: ${repository.path}`], { database: 'folder' })
  await home.must('mirror')
})
afterAll(async () => {
  await home.remove()
  repository.remove()
})

test('rebuild refuses a database that holds something, sets it aside when it is told to, and the service goes on', async () => {
  expect(await home.run('rebuild')).toMatchObject({ exitCode: 5, err: expect.stringContaining('DATABASE_NOT_EMPTY') as string })
  expect(await home.must('rebuild', '--replace')).toContain('rebuilt from')
  expect(await home.must('mirror')).toContain('unchanged')
})
