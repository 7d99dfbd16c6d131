// The times in the log are the operator's word. A custodian's own client does not take them for more than that.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCase, type OpenedCase } from '../../src/cli/holder/release/holder-case.js'
import { loggedState, requireReleasing } from '../../src/cli/holder/release/holder-case-votes.js'
import { EscrowError } from '../../src/core/errors.js'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import type { LoggedEvent } from '../../src/format/event.js'
import { ExportCase } from '../../src/release/case/export-case.js'
import { ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'
import { hourMs } from '../doubles/moments.js'

let template: ReleaseTemplate
let house: ReleaseHouse
let folder: string
let one: OpenedCase
let approvedAt = 0

beforeAll(async () => {
  template = await ReleaseTemplate.make()
  house = await ReleaseHouse.open(template)
  await house.reachApproval()
  approvedAt = house.clock.now().getTime()
  for (const party of ['notary', 'university', 'chamber']) await house.approve(party)
  await house.wait(25 * hourMs)
  await house.app.get(PublishLog).run()
  folder = mkdtempSync(join(tmpdir(), 'reduit-case-'))
  for (const { path, bytes } of await house.app.get(ExportCase).run((await house.request()).requestId)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), bytes)
  }
  one = await openCase(folder, house.agreement, { now: null })
}, 300_000)
afterAll(async () => {
  await house.close()
  await template.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** The case as an operator would write it who dates its own events otherwise. */
const redated = (shift: (event: LoggedEvent['event']) => number): OpenedCase => ({
  ...one,
  events: one.events.map(({ event, leafHash }) => ({
    leafHash,
    event: { ...event, at: new Date(Date.parse(event.at) + shift(event)).toISOString() },
  })),
})
const code = (action: () => unknown): string | null => {
  try {
    action()
    return null
  } catch (error) {
    return error instanceof EscrowError ? error.code : String(error)
  }
}

test('with honest times, a share may be sealed when the cooling-off is over', () => {
  expect(loggedState(one).state).toBe('releasing')
  expect(requireReleasing(one, house.clock.now())).toEqual(new Date(approvedAt + 25 * hourMs))
})

test.for([0, 1, 23])('an operator whose clock is ahead gains nothing: %i hours after the approvals no share is sealed', (hours) => {
  expect(code(() => requireReleasing(one, new Date(approvedAt + hours * hourMs)))).toBe('REQUEST_STATE')
})

test.for([1, 24, 1000])('an operator who back-dates everything by %i hours cannot shorten the cooling-off', (hours) => {
  const early = redated(() => -hours * hourMs)
  expect(code(() => requireReleasing(early, new Date(approvedAt + hourMs)))).toBe('REQUEST_STATE')
})

test('an operator who writes a shorter cooling-off into the log is refused by the log itself', () => {
  const short = redated((event) => ('to' in event && event.to === 'coolingOff' ? 2 * hourMs : 0))
  expect(code(() => requireReleasing(short, house.clock.now()))).toBe('REQUEST_STATE')
})

test('custodians whose own clocks differ by a minute are not kept from their duty', () => {
  expect(code(() => requireReleasing(one, new Date(approvedAt + 25 * hourMs - 60_000)))).toBe(null)
  expect(code(() => requireReleasing(one, new Date(approvedAt + 25 * hourMs - 60_001)))).toBe('REQUEST_STATE')
})
