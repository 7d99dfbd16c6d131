import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { witnessEvidenceMax } from '../../src/core/limits.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import { addCheckpointBytesMax, formatAddCheckpoint, parseAddCheckpoint } from '../../src/format/add-checkpoint.js'
import { parseCheckpointText, signCheckpoint } from '../../src/format/checkpoint.js'
import { verifyCosignatures } from '../../src/format/cosignature.js'
import { formatNote, noteKey, parseNote, parseNoteKey, signatureType } from '../../src/format/note.js'
import { originHash, WitnessMemory } from '../../src/log/witness-memory.js'
import { serveWitness, type WitnessServer } from '../../src/log/witness-server.js'
import { Witness } from '../../src/log/witness.js'
import { ManualClock } from '../doubles/manual-clock.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'
import { watchDisk } from '../doubles/power-cut.js'
import requests from '../vectors/add-checkpoint.json' with { type: 'json' }
import published from '../vectors/checkpoint.json' with { type: 'json' }

const logKey = signingKeyFromSeed(new Uint8Array(32).fill(1))
const signer = signingKeyFromSeed(new Uint8Array(32).fill(2))
const origin = 'log.example/1'
const watched = { origin, key: noteKey(origin, signatureType.ed25519, logKey.publicKey) }
const own = noteKey('witness.example', signatureType.cosignature, signer.publicKey)
const tree = new NaiveMerkle(Array.from({ length: 20 }, (_, at) => Buffer.of(at)))
const other = new NaiveMerkle(Array.from({ length: 20 }, (_, at) => Buffer.of(at, at)))

let folder: string
const clock = new ManualClock()
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escrow-witness-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** The witness as a new process makes it. */
const open = async () => new Witness(await WitnessMemory.open(folder), [watched], { name: 'witness.example', signer }, clock)

function request(
  oldSize: number,
  size: number,
  change: { proof?: Uint8Array[]; of?: NaiveMerkle; key?: typeof logKey; origin?: string } = {},
): Uint8Array {
  const { proof = oldSize === 0 ? [] : tree.consistency(oldSize, size), of = tree, key = logKey, origin: name = origin } = change
  const checkpoint = signCheckpoint({ origin: name, size, root: of.root(0, size) }, key)
  return formatAddCheckpoint({ oldSize, proof, checkpoint })
}

test('it cosigns a growing log, and its cosignature verifies', async () => {
  const witness = await open()
  for (const [before, size] of [
    [0, 3],
    [3, 8],
    [8, 8],
    [8, 20],
  ] as const) {
    const { status, body } = await witness.addCheckpoint(request(before, size))
    expect([status, body.split('\n').length]).toEqual([200, 2])
    const { text } = parseNote(parseAddCheckpoint(request(before, size)).checkpoint)
    const note = parseNote(Buffer.from(`${text}\n${body}`))
    expect(verifyCosignatures(note, [own])).toEqual([{ witness: 'witness.example', timestamp: clock.now().getTime() / 1000 }])
  }
})

test('it accepts the published log of the reference witness, and its consistency proof', async () => {
  const [five, eight] = published.signed
  const log = { origin: 'monkeys', key: parseNoteKey(five!.key) }
  const witness = new Witness(await WitnessMemory.open(folder), [log], { name: 'w', signer }, clock)
  const proof = published.consistency.proof.map((hash) => Buffer.from(hash, 'hex'))
  const ask = (oldSize: number, hashes: Uint8Array[], note: string) =>
    witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof: hashes, checkpoint: Buffer.from(note) }))
  expect((await ask(0, [], five!.note)).status).toBe(200)
  expect((await ask(5, proof.slice(1), eight!.note)).status).toBe(422)
  expect((await ask(5, proof, eight!.note)).status).toBe(200)
  expect(await ask(5, proof, eight!.note)).toMatchObject({ status: 409, body: '8\n', contentType: 'text/x.tlog.size' })
})

test.for(requests.requests)(
  'it answers a published request of $origin as the reference witness does',
  async ({ origin: name, publicKey, body }) => {
    const key = noteKey(name, signatureType.ed25519, Buffer.from(publicKey, 'hex').toString('base64'))
    const witness = new Witness(await WitnessMemory.open(folder), [{ origin: name, key }], { name: 'witness.example', signer }, clock)
    expect((await witness.addCheckpoint(Buffer.from(body.replace('\n1\n', '\n2\n')))).status).toBe(403)
    const { status, body: line } = await witness.addCheckpoint(Buffer.from(body))
    expect(status).toBe(200)
    const { text } = parseNote(parseAddCheckpoint(Buffer.from(body)).checkpoint)
    expect(verifyCosignatures(parseNote(Buffer.from(`${text}\n${line}`)), [own])).toHaveLength(1)
    expect(await witness.addCheckpoint(Buffer.from(body))).toMatchObject({ status: 409, body: '1\n' })
  },
)

