import { array, assert, asyncProperty, constantFrom, integer, nat, oneof, string, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import { encodePacket, PacketReader } from '../../../src/git/pkt-line.js'
import { Words } from '../../../src/git/remote-words.js'
import { packRequest, readGreeting, readPackIn } from '../../../src/git/upload-pack.js'
import { collect, inChunks } from '../../doubles/git-fixture.js'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)
const none = '0'.repeat(40)
const old = { version: 0, capabilities: new Map([['side-band-64k', ''], ['ofs-delta', ''], ['agent', 'git/1.8']]) } as const // prettier-ignore

/** Lines become packets; '0000', '0001' stay special. */
function wireOf(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map((line) => (/^000[012]$/.test(line) ? Buffer.from(line) : encodePacket(Buffer.from(line)))))
}
const read = (bytes: Uint8Array, chunkBytes = 11) => new PacketReader(inChunks(bytes, chunkBytes))
const greeting = (...lines: readonly string[]) => readGreeting(read(wireOf(lines)))
const pack = (...lines: readonly string[]) => collect(readPackIn(old, read(wireOf(lines)), new Words()))
const text = (blocks: Iterable<Uint8Array>) => Buffer.concat([...blocks]).toString()

// The lines of gitprotocol-pack, "Reference Discovery", with a symbolic ref that JGit would name.
const advertisement = [
  `${a} HEAD\0side-band-64k ofs-delta symref=HEAD:refs/heads/main symref=refs/remotes/o/HEAD:refs/heads/main agent=git/1.8.5\n`,
  `${a} refs/heads/main\n`,
  `${a} refs/remotes/o/HEAD\n`,
  `${b} refs/tags/v1\n`,
  `${a} refs/tags/v1^{}\n`,
  '0000',
]
const listing = {
  objectFormat: 'sha1',
  head: { kind: 'branch', ref: 'refs/heads/main', oid: a },
  refs: [
    { name: 'refs/heads/main', oid: a },
    { name: 'refs/remotes/o/HEAD', oid: a, symref: 'refs/heads/main' },
    { name: 'refs/tags/v1', oid: b, peeled: a },
  ],
}

test.each([
  ['version 0', advertisement],
  ['version 1', ['version 1\n', ...advertisement]],
])('an advertisement of %s is a listing', async (_name, lines) => {
  const said = await greeting(...lines)
  expect(said).toMatchObject({ version: 0, listing })
  expect([...said.capabilities.keys()]).toEqual(['side-band-64k', 'ofs-delta', 'agent'])
})

test.each([
  ['nothing but a flush', ['0000'], { kind: 'none' }],
  ['capabilities and no ref', [`${none} capabilities^{}\0side-band-64k\n`, '0000'], { kind: 'none' }],
  ['version 1 and a flush', ['version 1\n', '0000'], { kind: 'none' }],
  ['a HEAD that points nowhere in particular', [`${a} HEAD\0side-band-64k\n`, '0000'], { kind: 'detached', oid: a }],
  ['a detached HEAD at a tag', [`${b} HEAD\0\n`, `${a} HEAD^{}\n`, '0000'], { kind: 'detached', oid: b }],
  [
    'an unborn branch',
    [`${none} capabilities^{}\0symref=HEAD:refs/heads/main\n`, '0000'],
    { kind: 'branch', ref: 'refs/heads/main', oid: null },
  ],
  ['no capabilities, as the oldest servers', [`${a} HEAD\n`, '0000'], { kind: 'detached', oid: a }],
])('%s is an empty listing', async (_name, lines, head) => {
  expect((await greeting(...lines)).listing).toEqual({ objectFormat: 'sha1', head, refs: [] })
})

