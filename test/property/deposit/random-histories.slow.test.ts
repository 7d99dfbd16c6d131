// Whatever a depositor does to branches and tags between deposits, the chain restores every state exactly.
import { array, assert, asyncProperty, boolean, constant, constantFrom, nat, oneof, record, type Arbitrary } from 'fast-check'
import { expect, test } from 'vitest'
import { GitFixture } from '../../doubles/git-fixture.js'
import { TestArchive, describeRepository } from '../../doubles/test-archive.js'

const branch = constantFrom('main', 'dev', 'a/b', 'release')
const step = oneof(
  record({ do: constant('commit' as const), branch }),
  record({ do: constant('delete' as const), branch }),
  record({ do: constant('reset' as const), branch, to: nat(20) }),
  record({ do: constant('tag' as const), branch, annotated: boolean() }),
  record({ do: constant('untag' as const), which: nat(5) }),
  record({ do: constant('detach' as const), to: nat(20) }),
)
type Step = typeof step extends Arbitrary<infer T> ? T : never

class History {
  private commits: string[] = []
  private tags: string[] = []
  private label = 0

  constructor(private readonly fixture: GitFixture) {}

  apply(action: Step): void {
    this.label += 1
    const run = (args: readonly string[]) => this.fixture.git(args)
    const pick = (list: readonly string[], at: number) => list[at % Math.max(1, list.length)]
    if (action.do === 'commit') {
      const name = `refs/heads/${action.branch}`
      this.commits.push(this.fixture.addCommits(name, 1, { files: 1, label: `c${this.label}` }))
    } else if (action.do === 'delete') run(['update-ref', '-d', `refs/heads/${action.branch}`])
    else if (action.do === 'tag') {
      const target = pick(this.commits, this.label * 7)
      if (target === undefined) return
      this.tags.push(`t${this.label}`)
      run(action.annotated ? ['tag', '-a', '-m', 'tag', `t${this.label}`, target] : ['tag', `t${this.label}`, target])
    } else if (action.do === 'untag') {
      const tag = pick(this.tags, action.which)
      if (tag !== undefined) run(['update-ref', '-d', `refs/tags/${tag}`])
    } else {
      const target = pick(this.commits, action.to)
      if (target === undefined) return
      if (action.do === 'reset') run(['update-ref', `refs/heads/${action.branch}`, target])
      else run(['update-ref', '--no-deref', 'HEAD', target])
    }
  }
}

test('a chain over a random history restores each of its states', async () => {
  const seed = Number(process.env['FC_SEED'] ?? 20261122)
  console.log(`seed ${seed}`)
  await assert(
    asyncProperty(array(array(step, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 4 }), async (rounds) => {
      const fixture = new GitFixture()
      const archive = await TestArchive.make()
      try {
        const history = new History(fixture)
        const states: ReturnType<typeof describeRepository>[] = []
        for (const round of rounds) {
          for (const action of round) history.apply(action)
          const { outcome } = await archive.deposit(fixture)
          if (outcome === 'prepared') states.push(describeRepository(fixture.path))
        }
        const sequence = states.length
        expect(describeRepository(await archive.restore(sequence))).toEqual(states[sequence - 1])
        expect(archive.leftovers().scratch).toEqual([])
      } finally {
        archive.remove()
        fixture.remove()
      }
    }),
    { numRuns: 4, seed, endOnFailure: true },
  )
})
