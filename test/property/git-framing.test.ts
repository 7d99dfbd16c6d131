import { array, assert, asyncProperty, constantFrom, integer, property, string, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { PacketReader } from '../../src/git/pkt-line.js'
import { compareRefNames, refNameProblem } from '../../src/git/ref-name.js'
import { cleanWords } from '../../src/git/remote-words.js'
import { collect, inChunks } from '../doubles/git-fixture.js'

const band = (bytes: Uint8Array) => Buffer.concat([Buffer.from((bytes.length + 5).toString(16).padStart(4, '0')), Buffer.from([1]), bytes])

test('a pack is the same bytes however the network cuts it and however the server frames it', async () => {
  const frames = array(uint8Array({ maxLength: 300 }), { maxLength: 20 })
  await assert(
    asyncProperty(frames, integer({ min: 1, max: 400 }), async (payloads, chunkBytes) => {
      const wire = Buffer.concat([...payloads.map(band), Buffer.from('0000')])
      async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
        for await (const piece of new PacketReader(inChunks(wire, chunkBytes)).bands()) yield piece.bytes
      }
      expect(await collect(bytes())).toEqual(Buffer.concat(payloads))
    }),
  )
})

test('what has arrived is read without waiting, and is the same packets however the network cuts them', async () => {
  const line = (bytes: Uint8Array) => Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
  const lines = array(uint8Array({ maxLength: 60 }), { maxLength: 20 })
  await assert(
    asyncProperty(lines, integer({ min: 1, max: 200 }), async (payloads, chunkBytes) => {
      const wire = Buffer.concat([...payloads.map(line), Buffer.from('00010002')])
      const reader = new PacketReader(inChunks(wire, chunkBytes))
      const found: string[] = []
      for (let waited = true; waited;) {
        const packet = reader.arrived() ?? (await reader.next())
        found.push(packet.kind === 'line' ? Buffer.from(packet.payload).toString('hex') : packet.kind)
        waited = packet.kind !== 'end'
      }
      expect(found).toEqual([...payloads.map((bytes) => Buffer.from(bytes).toString('hex')), 'delim', 'responseEnd', 'end'])
    }),
  )
})

test('refs that are read as they arrive end in a bad length as they do when one waits for them', async () => {
  for (const wire of ['0003', '000g', 'fff5', '0006a']) {
    const reader = new PacketReader(inChunks(Buffer.from(`0005a${wire}`), 100))
    expect((await reader.next()).kind).toBe('line')
    const read = async () => reader.arrived() ?? (await reader.next())
    await expect(read()).rejects.toMatchObject({ code: wire === '0006a' ? 'REMOTE_BROKEN' : 'REMOTE_PROTOCOL' })
  }
})

test('every cut of a stream is noticed', async () => {
  const wire = Buffer.concat([band(Buffer.from('some bytes')), band(Buffer.from('of a pack')), Buffer.from('0000')])
  for (let end = 0; end < wire.length; end += 1) {
    const drain = async () => {
      for await (const piece of new PacketReader(inChunks(wire.subarray(0, end), 3)).bands()) expect(piece.band).toBe(1)
    }
    await expect(drain()).rejects.toMatchObject({ code: 'REMOTE_BROKEN' })
  }
})

test('names are ordered as their bytes are', () => {
  const name = string({ unit: 'grapheme', maxLength: 8 })
  assert(
    property(name, name, (left, right) => {
      expect(Math.sign(compareRefNames(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
    }),
  )
})

test('a name that passes has no character that could leave its line, its folder or its argument', () => {
  assert(
    property(
      string({ unit: constantFrom('a', '/', '.', '@', '{', '-', '~', ' ', '\n', '\0', 'é', '.lock', '..'), maxLength: 12 }),
      (tail) => {
        const name = `refs/${tail}`
        if (refNameProblem(name) !== null) return
        expect(name).not.toMatch(/[\0-\x20~^:?*[\\\x7f]|\.\.|@\{|\/\/|\/$|\/\.|\.$|\.lock(?:\/|$)/)
      },
    ),
  )
})

test('cleaned words are printable, whatever they were', () => {
  assert(
    property(string({ unit: 'binary', maxLength: 200 }), (text) => {
      expect(cleanWords(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }),
  )
})
