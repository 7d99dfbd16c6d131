import { expect, test } from 'vitest'
import { EscrowError, ERROR_ADVICE, type ErrorCode } from '../../src/core/errors.js'
import { EXIT_MEANINGS, exitCodeOf, exitCodeOfCode } from '../../src/cli/exit-code.js'
import { describeProgress, formatBytes, formatDuration, progressLine } from '../../src/cli/terminal.js'

test.for([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [8 * 1024 * 1024, '8.0 MiB'],
  [1.5 * 1024 ** 4, '1.5 TiB'],
  [5000 * 1024 ** 4, '5000.0 TiB'],
] as const)('%i bytes read as %s', ([sizeBytes, text]) => {
  expect(formatBytes(sizeBytes)).toBe(text)
})

test.for([
  [0, '0 ms'],
  [999, '999 ms'],
  [1000, '1.0 s'],
  [59_949, '59.9 s'],
  [245_000, '4:05'],
] as const)('%i milliseconds read as %s', ([durationMs, text]) => {
  expect(formatDuration(durationMs)).toBe(text)
})

test('progress says objects, bytes, rate and time left', () => {
  const line = describeProgress({ phase: 'receiving', done: 250, total: 1000, unit: 'objects', bytes: 2 * 1024 * 1024 }, 2000)
  expect(line).toBe('receiving  250 of 1,000 objects  25%  2.0 MiB at 1.0 MiB/s  6.0 s left')
  const resolving = describeProgress({ phase: 'resolving', done: 250, total: 1000, unit: 'objects' }, 2000)
  expect(resolving).toBe('resolving  250 of 1,000 objects  25%  125 objects/s  6.0 s left')
})

test('progress says nothing of a total or an end that nobody knows', () => {
  expect(describeProgress({ phase: 'sealing', done: 1024, unit: 'bytes' }, 0)).toBe('sealing  1.0 KiB')
})

test('a line joins objects and bytes of a phase that are reported by turns', () => {
  const drawn: string[] = []
  const terminal = { out: () => undefined, err: () => undefined, redraw: (text: string) => drawn.push(text), interactive: true }
  const report = progressLine(terminal)
  report({ phase: 'fetching', done: 5, total: 10, unit: 'objects' })
  report({ phase: 'fetching', done: 2048, unit: 'bytes' })
  report({ phase: 'fetching', done: 10, total: 10, unit: 'objects' })
  report({ phase: 'resolving', done: 1, total: 4, unit: 'objects' })
  expect(drawn.at(-2)).toMatch(/^fetching {2}10 of 10 objects {2}100% {2}2\.0 KiB/)
  expect(drawn.at(-1)).toBe('resolving  1 of 4 objects  25%')
})

test('nothing is drawn where nobody watches', () => {
  const drawn: string[] = []
  const terminal = { out: () => undefined, err: () => undefined, redraw: (text: string) => drawn.push(text), interactive: false }
  progressLine(terminal)({ phase: 'sealing', done: 1, total: 2, unit: 'bytes' })
  progressLine({ ...terminal, interactive: true })({ phase: 'sealing', done: 1, total: 2, unit: 'bytes' })
  expect(drawn).toEqual(['sealing  1 B of 2 B  50%'])
})

test('every error code has a documented exit code other than 0 and 1', () => {
  const codes = Object.keys(ERROR_ADVICE) as ErrorCode[]
  const unplaced = codes.filter((code) => exitCodeOfCode(code) < 2 || !(exitCodeOfCode(code) in EXIT_MEANINGS))
  expect(unplaced).toEqual(['GIT_FAILED'])
  expect(exitCodeOf(new EscrowError('LEASE_HELD', 'held'))).toBe(7)
  expect(exitCodeOf(new DOMException('stop', 'AbortError'))).toBe(130)
  expect(exitCodeOf(new TypeError('bug'))).toBe(1)
})
