import { expect, test } from 'vitest'
import { encodePacket, PacketReader } from '../../../src/git/pkt-line.js'
import { Words } from '../../../src/git/remote-words.js'
import { readGreeting } from '../../../src/git/upload-pack.js'
import { fetchRequest, lsRefsRequest, readPack, readRefListing } from '../../../src/git/upload-pack-client.js'
import { collect, inChunks } from '../../doubles/git-fixture.js'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)
const capabilities = new Map([
  ['agent', 'git/2.39.5'],
  ['ls-refs', 'unborn'],
  ['fetch', 'shallow wait-for-done'],
  ['object-format', 'sha1'],
])

/** Lines become packets; '0000', '0001' and what begins with a band number stay special. */
function wire(...lines: readonly string[]): PacketReader {
  const packets = lines.map((line) => (/^000[012]$/.test(line) ? Buffer.from(line) : encodePacket(line)))
  return new PacketReader(inChunks(Buffer.concat(packets), 11))
}

const listing = (...lines: readonly string[]) => readRefListing(wire(...lines), 'sha1')
const pack = (...lines: readonly string[]) => collect(readPack(wire(...lines), new Words()))

test('capabilities are read up to the flush', async () => {
  const read = await readGreeting(
    wire('version 2\n', 'agent=git/2.39.5\n', 'ls-refs=unborn\n', 'fetch=shallow wait-for-done\n', 'object-format=sha1\n', '0000'),
  )
  expect(read).toEqual({ version: 2, capabilities })
})

test.each([
  [['version 3\n', '0000'], 'REMOTE_PROTOCOL'],
  [['version 2\n', 'fetch\n', '0000'], 'REMOTE_VERSION'],
  [['version 2\n', 'fetch\n', 'ls-refs\n', 'object-format=md5\n', '0000'], 'REMOTE_VERSION'],
  [['version 2\n', 'fetch\n'], 'REMOTE_BROKEN'],
  [[], 'REMOTE_BROKEN'],
  [['ERR \u001b[2Jno such repository\n'], 'REMOTE_BROKEN'],
  [['version 2\n', ...Array.from({ length: 300 }, (_, at) => `x${at}\n`), '0000'], 'REMOTE_PROTOCOL'],
])('the advertisement %j is %s', async (lines, code) => {
  await expect(readGreeting(wire(...lines))).rejects.toMatchObject({ code })
})

test('the requests are those of the protocol', () => {
  const text = (blocks: Iterable<Uint8Array>) => Buffer.concat([...blocks]).toString()
  expect(text(lsRefsRequest(capabilities))).toBe(
    '0014command=ls-refs\n0011agent=reduit\n0017object-format=sha1\n00010009peel\n000csymrefs\n000bunborn\n0000',
  )
  expect(text(fetchRequest(capabilities, { objectFormat: 'sha1', wants: [a, a], haves: [b] }))).toBe(
    `0012command=fetch\n0011agent=reduit\n0017object-format=sha1\n0001000eofs-delta\n0032want ${a}\n0032have ${b}\n0009done\n0000`,
  )
})

test('a request that is read twice is the same twice', () => {
  const request = fetchRequest(capabilities, {
    objectFormat: 'sha1',
    wants: [a],
    haves: Array.from({ length: 3000 }, (_, at) => at.toString(16).padStart(40, '0')),
  })
  const [first, second] = [[...request], [...request]]
  expect(first.length).toBeGreaterThan(1)
  expect(Buffer.concat(first)).toEqual(Buffer.concat(second))
})

test('a listing is sorted, with tags peeled and symbolic refs named', async () => {
  const lines = [
    `${a} HEAD symref-target:refs/heads/main\n`,
    `${b} refs/tags/v1 peeled:${a}\n`,
    `${a} refs/heads/main\n`,
    `${a} refs/remotes/o/HEAD symref-target:refs/heads/main some-day:new\n`,
    '0000',
  ]
  expect(await listing(...lines)).toEqual({
    objectFormat: 'sha1',
    head: { kind: 'branch', ref: 'refs/heads/main', oid: a },
    refs: [
      { name: 'refs/heads/main', oid: a },
      { name: 'refs/remotes/o/HEAD', oid: a, symref: 'refs/heads/main' },
      { name: 'refs/tags/v1', oid: b, peeled: a },
    ],
  })
})

