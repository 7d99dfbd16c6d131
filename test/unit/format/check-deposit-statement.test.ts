import { describe, expect, test } from 'vitest'
import { differencesFrom } from '../../../src/format/check-deposit-statement.js'
import { statementOf } from '../../../src/escrow/push/push-plan.js'

const arrived = { objectFormat: 'sha1' as const, refsDigest: 'a'.repeat(64), refCount: 3, packChecksum: 'b'.repeat(40) }

describe('what a depositor says and what arrived', () => {
  test.for([
    [{}, []],
    [{ packChecksum: null }, []],
    [{ packChecksum: 'c'.repeat(40) }, [/^pack: said c+, got b+$/]],
    [{ refCount: 4 }, [/^number of refs: said 4, got 3$/]],
    [{ refsDigest: 'd'.repeat(64), refCount: 2 }, [/^number of refs/, /^digest of refs and HEAD/]],
    [{ objectFormat: 'sha256' as const }, [/^object format: said sha256, got sha1$/]],
  ] as const)('%j', ([other, expected]) => {
    const differences = differencesFrom({ ...arrived, ...other }, arrived)
    expect(differences.length).toBe(expected.length)
    for (const [index, pattern] of expected.entries()) expect(differences[index]).toMatch(pattern)
  })
})

test.for([
  [[], null],
  [['head=refs/heads/main'], null],
  [['statement=e30'], '{}'],
] as const)('options %j bring %j', ([options, text]) => {
  const bytes = statementOf({ options })
  expect(bytes === null ? null : Buffer.from(bytes).toString()).toBe(text)
})

test.for([[['statement=']], [['statement=a b']], [['statement=e30=']], [['statement=e30', 'statement=e30']]] as const)(
  'options %j are refused',
  ([options]) => {
    expect(() => statementOf({ options })).toThrow(/expected one -o statement= in base64url/)
  },
)