test.each([
  [[`${a} HEAD\0x\n`, `shallow ${b}\n`, '0000'], 'REMOTE_SHALLOW'],
  [[`${a} HEAD\0x\n`, `${b} HEAD\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/heads/main\0x\n`, `${b} HEAD\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/heads/main\0x\n`, `${b} refs/tags/v1^{}\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} ^{}\0x\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/tags/v1\0x\n`, `${b} refs/tags/v1^{}\n`, `${b} refs/tags/v1^{}\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${none} capabilities^{}\0x\n`, `${a} refs/heads/main\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} capabilities^{}\0x\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} HEAD\0x\n`, `${none} capabilities^{}\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/heads/a..b\0x\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} --exec=x\0x\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\0x\n`, `${a} refs/heads/b\0y\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\0x\n`, `${a} refs/heads/a\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\0x\n`, `${a} refs/heads/a/b\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} HEAD\0symref=HEAD:/etc/passwd\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} HEAD\0object-format=md5\n`, '0000'], 'REMOTE_VERSION'],
  [[`${a} HEAD\0object-format=sha256\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a.toUpperCase()} HEAD\0x\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a}\0x\n`, '0000'], 'REMOTE_PROTOCOL'],
  [['welcome to this machine\n', '0000'], 'REMOTE_PROTOCOL'],
  [['version 1\n', 'version 1\n', '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} HEAD\0${Array.from({ length: 257 }, (_, at) => `x${at}`).join(' ')}\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} HEAD\0x\n`, '0001'], 'REMOTE_PROTOCOL'],
  [[`${a} HEAD\0x\n`, '\n', '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} HEAD\0x\n`], 'REMOTE_BROKEN'],
  [['version 1\n'], 'REMOTE_BROKEN'],
  [[`${a} HEAD\0x\n`, 'ERR out of memory\n'], 'REMOTE_BROKEN'],
])('the advertisement %j is %s', async (lines, code) => {
  await expect(greeting(...lines)).rejects.toMatchObject({ code })
})

test('a request asks for what the server has, in the words of the protocol', () => {
  expect(text(packRequest(old, { objectFormat: 'sha1', wants: [a, b, a], haves: [b] }))).toBe(
    `0057want ${a} side-band-64k ofs-delta agent=reduit\n0032want ${b}\n00000032have ${b}\n0009done\n`,
  )
  const plain = { version: 0, capabilities: new Map([['side-band-64k', ''], ['object-format', 'sha1']]) } as const // prettier-ignore
  expect(text(packRequest(plain, { objectFormat: 'sha1', wants: [a], haves: [] }))).toBe(
    `0053want ${a} side-band-64k object-format=sha1\n00000009done\n`,
  )
})

test('a server without side-band-64k is REMOTE_VERSION: the end of its pack could not be told from a cut', () => {
  const request = { objectFormat: 'sha1', wants: [a], haves: [] } as const
  expect(() => packRequest({ version: 0, capabilities: new Map() }, request)).toThrow(expect.objectContaining({ code: 'REMOTE_VERSION' }))
})

test.each([
  ['NAK', ['NAK\n', '\u0001PA', '\u0002counting', '\u0001CK', '0000']],
  ['one ACK', [`ACK ${a}\n`, '\u0001PACK', '0000']],
  ['an ACK for each', [`ACK ${a} common\n`, `ACK ${b} ready\n`, 'NAK\n', `ACK ${b}\n`, '\u0002x', '\u0001PACK', '0000']],
  ['no answer at all', ['\u0001PACK', '0000']],
])('a pack behind %s is read', async (_name, lines) => {
  expect((await pack(...lines)).toString()).toBe('PACK')
})

test.each([
  [['NAK\n', '\u0001PACK'], 'REMOTE_BROKEN'],
  [['NAK\n', '0000'], 'REMOTE_PROTOCOL'],
  [['NAK\n'], 'REMOTE_BROKEN'],
  [['NAK\n', 'PACK'], 'REMOTE_PROTOCOL'],
  [['NAK\n', '\u0004PACK', '0000'], 'REMOTE_PROTOCOL'],
  [['NAK\n', '\u0001PA', '\u0004CK', '0000'], 'REMOTE_PROTOCOL'],
  [['ACK nothing\n', '\u0001PACK', '0000'], 'REMOTE_PROTOCOL'],
  [[`shallow ${a}\n`, '0000'], 'REMOTE_SHALLOW'],
  [['ERR upload-pack: not our ref\n'], 'REMOTE_BROKEN'],
  [['NAK\n', '\u0003fatal: no\n', '0000'], 'REMOTE_BROKEN'],
])('the answer %j is %s', async (lines, code) => {
  await expect(pack(...lines)).rejects.toMatchObject({ code })
})

test('an advertisement is the same listing however the network cuts it', async () => {
  await assert(
    asyncProperty(integer({ min: 1, max: 300 }), async (chunkBytes) => {
      expect((await readGreeting(read(wireOf(advertisement), chunkBytes))).listing).toEqual(listing)
    }),
  )
})

test('whatever a server sends is a sound listing or a refusal with a code, never a crash', async () => {
  const word = constantFrom(a, b, none, ' ', '\0', '\n', 'HEAD', 'refs/heads/', 'refs/tags/v1', '^{}', 'shallow ', 'version 1', 'capabilities^{}', 'x', '=', ':', 'symref=HEAD:') // prettier-ignore
  const line = array(oneof({ weight: 9, arbitrary: word }, string({ unit: 'binary', maxLength: 5 })), { maxLength: 8 })
  const lines = array(oneof(line.map((words) => words.join('')), constantFrom('0000', '0001', ...advertisement)), { maxLength: 10 }) // prettier-ignore
  await assert(
    asyncProperty(lines, async (wire) => {
      const said = await greeting(...wire).catch((error: unknown) => error)
      if (isEscrowError(said)) return
      const { refs } = (said as Awaited<ReturnType<typeof greeting>>).listing ?? { refs: [] }
      for (const ref of refs) expect(`${ref.oid} ${ref.name} ${ref.peeled ?? a}`).toMatch(/^[0-9a-f]{40} refs\/\S+ [0-9a-f]{40}$/)
    }),
    { numRuns: 500 },
  )
})

test('bytes turned anywhere in a sound answer never make more bytes than came, or a crash', async () => {
  const sound = wireOf(['NAK\n', '\u0002words', `\u0001${'PACK'.repeat(20)}`, '0000'])
  await assert(
    asyncProperty(nat(sound.length - 1), uint8Array({ minLength: 1, maxLength: 4 }), async (at, bytes) => {
      const wire = Buffer.from(sound)
      wire.set(bytes.subarray(0, wire.length - at), at)
      const taken = await collect(readPackIn(old, read(wire), new Words())).catch((error: unknown) => error)
      if (!isEscrowError(taken)) expect((taken as Buffer).length).toBeLessThanOrEqual(sound.length)
    }),
    { numRuns: 500 },
  )
})
