import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AgreementDraft, parseAgreementDraft } from '../../src/cli/party/agreement-draft.js'
import { parseReleasePolicy } from '../../src/release/rules/release-policy.js'
import { refusal } from '../doubles/code-of.js'

const document = readFileSync(new URL('../../docs/formats/agreement.md', import.meta.url), 'utf8')
const [, example = ''] = /## The draft[\s\S]*?```yaml\n([\s\S]*?)```/.exec(document) ?? []

test('the draft of docs/formats/agreement.md shows every key, and is one', () => {
  const draft = parseAgreementDraft(example, 'draft.yaml')
  expect(Object.keys(draft).sort()).toEqual(Object.keys(AgreementDraft.shape).sort())
  expect(draft.witnesses).toMatchObject({ quorum: 1, keys: { length: 2 } })
  expect(parseReleasePolicy(draft.release).conditions).toHaveLength(1)
})

test.for(['witnesses', 'jurisdiction', 'release', 'sources'])('the help of `agreement create --draft` names %s', (key) => {
  const help = readFileSync(new URL('../../src/cli/program-parties.ts', import.meta.url), 'utf8')
  expect(/'--draft <file>',\s*'([^']*)'/.exec(help)?.[1]).toContain(key)
})

test('an unknown key is refused by its name', () => {
  expect(refusal(() => parseAgreementDraft(`${example}witness: none\n`, 'draft.yaml'))).toBe('AGREEMENT_INVALID')
})
