import { expect, test } from 'vitest'
import { ERROR_ADVICE, EscrowError, type ErrorCode } from '../../../src/core/errors.js'
import { bugCode, Problem, PROBLEM_STATUS, problemOf } from '../../../src/http/problem.js'

const codes = Object.keys(ERROR_ADVICE) as ErrorCode[]

test('every code has a status of a refusal or a fault, and no status stands for a code that is not there', () => {
  expect(Object.keys(PROBLEM_STATUS).sort()).toEqual([...codes].sort())
  for (const code of codes) expect(PROBLEM_STATUS[code], code).toBeGreaterThanOrEqual(400)
  for (const code of codes) expect(PROBLEM_STATUS[code], code).toBeLessThan(600)
})

test.for(codes)('%s travels with its advice; the words of a fault of ours do not', (code) => {
  const problem = problemOf(new EscrowError(code, 'expected /srv/secret at 10.0.0.7', { details: { machine: '10.0.0.7' } }), 'abc')
  expect(Problem.parse(problem)).toEqual(problem)
  expect(problem).toMatchObject({ code, status: PROBLEM_STATUS[code], title: ERROR_ADVICE[code], instance: 'urn:request:abc' })
  expect(JSON.stringify(problem).includes('10.0.0.7')).toBe(problem.status < 500)
})

test.for([
  new Error('at /srv/x.ts:1'),
  new TypeError('cannot read'),
  'words',
  undefined,
  null,
  { status: 500, message: 'x.ts' },
  { status: 'x' },
])('whatever else is thrown says nothing but that it happened: %s', (thrown) => {
  const problem = problemOf(thrown, 'abc')
  expect(problem).toMatchObject({ status: 500, code: bugCode, detail: 'a fault of the service' })
  expect(JSON.stringify(problem)).not.toMatch(/x\.ts|cannot|words/)
})

test('what the framework refuses keeps its status, not its words', () => {
  const problem = problemOf({ status: 400, message: "Failed to decode param '%zz<script>'" }, 'abc')
  expect(problem).toMatchObject({ status: 400, code: 'ARGUMENT_INVALID', detail: 'the request is malformed' })
})
