import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandContext } from '../../src/cli/command.js'
import { runWitness, type WitnessOptions } from '../../src/cli/witness/witness.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import { formatNoteKey, noteKey, parseNoteKey, signatureType } from '../../src/format/note.js'
import { ManualClock } from '../doubles/manual-clock.js'

const signer = signingKeyFromSeed(new Uint8Array(32).fill(2))
const log = formatNoteKey(noteKey('log.example', signatureType.ed25519, signingKeyFromSeed(new Uint8Array(32).fill(1)).publicKey))
let folder: string
let options: WitnessOptions
const stop = { controller: new AbortController() }
const said: string[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escrow-witness-'))
  said.length = 0
  stop.controller = new AbortController()
  options = { folder, name: 'witness.example', signer, logs: [log], host: '127.0.0.1', port: 0, clock: new ManualClock() }
})
afterEach(() => rm(folder, { recursive: true }))

const context = () => {
  const terminal = {
    out: (line: string) => said.push(line),
    err: (line: string) => said.push(line),
    redraw: () => undefined,
    interactive: false,
  }
  return commandContext({ terminal, json: false, home: folder, signal: stop.controller.signal, run: async () => 0 })
}

test('it listens until it is stopped, and says its verifier key', async () => {
  let answer = 0
  const ready = (url: string) => {
    void fetch(url).then(({ status }) => {
      answer = status
      stop.controller.abort()
    })
  }
  const { lines } = await runWitness(context(), options, ready)
  expect(answer).toBe(404)
  expect(parseNoteKey(lines[0]!)).toMatchObject({ name: 'witness.example', type: signatureType.cosignature })
  expect(said).toContain('watches log.example from 0 leaves')
})

test('two witnesses cannot share a memory', async () => {
  await new Promise<void>((resolve, reject) => {
    const first = runWitness(context(), options, () => {
      const second = runWitness(context(), options)
      second.then(
        () => reject(new Error('a second witness ran')),
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'HOME_LOCKED' })
          stop.controller.abort()
        },
      )
    })
    first.then(() => resolve(), reject)
  })
})

test.for([
  ['no log', [], 'ARGUMENT_INVALID'],
  ['a log twice', [log, log], 'ARGUMENT_INVALID'],
  ['a witness key for a log', [formatNoteKey(noteKey('log.example', signatureType.cosignature, signer.publicKey))], 'KEY_INVALID'],
  ['nonsense', ['nonsense'], 'KEY_INVALID'],
] as const)('it does not start with %s', async ([, logs, code]) => {
  await expect(runWitness(context(), { ...options, logs })).rejects.toThrow(expect.objectContaining({ code }))
})
