import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import { Agreement } from '../../../src/format/agreement.js'
import { checkAgreement } from '../../../src/format/check-agreement.js'
import { EventRecord } from '../../../src/format/event.js'
import { Manifest } from '../../../src/format/manifest.js'
import { Receipt } from '../../../src/format/receipt.js'
import { digestOf } from '../../../src/format/signed-document.js'
import { Statement, type StatementType } from '../../../src/format/statement.js'
import { maySign } from '../../../src/format/check-statement.js'

const read = (name: string) => readFileSync(new URL(`../../../docs/formats/${name}.md`, import.meta.url), 'utf8')
const example = (text: string): unknown => JSON.parse(/```json\n([^]*?)```/.exec(text)?.[1] ?? '')

test.for<[string, z.ZodType]>([
  ['agreement', Agreement],
  ['event', EventRecord],
  ['manifest', Manifest],
  ['receipt', Receipt],
  ['statement', Statement],
])('the example in %s.md is of its type, and the digest beside it is its own', ([name, schema]) => {
  const text = read(name)
  const body = schema.parse(example(text))
  const [, digest] = /Digest of this body: `([0-9a-f]{64})`/.exec(text) ?? []
  if (digest !== undefined) expect(digestOf(body)).toBe(digest)
})

test('the agreement in agreement.md keeps its own rules', () => {
  expect(() => checkAgreement(Agreement.parse(example(read('agreement'))))).not.toThrow()
})

test('statement.md says for every type who may sign it, as the code does', () => {
  const roles = ['depositor', 'beneficiary', 'custodian', 'agent', 'supervisor', 'arbiter', 'approver'] as const
  const groups: Readonly<Record<string, readonly string[]>> = {
    'every party': roles,
    'who may request': ['beneficiary', 'supervisor', 'depositor', 'agent'],
    'all but agent and arbiter': roles.filter((role) => role !== 'agent' && role !== 'arbiter'),
  }
  const rows = [...read('statement').matchAll(/^\| `([a-z-]+)` \| ([^|]+) \|/gm)].map(
    ([, name = '', who = '']) => [name, groups[who] ?? who.split(', ')] as const,
  )
  expect(rows.map(([name]) => `escrow/statement/${name}/v1`).toSorted()).toEqual(
    Statement.options.map((option) => option.shape.type.value).toSorted(),
  )
  for (const [name, who] of rows) {
    const allowed = roles.filter((role) => maySign(role, `escrow/statement/${name}/v1` as StatementType))
    expect(allowed.toSorted(), name).toEqual([...who].toSorted())
  }
})

test('event.md names every type of event once', () => {
  const table = /\| subject \| names \|[^]*?\n\n/.exec(read('event'))?.[0] ?? ''
  const names = [...table.matchAll(/`([a-z-]+)`/g)].map(([, name]) => `escrow/event/${name}/v1`)
  expect(names.toSorted()).toEqual(EventRecord.shape.event.options.map((option) => option.shape.type.value).toSorted())
})
