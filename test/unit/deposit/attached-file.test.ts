import { expect, test } from 'vitest'
import { requireNames } from '../../../src/deposit/attached-file.js'

const refusal = (words: RegExp) =>
  expect.objectContaining({ code: 'ARGUMENT_INVALID', message: expect.stringMatching(words) as string }) as Error

test('a file may have any name of its own, as long as it is attached under one that every system can keep', () => {
  const wish = { kind: 'documentation', fileName: 'manual #3.pdf' } as const
  expect(() => requireNames({ ...wish, name: 'manual.pdf' })).not.toThrow()
  expect(() => requireNames({ ...wish, name: wish.fileName })).toThrow(refusal(/"manual #3\.pdf": attach it under another name$/))
})

test('the own name of build secrets is sealed with them, and opened on a machine of somebody else', () => {
  const wish = { kind: 'build-secrets', name: 'signing' } as const
  expect(() => requireNames({ ...wish, fileName: 'key.pem' })).not.toThrow()
  for (const fileName of ['key?.pem', '../key.pem', 'con']) {
    expect(() => requireNames({ ...wish, fileName })).toThrow(refusal(/: rename the file$/))
  }
})
