import { expect, test } from 'vitest'
import { Entropy } from '../../../src/core/environment.js'
import { AgreementId, depositIdOf, DepositId, Instant, isRefName, newId, RequestId, Words } from '../../../src/format/ids.js'
import vectors from '../../vectors/ids.json' with { type: 'json' }

class FixedEntropy extends Entropy {
  constructor(private readonly byte: number) {
    super()
  }
  bytes(sizeBytes: number): Uint8Array {
    return new Uint8Array(sizeBytes).fill(this.byte)
  }
}

test.for([0, 31, 32, 128, 255])('ids made from bytes %i are valid', (byte) => {
  const entropy = new FixedEntropy(byte)
  expect(AgreementId.safeParse(newId('agr', entropy)).success).toBe(true)
  expect(DepositId.safeParse(newId('dep', entropy)).success).toBe(true)
  expect(RequestId.safeParse(newId('req', entropy)).success).toBe(true)
})

test.for(vectors.depositIds)('the deposit of manifest $manifest has the id $deposit', ({ manifest, deposit }) => {
  expect(depositIdOf(manifest)).toBe(deposit)
})

test.for(['2026-11-22T10:00:00.000Z', '2024-02-29T23:59:59.999Z', '0000-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'])(
  '%s is a moment',
  (text) => {
    expect(Instant.safeParse(text).success).toBe(true)
  },
)

test.for([
  '2025-02-29T00:00:00.000Z',
  '2026-04-31T00:00:00.000Z',
  '2026-13-01T00:00:00.000Z',
  '2026-01-01T24:00:00.000Z',
  '2026-01-01T00:60:00.000Z',
  '2026-01-01T00:00:00Z',
  '2026-01-01',
  '+002026-01-01T00:00:00.000Z',
  '',
  ' 2026-11-22T10:00:00.000Z',
])('"%s" is no moment', (text) => {
  expect(Instant.safeParse(text).success).toBe(false)
})

test.for([
  'refs/heads/main',
  'refs/heads/a/b',
  'refs/x',
  'refs/heads/naïve',
  'refs/heads/-x',
  'refs/heads/@',
  'refs/heads/a.lockb',
  'refs/heads/\u0085',
])('%s is a ref name', (name) => {
  expect(isRefName(name)).toBe(true)
})

test.for([
  '',
  'main',
  'HEAD',
  'refs/',
  'refs',
  'refs//a',
  'refs/a/',
  'refs/.a',
  'refs/a.lock',
  'refs/a.lock/b',
  'refs/a..b',
  'refs/a.',
  'refs/a b',
  'refs/a~',
  'refs/a^',
  'refs/a:b',
  'refs/a?',
  'refs/a*',
  'refs/a[',
  'refs/a\\b',
  'refs/a@{',
  'refs/a\n',
  'refs/a\u0000',
  'refs/a\u007f',
  'refs/\ud800',
])('%j is no ref name', (name) => {
  expect(isRefName(name)).toBe(false)
})

test.for(['a', 'two\nlines', 'Größe, цена, 価格, 😀', 'x'.repeat(20_000)])('plain words pass', (text) => {
  expect(Words.safeParse(text).success).toBe(true)
})

test.for(['', '\u001b[31m', '\u0000', 'a\rb', 'a\tb', '\u0085', '\u202e', '\u2066', '\u200f', '\ud800', 'x'.repeat(20_001)])(
  'words %j do not pass',
  (text) => {
    expect(Words.safeParse(text).success).toBe(false)
  },
)
