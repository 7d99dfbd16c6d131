import { expect, test } from 'vitest'
import { catalog, jobNames } from '../../../src/jobs/catalog.js'

test.for(jobNames)('%s takes only what the catalog says', (name) => {
  expect(catalog[name].payload.safeParse({ more: 1 }).success).toBe(false)
})
