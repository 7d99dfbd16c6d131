import { expect, test } from 'vitest'
import { bundleHeaderBytesMax } from '../../../src/core/limits.js'
import { encodeBand, encodePacket, PacketReader } from '../../../src/git/pkt-line.js'
import { advertiseRefs, encodeReport, readPushRequest } from '../../../src/git/receive-pack.js'
import { inChunks } from '../../doubles/git-fixture.js'

const [a, b, zero] = ['a', 'b', '0'].map((digit) => digit.repeat(40)) as [string, string, string]
const packets = (...lines: readonly (string | null)[]): Buffer =>
  Buffer.concat(lines.map((line) => (line === null ? Buffer.from('0000') : encodePacket(line))))
const read = (bytes: Uint8Array, chunkBytes = 5) => readPushRequest(new PacketReader(inChunks(bytes, chunkBytes)), 'sha1')

test('commands, capabilities and options are read, and the pack is left where it is', async () => {
  const head = packets(`${zero} ${a} refs/heads/new\0 report-status push-options agent=git/2`, `${a} ${b} refs/heads/moved\n`)
  const rest = packets(`${b} ${zero} refs/tags/gone`, null, 'head=refs/heads/x', 'other', null)
  for (const chunkBytes of [1, 7, 1000]) {
    const reader = new PacketReader(inChunks(Buffer.concat([head, rest, Buffer.from('PACKbytes')]), chunkBytes))
    const push = await readPushRequest(reader, 'sha1')
    expect(push.commands.map(({ name, from, to, problem }) => [name, from, to, problem])).toEqual([
      ['refs/heads/new', null, a, null],
      ['refs/heads/moved', a, b, null],
      ['refs/tags/gone', b, null, null],
    ])
    expect([...push.capabilities]).toEqual(['report-status', 'push-options', 'agent=git/2'])
    expect(push.options).toEqual(['head=refs/heads/x', 'other'])
    const pack: Uint8Array[] = []
    for await (const bytes of reader.rest()) pack.push(Buffer.from(bytes))
    expect(Buffer.concat(pack).toString()).toBe('PACKbytes')
  }
})

test('a lone flush asks for nothing, and shallow lines are seen', async () => {
  expect(await read(packets(null))).toEqual({ commands: [], capabilities: new Set(), options: [], shallow: false })
  expect((await read(packets(`shallow ${a}`, `${zero} ${a} refs/heads/x\0`, null))).shallow).toBe(true)
})

test('names that git or we do not take are marked, and kept as they came', async () => {
  const odd = Buffer.concat([Buffer.from(`${zero} ${a} refs/heads/`), Buffer.of(0xff, 0xfe)])
  const body = Buffer.concat([encodePacket(odd), packets(`${zero} ${a} refs/heads/a..b`, `${zero} ${a} HEAD`, null)])
  const { commands } = await read(body)
  expect(commands.map(({ problem }) => problem)).toEqual(['is not in UTF-8', 'contains ..', 'does not begin with refs/'])
  const report = Buffer.from(encodeReport(null, [{ wireName: commands[0]?.wireName ?? '', reason: 'no' }]))
  expect(report.includes(Buffer.of(0xff, 0xfe))).toBe(true)
})

test.for([
  ['nothing', ''],
  ['no command', '0008abcd'],
  ['one id', packets(`${a} refs/heads/x`, null)],
  ['ids of two formats', packets(`${a} ${'b'.repeat(64)} refs/heads/x`, null)],
  ['capital digits', packets(`${a.toUpperCase()} ${b} refs/heads/x`, null)],
  ['no flush', packets(`${a} ${b} refs/heads/x`)],
  ['a certificate', packets('push-cert\0', null)],
  ['too many capabilities', packets(`${a} ${b} refs/heads/x\0${'c'.repeat(2000)}`, null)],
  ['too many options', packets(`${a} ${b} refs/heads/x\0push-options`, null, ...Array.from({ length: 20 }, () => 'o'), null)],
  ['options without an end', packets(`${a} ${b} refs/heads/x\0push-options`, null, 'o')],
  ['a delimiter', '0001'],
  ['no length', 'zzzz'],
  ['cut', '0032'],
] as const)('%s is refused', async ([, body]) => {
  await expect(read(typeof body === 'string' ? Buffer.from(body) : body)).rejects.toMatchObject({ code: 'BODY_INVALID' })
})

test('an advertisement carries its capabilities once, also when there is no ref', () => {
  const text = (refs: readonly { name: string; oid: string }[], version: 0 | 1 = 0) =>
    Buffer.concat([...advertiseRefs({ objectFormat: 'sha1', refs, version, agent: 'reduit/1' })]).toString()
  expect(text([])).toMatch(/^001f# service=git-receive-pack\n0000[0-9a-f]{4}0{40} capabilities\^\{\}\0[^\0]*no-thin[^\0]*\n0000$/)
  const two = text([
    { name: 'refs/heads/a', oid: a },
    { name: 'refs/heads/b', oid: b },
  ])
  expect(two.match(/object-format=sha1/g)).toHaveLength(1)
  expect(two.endsWith(`003a${b} refs/heads/b\n0000`)).toBe(true)
  expect(text([], 1)).toContain('0000000eversion 1\n')
})

test('an advertisement of many refs comes in blocks', () => {
  const refs = Array.from({ length: 5000 }, (_, index) => ({ name: `refs/heads/${index}`, oid: a }))
  const blocks = [...advertiseRefs({ objectFormat: 'sha1', refs, version: 0, agent: 'x' })]
  expect(blocks.length).toBeGreaterThan(3)
  for (const block of blocks) expect(block.length).toBeLessThan(70_000)
})

test('a report has one line for each ref, whatever is in a reason', () => {
  const report = encodeReport(null, [
    { wireName: 'refs/heads/a', reason: null },
    { wireName: 'refs/heads/b', reason: 'two\nlines \u001b[31mred' },
    // One byte of each character goes on the wire, and that of this one is a line feed.
    { wireName: 'refs/heads/c', reason: 'no\u010aok refs/heads/c' },
  ])
  expect(Buffer.from(report).toString()).toBe(
    '000eunpack ok\n0014ok refs/heads/a\n0023ng refs/heads/b two; lines red\n0027ng refs/heads/c no?ok refs/heads/c\n0000',
  )
})

test.for([0, 1, 65_515, 65_516, 200_000])('%i bytes on a side band are read as they were written', async (size) => {
  const bytes = Buffer.alloc(size, 7)
  const found: Uint8Array[] = []
  const reader = new PacketReader(inChunks(Buffer.concat([encodeBand(2, bytes), Buffer.from('0000')]), 1000))
  for await (const piece of reader.bands()) found.push(Buffer.from(piece.bytes))
  expect(Buffer.concat(found).equals(bytes)).toBe(true)
})

test('lines that never end are refused, and with them names that would fill memory', async () => {
  const endless = async function* () {
    const packet = Buffer.concat(Array.from({ length: 100 }, () => encodePacket(`shallow ${a}${' '.repeat(60_000)}`)))
    for (let sent = 0; sent < 2 * bundleHeaderBytesMax; sent += packet.length) yield packet
  }
  await expect(readPushRequest(new PacketReader(endless()), 'sha1')).rejects.toMatchObject({ code: 'REFS_TOO_MANY' })
})
