import { expect, test } from 'vitest'
import { encodePacket, PacketReader } from '../../../src/git/pkt-line.js'
import { collect, inChunks } from '../../doubles/git-fixture.js'

const reader = (text: string | Uint8Array, chunkBytes = 7) => new PacketReader(inChunks(Buffer.from(text), chunkBytes))

async function texts(packets: PacketReader): Promise<string[]> {
  const seen: string[] = []
  for (;;) {
    const packet = await packets.next()
    seen.push(packet.kind === 'line' ? Buffer.from(packet.payload).toString() : packet.kind)
    if (packet.kind === 'end') return seen
  }
}

async function* payloads(packets: PacketReader, band: number): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of packets.bands()) if (piece.band === band) yield piece.bytes
}

test.for([0, 1, 65515, 65516])('a line of %i bytes is read as it was written', async (size) => {
  const line = 'x'.repeat(size)
  for (const chunkBytes of [1, 4, 5, 65520, 1e6]) expect(await texts(reader(encodePacket(line), chunkBytes))).toEqual([line, 'end'])
})

test('a line of 65,517 bytes cannot be written', () => {
  expect(() => encodePacket('x'.repeat(65_517))).toThrow(expect.objectContaining({ code: 'REMOTE_PROTOCOL' }))
})

test('flush, delimiter and response end are told apart, in both cases of hex', async () => {
  expect(await texts(reader('000000010002000Aabcdef000aabcdef'))).toEqual(['flush', 'delim', 'responseEnd', 'abcdef', 'abcdef', 'end'])
})

test('the end is the end for ever', async () => {
  const packets = reader('')
  for (let time = 0; time < 3; time += 1) expect(await packets.next()).toEqual({ kind: 'end' })
})

test.each([
  ['0003', 'REMOTE_PROTOCOL'],
  ['fff1', 'REMOTE_PROTOCOL'],
  ['ffff', 'REMOTE_PROTOCOL'],
  ['<htm', 'REMOTE_PROTOCOL'],
  ['-001', 'REMOTE_PROTOCOL'],
  ['0x10', 'REMOTE_PROTOCOL'],
  [' 005a', 'REMOTE_PROTOCOL'],
  ['00g0', 'REMOTE_PROTOCOL'],
  ['000', 'REMOTE_BROKEN'],
  ['0', 'REMOTE_BROKEN'],
  ['0009abc', 'REMOTE_BROKEN'],
  ['fff0', 'REMOTE_BROKEN'],
])('%j is %s', async (text, code) => {
  await expect(texts(reader(text))).rejects.toMatchObject({ code })
})

test.each([
  ['0006\u0001a', 'REMOTE_BROKEN', 'the stream ended before the closing flush'],
  ['0009\u0001a', 'REMOTE_BROKEN', 'the stream ended inside a packet'],
  ['00040000', 'REMOTE_PROTOCOL', 'expected a side-band packet, got 0'],
  ['0006\u0001a00010000', 'REMOTE_PROTOCOL', 'expected a side-band packet, got delim'],
])('side band %j is %s', async (text, code, message) => {
  await expect(collect(payloads(reader(text), 1))).rejects.toMatchObject({ code, message })
})

test('an empty side-band packet is passed on as nothing, closed', async () => {
  const pieces = []
  for await (const piece of reader('0005\u00010000').bands()) pieces.push([piece.band, piece.bytes.length, piece.last])
  expect(pieces).toEqual([[1, 0, true]])
})

test('pack payload is handed on without a copy', async () => {
  const block = Buffer.concat([Buffer.from('fff0\u0001'), Buffer.alloc(65_515), Buffer.from('0000')])
  for await (const piece of new PacketReader(inChunks(block, 1e6)).bands()) expect(piece.bytes.buffer).toBe(block.buffer)
})