test.for([
  ['an unknown log', 404, () => request(0, 3, { origin: 'log.example/2' })],
  ['a checkpoint signed by another key', 403, () => request(0, 3, { key: signer })],
  ['an old size above the new one', 400, () => request(5, 3, { proof: [] })],
  ['an old size that it does not know', 409, () => request(4, 8)],
  ['an old size of 0 when it knows more', 409, () => request(0, 8)],
  ['a proof where none is due', 422, () => request(3, 3, { proof: [tree.root(0, 1)] })],
  ['no proof', 422, () => request(3, 8, { proof: [] })],
  ['a proof for another tree', 422, () => request(3, 8, { of: other })],
  ['another tree of the same size', 422, () => request(3, 3, { of: other, proof: [] })],
  ['nothing', 400, () => new Uint8Array(0)],
  ['noise', 400, () => Buffer.from('old 0\n\nnoise')],
  ['a request without old size', 400, () => request(3, 8).subarray(6)],
  ['an old size with a leading zero', 400, () => Buffer.from(request(3, 8).toString().replace('old 3', 'old 03'))],
  ['too many hashes', 400, () => request(3, 8, { proof: Array.from({ length: 64 }, () => tree.root(0, 1)) })],
  ['too many bytes', 400, () => new Uint8Array(addCheckpointBytesMax + 1)],
] as const)('it refuses %s with %i, and forgets nothing', async ([, status, body]) => {
  const witness = await open()
  await witness.addCheckpoint(request(0, 3))
  expect((await witness.addCheckpoint(Uint8Array.from(body()))).status).toBe(status)
  expect((await witness.addCheckpoint(request(3, 8))).status).toBe(200)
})

test('the first checkpoint needs an empty proof, and the empty tree its own root', async () => {
  const witness = await open()
  expect((await witness.addCheckpoint(request(0, 3, { proof: [tree.root(0, 1)] }))).status).toBe(422)
  const checkpoint = signCheckpoint({ origin, size: 0, root: tree.root(0, 1) }, logKey)
  expect((await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint }))).status).toBe(422)
  expect((await witness.addCheckpoint(request(0, 0))).status).toBe(200)
})

test('a fork of one size is kept as evidence: two notes that only the log could sign', async () => {
  const witness = await open()
  await witness.addCheckpoint(request(0, 3))
  for (let times = 0; times < 3; times += 1) await witness.addCheckpoint(request(3, 3, { of: other, proof: [] }))
  await witness.addCheckpoint(request(3, 8, { of: other }))
  const kept = await readdir(join(folder, 'evidence'))
  const roots = await Promise.all(
    kept.map(async (name) => parseCheckpointText(parseNote(await readFile(join(folder, 'evidence', name))).text)),
  )
  expect(roots.map(({ size }) => size)).toEqual([3, 3])
  expect(new Set(roots.map(({ root }) => Buffer.from(root).toString('hex'))).size).toBe(2)
})

/** A checkpoint of three leaves, signed by the log, with the line of a stranger under it. */
function lined(of: NaiveMerkle) {
  const shown = { origin, size: 3, root: of.root(0, 3) }
  const note = parseNote(signCheckpoint(shown, logKey))
  const signatures = [...note.signatures, ...parseNote(signCheckpoint(shown, signer)).signatures]
  return { note, checkpoint: formatNote({ text: note.text, signatures }) }
}

test('what it keeps holds no line of a stranger, and no more evidence than a disk bears', async () => {
  const witness = await open()
  const [first, fork] = [lined(tree), lined(other)]
  await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: first.checkpoint }))
  const remembered = parseNote(await readFile(join(folder, `${originHash(origin)}.checkpoint`)))
  expect(remembered.signatures).toEqual([...first.note.signatures, expect.objectContaining({ name: own.name })])
  const evidence = join(folder, 'evidence')
  for (let at = 0; at < witnessEvidenceMax - 2; at += 1) await writeFile(join(evidence, `${at}.checkpoint`), '')
  await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 3, proof: [], checkpoint: fork.checkpoint }))
  const kept = (await readdir(evidence)).filter((name) => !/^\d+\.checkpoint$/.test(name))
  const notes = await Promise.all(kept.map(async (name) => parseNote(await readFile(join(evidence, name)))))
  expect(notes.find(({ text }) => text === fork.note.text)?.signatures).toEqual(fork.note.signatures)
  await witness.addCheckpoint(request(3, 3, { of: new NaiveMerkle([0, 1, 2].map((at) => Buffer.of(at, at, at))), proof: [] }))
  expect(await readdir(evidence)).toHaveLength(witnessEvidenceMax)
})

test('what it cosigned, and the evidence of a fork, outlast a power cut as soon as it has answered', async () => {
  const disk = await watchDisk(folder)
  try {
    const witness = await open()
    for (const [before, size] of [
      [0, 3],
      [3, 12],
    ] as const) {
      expect((await witness.addCheckpoint(request(before, size))).status).toBe(200)
      expect(disk.lostByPowerCut(join(folder, `${originHash(origin)}.checkpoint`))).toBeNull()
    }
    await witness.addCheckpoint(request(12, 12, { of: other, proof: [] }))
    for (const name of await readdir(join(folder, 'evidence'))) expect(disk.lostByPowerCut(join(folder, 'evidence', name))).toBeNull()
  } finally {
    disk.stop()
  }
})

