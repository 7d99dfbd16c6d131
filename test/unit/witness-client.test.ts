// What a hostile witness may answer, seen from the log: it is bounded, it leads nowhere else, and it is never taken for more than it shows.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { noteBytesMax, witnessAnswerBytesMax, witnessTimeoutMs } from '../../src/core/limits.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import { signCheckpoint } from '../../src/format/checkpoint.js'
import { noteKey, signatureType } from '../../src/format/note.js'
import { askWitness, recallCheckpoint, type WitnessAddress } from '../../src/log/witness-client.js'

const origin = 'log.example.ch/escrow'
const checkpoint = signCheckpoint({ origin, size: 1, root: new Uint8Array(32) }, signingKeyFromSeed(new Uint8Array(32).fill(1)))
const { publicKey } = signingKeyFromSeed(new Uint8Array(32).fill(11))
const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })

let server: Server | null = null
afterEach(async () => {
  vi.restoreAllMocks()
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
})

async function witness(answer: RequestListener): Promise<WitnessAddress> {
  const listening = (server = createServer(answer))
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  return { key: noteKey('witness.example', signatureType.cosignature, publicKey), url }
}
const ask = (address: WitnessAddress) => askWitness(address, { oldSize: 0, proof: [], checkpoint }, 'text\n')

test('a witness that points elsewhere is not followed: the service would knock at doors inside its network', async () => {
  const asked: (string | undefined)[] = []
  const address = await witness((request, response) => {
    asked.push(request.url)
    response.writeHead(307, { location: '/inside' }).end()
  })
  await expect(ask(address)).rejects.toThrow(refused('WITNESS_UNREACHABLE'))
  await expect(recallCheckpoint(address, origin)).rejects.toThrow(refused('WITNESS_UNREACHABLE'))
  expect(asked).toEqual(['/add-checkpoint', expect.stringMatching(/^\/[0-9a-f]{64}\/checkpoint$/)])
})

test.for(['', '5', '-1\n', '01\n', '5\n\n', '9999999999999999999\n', '9007199254740993\n', '1e3\n', 'five\n'])(
  'an answer that it knows %j leaves is a refusal',
  async (body) => {
    const address = await witness((_request, response) => response.writeHead(409).end(body))
    await expect(ask(address)).rejects.toThrow(refused('WITNESS_REFUSED'))
  },
)

test('a witness that accepts and says nothing is given up after its time', async () => {
  const soon = AbortSignal.timeout(20)
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(soon)
  const address = await witness(() => undefined)
  await expect(ask(address)).rejects.toThrow(refused('WITNESS_UNREACHABLE'))
  await expect(askWitness(address, { oldSize: 0, proof: [], checkpoint }, 'text\n', new AbortController().signal)).rejects.toThrow(
    refused('WITNESS_UNREACHABLE'),
  )
  expect(timeout.mock.calls).toEqual([[witnessTimeoutMs], [witnessTimeoutMs]])
})

test('what it remembers is at most as long as a checkpoint, and nothing where it has never seen the log', async () => {
  let body = Buffer.alloc(witnessAnswerBytesMax, 'x')
  let status = 200
  const address = await witness((_request, response) => response.writeHead(status).end(body))
  expect(await recallCheckpoint(address, origin)).toHaveLength(noteBytesMax)
  body = Buffer.alloc(witnessAnswerBytesMax + 1, 'x')
  await expect(recallCheckpoint(address, origin)).rejects.toThrow(refused('WITNESS_REFUSED'))
  status = 404
  body = Buffer.from('not seen')
  expect(await recallCheckpoint(address, origin)).toBeNull()
})
