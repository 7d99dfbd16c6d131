// What a dishonest dealer, a card with a trap and a file without an end come to in the commands of those who receive them.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Vault } from '../../src/format/agreement.js'
import { databasesInMemory } from '../doubles/interpose.js'
import { escrow, type Ended } from '../doubles/escrow-command.js'

const custodians = ['notary', 'university', 'chamber', 'auditor']
let folder: string
const undo: (() => unknown)[] = []
const at = (...parts: readonly string[]) => join(folder, ...parts)
const party = (name: string) => at('parties', name)
const run = (...argv: readonly string[]) => escrow(['--home', at('service'), ...argv])

async function must(...argv: readonly string[]): Promise<void> {
  const ended = await run(...argv)
  if (ended.exitCode !== 0) throw new Error(`escrow ${argv.join(' ')}: ${ended.text}`)
}

const agreeOn = (vault: string, out: string, draftPath = at('draft.yaml')) => {
  const cards = [at('service', 'keys'), ...['vendor', 'partner', ...custodians].map(party)].flatMap((card) => ['--party', card])
  const draft = ['--draft', draftPath, '--service', at('service', 'service.json')]
  return ['agreement', 'create', ...draft, '--vault', vault, ...cards, '--out', out]
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-parties-'))
  undo.push(databasesInMemory(), () => rmSync(folder, { recursive: true, force: true }))
  await must('init', '--origin', 'test.example/1')
  const roles = [['vendor', 'depositor'], ['partner', 'beneficiary'], ...custodians.map((name) => [name, 'custodian'])]
  for (const [name = '', role = ''] of roles) await must('keygen', party(name), '--party', name, '--role', role, '--country', 'CH')
  await must('vault', 'deal', at('vault'), '--threshold', '2', ...custodians.flatMap((name) => ['--custodian', party(name)]))
  const jurisdiction =
    'jurisdiction: {storeCountries: [CH], storeControlExcluded: [], custodianCountriesMin: 1, custodianOrganisationsMin: 3, approverCountries: [CH]}'
  const sources = 'sources: [{source: product, url: "https://git.example/product.git"}]'
  writeFileSync(
    at('draft.yaml'),
    ['title: A test', `endsAt: '2099-01-01T00:00:00.000Z'`, 'retentionDays: 30', sources, jurisdiction, ''].join('\n'),
  )
  await must(...agreeOn(at('vault', 'vault.json'), at('agreement')))
  // Longer than any header may be, and it would go on.
  writeFileSync(at('endless.age'), `age-encryption.org/v1\n${`-> X25519 ${'A'.repeat(43)}\n${'A'.repeat(43)}\n`.repeat(20_000)}`)
})
afterAll(async () => {
  for (const step of undo.toReversed()) await step()
})

function expectRefused(ended: Ended, code: RegExp): void {
  expect(ended.text).toMatch(code)
  expect(ended.text).not.toMatch(/^ +at .+:\d+:\d+/m)
  expect([2, 3, 6], ended.text).toContain(ended.exitCode)
  expect(existsSync(at('none')), 'something was made').toBe(false)
}

const changes: Readonly<Record<string, (vault: Vault) => Vault>> = {
  'a commitment too many, so that another number of shares would suffice': (vault) =>
    withCommitments(vault, (all) => [...all, ...all.slice(0, 1)]),
  'a commitment too few': (vault) => withCommitments(vault, (all) => all.slice(1)),
  'commitments of another vault than its recipient': (vault) => withCommitments(vault, (all) => all.toReversed()),
  'a threshold that was changed afterwards': (vault) => ({ ...vault, threshold: 3 }),
  'a recipient that makes age run a program': (vault) =>
    withRecipient(vault, 'age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t'),
}
const withCommitments = (vault: Vault, change: (all: readonly string[]) => readonly string[]): Vault => ({
  ...vault,
  epochs: vault.epochs.map((epoch, place) => (place === 0 ? { ...epoch, commitments: [...change(epoch.commitments)] } : epoch)),
})
const withRecipient = (vault: Vault, recipient: string): Vault => ({
  ...vault,
  epochs: vault.epochs.map((epoch) => ({ ...epoch, recipient })),
})

test.for(Object.entries(changes))('a vault with %s is put into no agreement', async ([, change]) => {
  writeFileSync(at('changed.json'), JSON.stringify(change(JSON.parse(readFileSync(at('vault', 'vault.json'), 'utf8')) as Vault)))
  const ended = await run(...agreeOn(at('changed.json'), at('none')))
  expectRefused(ended, /\[(?:VAULT_INVALID|AGREEMENT_INVALID|FORMAT_INVALID)\]/)
})

test('nothing is dealt to a card whose recipient makes age run a program', async () => {
  const card = JSON.parse(readFileSync(join(party('notary'), 'party.json'), 'utf8')) as object
  writeFileSync(
    at('trap.json'),
    JSON.stringify({ ...card, recipient: 'age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t' }),
  )
  const others = custodians.slice(1).flatMap((name) => ['--custodian', party(name)])
  expectRefused(await run('vault', 'deal', at('none'), '--threshold', '2', '--custodian', at('trap.json'), ...others), /\[FORMAT_INVALID\]/)
})

test('an age header without an end is given up: as a share, and as an annex', async () => {
  const agreement = at('agreement', 'agreement.json')
  for (const signer of ['vendor', 'partner']) await must('agreement', 'sign', agreement, '--as', party(signer))
  const register = (annex: string) => run('agreement', 'register', agreement, '--annex', annex)
  expectRefused(await register(at('endless.age')), /\[(?:ENVELOPE_HEADER|FORMAT_INVALID)\]/)
  expect((await run('agreement', 'show')).out).toBe('no agreement is registered here')
  await must('agreement', 'register', agreement, '--annex', at('agreement', 'annex.age'))
  const accept = ['vault', 'accept', '--as', party('notary'), '--agreement', agreement, '--share', at('endless.age'), '--out', at('none')]
  expectRefused(await run(...accept), /\[(?:ENVELOPE_HEADER|FORMAT_INVALID)\]/)
  const shareOf = (name: string) => at('vault', 'shares', `${name}-epoch-1.age`)
  const strange = accept.map((word) => (word === at('endless.age') ? shareOf(custodians.find((name) => name !== 'notary') ?? '') : word))
  expectRefused(await run(...strange), /-epoch-1\.age: expected .*\[ENVELOPE_RECIPIENT\]/)
})

test.for([
  'https://ci:hunter2@git.example/product.git',
  'https://git.example/product.git?token=hunter2',
  'ext::sh -c hunter2',
  '--upload-pack=hunter2',
])('a draft with %s is refused before anything is sealed, and not quoted', async (url) => {
  const draft = readFileSync(at('draft.yaml'), 'utf8').replace('https://git.example/product.git', url)
  writeFileSync(at('secret.yaml'), draft)
  const ended = await run(...agreeOn(at('vault', 'vault.json'), at('none'), at('secret.yaml')))
  expectRefused(ended, /the URL of product: expected.*AGREEMENT_INVALID/)
  expect(ended.text).not.toContain('hunter2')
})
