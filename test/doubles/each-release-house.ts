import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { ReleaseHouse, ReleaseTemplate } from './release-house.js'

/**
 * A house of its own for each test of a file, all copied from one template.
 *
 * @param use - is given them before each test.
 * @param release - lines of the draft's `release`; the usual ones when left out.
 */
export function eachReleaseHouse(use: (house: ReleaseHouse, template: ReleaseTemplate) => void, release?: readonly string[]): void {
  let template: ReleaseTemplate
  let house: ReleaseHouse
  beforeAll(async () => {
    template = await ReleaseTemplate.make(release)
  }, 120_000)
  afterAll(() => template.remove())
  beforeEach(async () => {
    house = await ReleaseHouse.open(template)
    use(house, template)
  })
  afterEach(() => house.close())
}
