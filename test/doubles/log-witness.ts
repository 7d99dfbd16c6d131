import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/core/environment.js'
import { signingKeyFromSeed, type SigningKey } from '../../src/crypto/signature.js'
import { parseAddCheckpoint } from '../../src/format/add-checkpoint.js'
import { signCheckpoint } from '../../src/format/checkpoint.js'
import { cosign } from '../../src/format/cosignature.js'
import { formatSignatureLine, noteKey, parseNote, signatureType } from '../../src/format/note.js'
import { serveWitness, type WitnessServer } from '../../src/log/witness-server.js'
import { WitnessMemory } from '../../src/log/witness-memory.js'
import { Witness, type WatchedLog } from '../../src/log/witness.js'
import type { WitnessAddress } from '../../src/log/witness-client.js'
import { origin } from './log-fixture.js'

/** A witness that a test runs on its own port. */
export interface TestWitness {
  readonly name: string
  readonly signer: SigningKey
  readonly address: WitnessAddress
  readonly folder: string
  close(): Promise<void>
}

const signerOf = (seed: number) => signingKeyFromSeed(new Uint8Array(32).fill(seed))

/** The real witness program, in this process. */
export async function honestWitness(seed: number, logs: readonly WatchedLog[], clock: Clock): Promise<TestWitness> {
  const [name, signer] = [`witness-${seed}.example`, signerOf(seed)]
  const folder = await mkdtemp(join(tmpdir(), 'escrow-witness-'))
  const witness = new Witness(await WitnessMemory.open(folder), logs, { name, signer }, clock)
  const server: WitnessServer = await serveWitness(witness, { host: '127.0.0.1', port: 0 }, () => undefined)
  const address = { key: noteKey(name, signatureType.cosignature, signer.publicKey), url: server.url }
  const close = async () => {
    await server.close()
    await rm(folder, { recursive: true })
  }
  return { name, signer, address, folder, close }
}

/**
 * How a witness goes wrong:
 * - `down`: nothing listens; `slow`: accepts and never answers; `busy`: answers 503.
 * - `otherKey`: cosigns with a key that is not its own; `otherTree`: cosigns a tree with another root.
 * - `liar`: claims to know a tree of a million leaves; `forger`: shows one, too, that another key has signed.
 * - `stubborn`: answers 409 with sizes that change.
 * - `endless`: answers without end; `nonsense`: answers 200 with bytes that mean nothing.
 * - `noTime`: a cosignature that says nothing of when.
 */
export type WitnessVice =
  | 'down'
  | 'slow'
  | 'busy'
  | 'otherKey'
  | 'otherTree'
  | 'liar'
  | 'forger'
  | 'stubborn'
  | 'endless'
  | 'nonsense'
  | 'noTime'

/** A witness that is not to be relied on. */
export async function wrongWitness(seed: number, vice: WitnessVice): Promise<TestWitness> {
  const [name, signer] = [`witness-${seed}.example`, signerOf(seed)]
  const server = createServer((request, response) => void misbehave(vice, { name, signer }, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  if (vice === 'down') await stop(server)
  const address = { key: noteKey(name, signatureType.cosignature, signer.publicKey), url }
  return { name, signer, address, folder: '', close: () => stop(server) }
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

let turn = 0
const forged = signCheckpoint({ origin, size: 1_000_000, root: new Uint8Array(32) }, signerOf(201))
async function misbehave(
  vice: WitnessVice,
  { name, signer }: { readonly name: string; readonly signer: SigningKey },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const blocks: Buffer[] = []
  for await (const block of request as AsyncIterable<Buffer>) blocks.push(block)
  if (vice === 'slow') return
  if (request.method === 'GET' && vice === 'forger') return void response.end(forged)
  if (request.method === 'GET') return void response.writeHead(404).end()
  const { text } = parseNote(parseAddCheckpoint(Buffer.concat(blocks)).checkpoint)
  const line = (body: string, key: SigningKey) =>
    formatSignatureLine({ ...cosign(body, name, key, 1000), keyId: cosign(body, name, signer, 1000).keyId })
  turn += 1
  const answers: Record<WitnessVice, () => [number, string]> = {
    down: () => [500, ''],
    slow: () => [500, ''],
    busy: () => [503, 'come back later\u001b[2J\n'],
    otherKey: () => [200, `${line(text, signerOf(200))}\n`],
    otherTree: () => [200, `${line(text.replace(/^.{44}$/m, `${'A'.repeat(43)}=`), signer)}\n`],
    liar: () => [409, '1000000\n'],
    forger: () => [409, '1000000\n'],
    stubborn: () => [409, `${turn % 2}\n`],
    endless: () => [200, ''],
    nonsense: () => [200, 'OK\u0000\n\n\n— \n'],
    noTime: () => {
      const good = cosign(text, name, signer, 1000)
      return [200, `${formatSignatureLine({ ...good, signature: good.signature.slice().fill(0, 0, 8) })}\n`]
    },
  }
  const [status, body] = answers[vice]()
  response.writeHead(status)
  if (vice !== 'endless') return void response.end(body)
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}
