import { expect, test } from 'vitest'
import { depositIdOf } from '../../../src/escrow/deposit-id.js'

// RFC 4648 base32 in lower case, first 20 characters; computed with `printf <hex> | xxd -r -p | base32`.
test.for([
  ['00'.repeat(32), 'dep_aaaaaaaaaaaaaaaaaaaa'],
  ['ff'.repeat(32), 'dep_77777777777777777777'],
  ['e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'dep_4oymiquy7qobjgx36tej'],
] as const)('the id of %s is %s', ([digest, id]) => {
  expect(depositIdOf(digest)).toBe(id)
})
