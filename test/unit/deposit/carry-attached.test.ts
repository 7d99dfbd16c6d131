import { expect, test } from 'vitest'
import { attachedFiles, type DepositBefore, type SealedAttachment } from '../../../src/deposit/carry-attached.js'
import type { InventoryAttachment } from '../../../src/format/attachment.js'
import type { Inventory, Manifest } from '../../../src/format/manifest.js'

const digest = (letter: string): string => letter.repeat(64)
const vault = { recipient: 'age1vault', epoch: 1 }
const file = (name: string, letter: string): SealedAttachment => ({
  entry: { kind: 'sbom', name, sealed: digest(letter), sha256: digest('0'), sizeBytes: 3 },
  sealed: { sha256: digest(letter), sizeBytes: 203 },
})

function deposit(
  files: readonly SealedAttachment[],
  more: { readonly inventory?: null; readonly listed?: readonly InventoryAttachment[] } = {},
): DepositBefore {
  const manifest = { envelope: vault, attachments: files.map(({ sealed }) => ({ key: '', ...sealed })) } as unknown as Manifest
  const attachments = [...files.map(({ entry }) => entry), ...(more.listed ?? [])]
  const inventory = more.inventory === null ? null : ({ attachments } as unknown as Inventory)
  return { manifest, inventory }
}

test('without a deposit before, what waits is attached, by name', () => {
  expect(attachedFiles(null, vault, [file('b', 'b'), file('a', 'a')])).toEqual({ files: [file('a', 'a'), file('b', 'b')], findings: [] })
})

test('a file stays attached until another of its name comes', () => {
  const before = deposit([file('a', 'a'), file('b', 'b')])
  expect(attachedFiles(before, vault, [file('b', 'c')])).toEqual({ files: [file('a', 'a'), file('b', 'c')], findings: [] })
})

test('of two that wait under one name the later counts', () => {
  expect(attachedFiles(null, vault, [file('a', 'a'), file('a', 'b')]).files).toEqual([file('a', 'b')])
})

test('LFS objects are not carried: pointers name them', () => {
  const lfs = { kind: 'lfs' as const, sealed: digest('f'), sha256: digest('e'), sizeBytes: 1 }
  expect(attachedFiles(deposit([file('a', 'a')], { listed: [lfs] }), vault, []).files).toEqual([file('a', 'a')])
})

test.for([
  ['another epoch', { ...vault, epoch: 2 }],
  ['another recipient', { ...vault, recipient: 'age1other' }],
])('what is sealed to %s has to be attached again, and is told', ([, next]) => {
  const before = deposit([file('a', 'a'), file('b', 'b')])
  const { files, findings } = attachedFiles(before, next as typeof vault, [file('b', 'c')])
  expect(files).toEqual([file('b', 'c')])
  expect(findings).toMatchObject([{ code: 'ATTACHMENT_OUTDATED', severity: 'warning', subject: 'a' }])
})

test('names that cannot be read any more are told, if there were attachments', () => {
  expect(attachedFiles(deposit([file('a', 'a')], { inventory: null }), vault, []).findings).toHaveLength(1)
  expect(attachedFiles(deposit([], { inventory: null }), vault, []).findings).toEqual([])
})
