import { expect, test } from 'vitest'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { AnySummons } from '../../../src/format/drill.js'
import { drillDigest } from '../../../src/release/drill/drill.js'
import vectors from '../../vectors/drill.json' with { type: 'json' }

test.for(vectors.valid)('vector: $name', ({ text, digest }) => {
  const summons = AnySummons.parse(parseCanonical(new TextEncoder().encode(text)))
  expect([new TextDecoder().decode(canonicalize(summons)), drillDigest(summons)]).toEqual([text, digest])
})

test.for(vectors.refused)('refused: $name', ({ text }) => {
  expect(AnySummons.safeParse(JSON.parse(text)).success).toBe(false)
})

test.for(vectors.valid)('a summons to a $name drill without any of its fields is refused', ({ text }) => {
  const summons = JSON.parse(text) as Record<string, unknown>
  for (const field of Object.keys(summons)) {
    const { [field]: _left, ...rest } = summons
    expect(AnySummons.safeParse(rest).success, field).toBe(false)
  }
})
