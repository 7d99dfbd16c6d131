import { expect } from 'vitest'
import { ArchiveTree } from '../doubles/archive-tree.js'
import type { Ended } from '../doubles/escrow-command.js'
import type { EscrowHome } from '../doubles/escrow-home.js'

/** What a person must see of a refusal. */
export interface Refusal {
  readonly code: string
  readonly exitCode: number
  /** Of the message or the advice. */
  readonly words: RegExp
  /** How many deposits of the source were there before. */
  readonly deposits?: number
}

/** Refused with code, exit code and advice; no trace of a new deposit anywhere, and nothing on scratch. */
export function expectNothingOf(home: EscrowHome, ended: Ended, source: string, { code, exitCode, words, deposits = 0 }: Refusal): void {
  expect(ended.text).toContain(`[${code}]`)
  expect(ended.text).toMatch(words)
  expect(ended.text).not.toMatch(/^ +at .+:\d+:\d+/m)
  expect(ended.exitCode, ended.text).toBe(exitCode)
  expect(home.scratch()).toEqual([])
  for (const replica of ['a', 'b'] as const) {
    const tree = new ArchiveTree(home, replica)
    expect(tree.deposits(source)).toHaveLength(deposits)
    const stored = tree.events().filter((event) => event.type === 'escrow/event/deposit-stored/v1' && event.source === source)
    expect(stored).toHaveLength(deposits)
  }
}