test.each([
  [
    'an empty remote that names its branch',
    ['unborn HEAD symref-target:refs/heads/main\n', '0000'],
    { kind: 'branch', ref: 'refs/heads/main', oid: null },
  ],
  ['an empty remote that does not', ['0000'], { kind: 'none' }],
  ['a detached HEAD', [`${a} HEAD\n`, '0000'], { kind: 'detached', oid: a }],
])('%s', async (_name, lines, head) => {
  expect(await listing(...lines)).toEqual({ objectFormat: 'sha1', head, refs: [] })
})

test.each([
  [[`${a} refs/heads/a..b\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\u0001\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} ../../etc/passwd\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} --exec=x\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a}\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} HEAD symref-target:/etc/passwd\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\n`, `${a} refs/heads/a\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} refs/heads/a\n`, `${a} refs/heads/a/b\n`, '0000'], 'REF_NAME_INVALID'],
  [[`${a} HEAD\n`, `${b} HEAD\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a.toUpperCase()} refs/heads/a\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${'a'.repeat(64)} refs/heads/a\n`, '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/heads/a peeled:zz\n`, '0000'], 'REMOTE_PROTOCOL'],
  [['unborn refs/heads/a\n', '0000'], 'REMOTE_PROTOCOL'],
  [['\n', '0000'], 'REMOTE_PROTOCOL'],
  [['0001'], 'REMOTE_PROTOCOL'],
  [['', '0000'], 'REMOTE_PROTOCOL'],
  [[`${a} refs/heads/a\n`], 'REMOTE_BROKEN'],
  [['ERR no access\n'], 'REMOTE_BROKEN'],
])('the listing %j is %s', async (lines, code) => {
  await expect(listing(...lines)).rejects.toMatchObject({ code })
})

test('a name that is not UTF-8 is refused', async () => {
  const line = Buffer.concat([Buffer.from(`003e${a} refs/heads/caf`), Buffer.from([0xe9]), Buffer.from('..0000')])
  await expect(readRefListing(new PacketReader(inChunks(line, 9)), 'sha1')).rejects.toMatchObject({
    code: 'REF_NAME_INVALID',
    message: `expected names in UTF-8, got "${a} refs/heads/caf\\xe9.."`,
  })
})

test('the pack is band 1, whatever sections come before it', async () => {
  expect(
    (
      await pack(
        'acknowledgments\n',
        'ready\n',
        '0001',
        'wanted-refs\n',
        `${a} refs/x\n`,
        '0001',
        'packfile\n',
        '\u0002counting\r',
        '\u0001PA',
        '\u0001CK',
        '0000',
      )
    ).toString(),
  ).toBe('PACK')
})

test.each([
  [
    ['shallow-info\n', `shallow ${a}\n`, '0001', 'packfile\n', '\u0001PACK', '0000'],
    'REMOTE_SHALLOW',
    'expected a complete repository, got a shallow one',
  ],
  [
    ['packfile\n', '\u0001PA', '\u0003fatal: missing \u001b[1mblob\u001b[0m\n'],
    'REMOTE_BROKEN',
    'the remote ended the transfer: "fatal: missing blob"',
  ],
  [['packfile\n', '\u0002error: bad\n', '\u0001PA', '\u0003'], 'REMOTE_BROKEN', 'the remote ended the transfer: "error: bad"'],
  [['ERR upload-pack: not our ref x\n'], 'REMOTE_BROKEN', 'the remote refused: "upload-pack: not our ref x"'],
  [['packfile\n', '\u0001PACK'], 'REMOTE_BROKEN', 'the stream ended before the closing flush'],
  [['packfile\n', '\u0004PACK', '0000'], 'REMOTE_PROTOCOL', 'expected side band 1, 2 or 3, got 4'],
  [['acknowledgments\n', 'NAK\n', '0000'], 'REMOTE_PROTOCOL', 'expected a section to end with a delimiter, got flush'],
  [['packfile-uris\n', 'x\n', '0001'], 'REMOTE_PROTOCOL', 'expected a section of a fetch response, got "packfile-uris"'],
  [['0000'], 'REMOTE_PROTOCOL', 'expected a section of a fetch response, got ""'],
  [[], 'REMOTE_BROKEN', 'the stream ended before the pack'],
])('the response %j is %s', async (lines, code, message) => {
  await expect(pack(...lines)).rejects.toMatchObject({ code, message })
})

test('words are capped at 4 KiB', async () => {
  const error: unknown = await pack('packfile\n', `\u0003${'x'.repeat(60_000)}`).catch((reason: unknown) => reason)
  expect(String(error).length).toBeLessThan(4200)
})
