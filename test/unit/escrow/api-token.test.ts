import { expect, test } from 'vitest'
import { SystemEntropy } from '../../../src/core/environment.js'
import { formatToken, parseToken } from '../../../src/escrow/token/api-token.js'
import { newId } from '../../../src/format/ids.js'

const entropy = new SystemEntropy()
const [tokenId, secret] = [newId('tok', entropy), entropy.bytes(32)]
const token = formatToken(tokenId, secret)

test('a token comes back as what it was made of', () => {
  expect(parseToken(token)).toEqual({ tokenId, secret })
})

test.for([
  '',
  'tok_',
  tokenId,
  `${tokenId}.`,
  `${token}=`,
  `${token}A`,
  token.slice(0, -1),
  ` ${token}`,
  `${token}\n`,
  token.replace('.', ':'),
  token.replace('tok_', 'req_'),
  token.toUpperCase(),
  `${tokenId}.${'+'.repeat(43)}`,
  // The last character carries two bits that mean nothing: another spelling of the same secret.
  `${tokenId}.${'A'.repeat(42)}B`,
  `${tokenId}.${'A'.repeat(100_000)}`,
])('%s is no token', (text) => {
  expect(parseToken(text)).toBeNull()
})
