// The relay holds, names and passes on; it never opens.
import { describe, expect, test } from 'vitest'
import { burnEpoch, planEpochs, type EpochHistory } from '../../../src/release/request/epoch-change.js'
import { keepsShares, sortShares, type ShareProblem } from '../../../src/release/rules/share-relay.js'
import { Consortium } from '../../doubles/consortium.js'
import { monday } from '../../doubles/moments.js'
import { open, type Proceedings, sealedShare } from '../../doubles/proceedings.js'
import { refusal } from '../../doubles/code-of.js'

function releasing(): Proceedings {
  const story = open()
  story.reachReleasing()
  return story
}

const sort = (story: Proceedings, digests: readonly string[]) =>
  sortShares(digests, story.progress, { frame: story.frame, now: story.now, verify: story.house.verify })

describe('what is held and what is refused', () => {
  test('nothing leaves before t are there, then all that is there leaves', () => {
    const story = releasing()
    const [first, second, third] = ['c1', 'c2', 'c3'].map((party) => story.share(party))
    expect(sort(story, [first ?? '', second ?? ''])).toMatchObject({ held: [{ index: 1 }, { index: 2 }], releasable: [] })
    expect(sort(story, [first ?? '', second ?? '', third ?? '']).releasable).toEqual([first, second, third])
  })

  const bad: readonly (readonly [string, ShareProblem, (story: Proceedings) => string])[] = [
    ['for another request', 'other-request', (story) => story.share('c2', { requestDigest: 'ee'.repeat(32) })],
    ['of another epoch', 'other-request', (story) => story.share('c2', {}, { epoch: 2 })],
    ['under another’s index', 'not-the-holder', (story) => story.share('c2', { index: 1 })],
    ['of an index nobody holds', 'not-the-holder', (story) => story.share('c2', { index: 9 })],
    ['of a custodian who did not approve', 'not-approved', (story) => story.share('c5')],
    [
      'sealed to somebody else',
      'recipients-differ',
      (story) => story.share('c2', { sealedShares: [{ recipient: story.house.party('beta').recipient ?? '', file: sealedShare('x') }] }),
    ],
    [
      'that is no age file',
      'no-age-file',
      (story) => story.share('c2', { sealedShares: story.frame.recipients.map((recipient) => ({ recipient, file: 'AAAA' })) }),
    ],
    [
      'copied from another custodian',
      'copied',
      (story) =>
        story.share('c2', {
          sealedShares: story.frame.recipients.map((recipient) => ({ recipient, file: sealedShare(`c1 ${recipient}`) })),
        }),
    ],
    ['that is another statement', 'other-statement', (story) => story.house.sign('heartbeat', 'vendor', {}, { at: story.now })],
  ]
  test.for(bad)('a share %s is named %s and does not count', ([, problem, make]) => {
    const story = releasing()
    const digests = [story.share('c1'), make(story), story.share('c3')]
    expect(sort(story, digests)).toMatchObject({
      held: [{ index: 1 }, { index: 3 }],
      refused: [{ digest: digests[1], problem }],
      releasable: [],
    })
    expect(refusal(() => story.give({ kind: 'shares', digests }))).toBe('SHARES_TOO_FEW')
    expect(story.state).toBe('releasing')
  })

  test('the same delivery twice is one, a second delivery takes the place of the first', () => {
    const story = releasing()
    const first = story.share('c1')
    const second = story.share('c1')
    const sorted = sort(story, [first, first, second])
    expect(sorted.held).toEqual([{ digest: second, party: 'c1', index: 1 }])
    expect(sorted.refused).toEqual([{ digest: first, party: 'c1', problem: 'replaced' }])
  })

  test('a custodian that takes its approval back takes its share with it', () => {
    const story = releasing()
    const digests = ['c1', 'c2', 'c3'].map((party) => story.share(party))
    story.approve('c4')
    story.refuse('c2')
    expect(story.state).toBe('releasing')
    expect(sort(story, digests)).toMatchObject({ refused: [{ party: 'c2', problem: 'not-approved' }], releasable: [] })
    expect(sort(story, [...digests, story.share('c4')]).releasable).toHaveLength(3)
  })

  test('shares may stay only where they may still be passed on', () => {
    const story = releasing()
    expect(keepsShares(story.progress.state)).toBe(true)
    story.hold()
    expect(keepsShares(story.progress.state)).toBe(true)
    expect(
      sort(
        story,
        ['c1', 'c2', 'c3'].map((party) => story.share(party)),
      ).releasable,
    ).toEqual([])
    story.withdraw()
    expect(keepsShares(story.progress.state)).toBe(false)
  })
})

describe('epochs', () => {
  const { agreement } = new Consortium()
  const none: EpochHistory = { burned: [], fullDeposits: [{ epoch: 1, source: 'kernel' }] }
  const burned = { epoch: 1, reason: 'share-released', cause: 'ab'.repeat(32), at: monday.toISOString() } as const

  test('the first is current, the second its reserve', () => {
    expect(planEpochs(agreement, [1, 2], none)).toEqual({ current: 1, reserve: 2, fullDue: [], exposed: [], alarms: [] })
  })

  test('after a release the reserve takes over without the depositor, with a full deposit, and says what is exposed until then', () => {
    const after = burnEpoch(none, agreement, burned)
    expect(planEpochs(agreement, [1, 2], after)).toEqual({
      current: 2,
      reserve: null,
      fullDue: ['kernel'],
      exposed: ['kernel'],
      alarms: ['no-reserve'],
    })
    const full = { ...after, fullDeposits: [...after.fullDeposits, { epoch: 2, source: 'kernel' }] }
    expect(planEpochs(agreement, [1, 2], full)).toMatchObject({ fullDue: [], exposed: [] })
  })

  test('an epoch that was never armed is no reserve; without one sources rest', () => {
    const after = burnEpoch(none, agreement, burned)
    expect(planEpochs(agreement, [1], after)).toMatchObject({ current: null, alarms: ['no-epoch-left', 'no-reserve'] })
    expect(planEpochs(agreement, [1, 2, 7], after)).toMatchObject({ current: 2, reserve: null })
  })

  test('burning again keeps the first reason; burning what never was is refused', () => {
    const after = burnEpoch(none, agreement, burned)
    expect(burnEpoch(after, agreement, { ...burned, reason: 'shares-lost' })).toBe(after)
    expect(refusal(() => burnEpoch(none, agreement, { ...burned, epoch: 9 }))).toBe('NOT_FOUND')
  })
})