test('a witness that starts again remembers, and a clock that went back does not make it forget', async () => {
  await (await open()).addCheckpoint(request(0, 8))
  clock.advance(-1_000_000_000)
  const again = await open()
  expect(await again.inspect()).toEqual([{ origin, size: 8 }])
  expect((await again.addCheckpoint(request(0, 3))).status).toBe(409)
})

test.for(['truncated', 'of another log', 'signed by another key', 'emptied', 'endless'])(
  'a memory that is %s stops the witness',
  async (how) => {
    await (await open()).addCheckpoint(request(0, 8))
    const file = join(folder, `${originHash(origin)}.checkpoint`)
    if (how === 'truncated') await truncate(file, 80)
    if (how === 'of another log') await writeFile(file, signCheckpoint({ origin: 'x', size: 1, root: tree.root(0, 1) }, logKey))
    if (how === 'signed by another key') await writeFile(file, signCheckpoint({ origin, size: 1, root: tree.root(0, 1) }, signer))
    if (how === 'emptied') await writeFile(file, '')
    if (how === 'endless') await writeFile(file, 'x'.repeat(1 << 20))
    const witness = await open()
    await expect(witness.inspect()).rejects.toThrow(expect.objectContaining({ name: 'EscrowError' }))
    await expect(witness.addCheckpoint(request(0, 8))).rejects.toThrow(expect.objectContaining({ name: 'EscrowError' }))
  },
)

test('of many requests at once exactly one moves it from each size', async () => {
  const witness = await open()
  await witness.addCheckpoint(request(0, 3))
  const answers = await Promise.all([4, 5, 6, 7, 8].map((size) => witness.addCheckpoint(request(3, size))))
  expect(answers.map(({ status }) => status)).toEqual([200, 409, 409, 409, 409])
})

let server: WitnessServer | null = null
afterEach(async () => {
  await server?.close()
  server = null
})

test('over HTTP it shows what it cosigned, and nothing else', async () => {
  server = await serveWitness(await open(), { host: '127.0.0.1', port: 0 }, () => undefined)
  const url = `${server.url}/${originHash(origin)}/checkpoint`
  expect((await fetch(url)).status).toBe(404)
  expect((await fetch(`${server.url}/add-checkpoint`, { method: 'POST', body: Buffer.from(request(0, 3)) })).status).toBe(200)
  const shown = await (await fetch(url)).text()
  expect(verifyCosignatures(parseNote(Buffer.from(shown)), [own])).toHaveLength(1)
  for (const [path, method, status] of [
    ['/', 'GET', 404],
    ['/add-checkpoint', 'GET', 405],
    [`/${originHash('x')}/checkpoint`, 'GET', 404],
    [`/${originHash(origin)}/checkpoint`, 'DELETE', 405],
    ['/../../etc/passwd', 'GET', 404],
  ] as const) {
    expect((await fetch(`${server.url}${path}`, { method })).status).toBe(status)
  }
  const long = await fetch(`${server.url}/add-checkpoint`, { method: 'POST', body: new Uint8Array(addCheckpointBytesMax + 1) }).catch(
    () => null,
  )
  expect(long === null || long.status === 413).toBe(true)
})

test('who runs the witness is told of a fork, and of nothing that is none', async () => {
  const said: string[] = []
  server = await serveWitness(await open(), { host: '127.0.0.1', port: 0 }, (line) => said.push(line))
  const noProof = [tree.root(0, 1)]
  for (const body of [
    request(0, 3),
    request(3, 3, { of: other, proof: [] }),
    request(3, 3, { proof: noProof }),
    request(3, 8, { of: other }),
  ]) {
    await fetch(`${server.url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body) })
  }
  const alarm = `add-checkpoint 422: FORK: ${origin} has signed two trees of 3 leaves. Both are kept in evidence/; tell every party`
  expect(said).toEqual(['add-checkpoint 200', alarm, 'add-checkpoint 422', 'add-checkpoint 422'])
  expect(await readdir(join(folder, 'evidence'))).toHaveLength(2)
})

test('a fault of its own disk is 500, without the reason', async () => {
  const said: string[] = []
  server = await serveWitness(await open(), { host: '127.0.0.1', port: 0 }, (line) => said.push(line))
  await writeFile(join(folder, `${originHash(origin)}.checkpoint`), '')
  const answer = await fetch(`${server.url}/add-checkpoint`, { method: 'POST', body: Buffer.from(request(0, 3)) })
  expect([answer.status, await answer.text()]).toEqual([500, 'the witness cannot answer now\n'])
  expect(said.join()).toContain('CHECKPOINT_INVALID')
})
