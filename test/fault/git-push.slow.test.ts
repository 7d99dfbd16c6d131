// A push that is cut at every stage leaves nothing, and the next one is as if there had been none.
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GitFixture } from '../doubles/git-fixture.js'
import { packOf, pushBody, PushHouse } from '../doubles/push-client.js'

let house: PushHouse
const vendor = new GitFixture()
let tip = ''
beforeAll(async () => {
  house = await PushHouse.open(['cut', 'large', 'odd'], { deposit: { packBytesMax: 1024 * 1024 } })
  tip = vendor.addCommits('refs/heads/main', 20, { files: 4, bytes: 3000 })
})
afterAll(async () => {
  await house.close()
  vendor.remove()
})

const zero = '0'.repeat(40)
const create = (oid: string, name = 'refs/heads/main') => `${zero} ${oid} ${name}`

/** Send a request by hand. @param share - of the body, 0 to 1; then the connection is cut, or left standing when the body is whole. */
function send(source: string, body: Buffer, share: number, chunked: boolean): Promise<string> {
  const { hostname, port } = new URL(house.origin)
  const length = chunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`
  const head = [
    `POST /git/${house.agreed.id}/${source}.git/git-receive-pack HTTP/1.1`,
    'host: x',
    'connection: close',
    `authorization: ${house.basic.authorization}`,
    'content-type: application/x-git-receive-pack-request',
    length,
  ]
  const part = body.subarray(0, Math.floor(body.length * share))
  const payload = chunked ? Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]) : part
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    const seen: Buffer[] = []
    socket.on('data', (block: Buffer) => seen.push(block))
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(Buffer.concat(seen).toString('latin1')))
    const bytes = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), part.length === 0 ? part : payload])
    socket.write(bytes, () => {
      if (share < 1) setTimeout(() => socket.destroy(), 30)
      else if (chunked) socket.write('0\r\n\r\n')
    })
  })
}

/** Wait until the service has noticed and cleaned up. */
async function quiet(): Promise<void> {
  await expect.poll(() => house.scratch(), { timeout: 20_000, interval: 20 }).toEqual([])
}

test('a push that is cut anywhere leaves no deposit and no plaintext, and the next one is taken', async () => {
  const body = pushBody([create(tip)], packOf(vendor.path))
  for (const [place, share] of [0, 0.001, 0.2, 0.7, 0.9999].entries()) {
    await send('cut', body, share, place % 2 === 0)
    await quiet()
    expect(await house.latest('cut')).toBeNull()
  }
  const whole = await pushWhenFree('cut', body)
  expect(whole).toContain('unpack ok')
  expect(whole).toContain('ok refs/heads/main')
  expect((await house.latest('cut'))?.sequence).toBe(1)
})

/** The lease of a push that was cut ends a moment after its connection. */
async function pushWhenFree(source: string, body: Buffer): Promise<string> {
  for (;;) {
    const answer = await send(source, body, 1, false)
    if (!answer.includes('is being worked on by')) return answer
  }
}

test('a client that leaves before it hears the answer has made its deposit, and is told so when it comes again', async () => {
  vendor.addCommits('refs/heads/main', 1, { label: 'left' })
  const pack = packOf(vendor.path)
  const next = vendor.git(['rev-parse', 'refs/heads/main'])
  const { hostname, port } = new URL(house.origin)
  const body = pushBody([`${tip} ${next} refs/heads/main`], pack)
  await new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    const head = `POST /git/${house.agreed.id}/cut.git/git-receive-pack HTTP/1.1\r\nhost: x\r\nauthorization: ${house.basic.authorization}\r\ncontent-type: application/x-git-receive-pack-request\r\ncontent-length: ${body.length}\r\n\r\n`
    socket.once('close', () => resolve())
    // The answer begins as soon as the commands are read; the body is with the service by then.
    socket.on('data', () => setTimeout(() => socket.destroy(), 50))
    socket.write(Buffer.concat([Buffer.from(head), body]))
  })
  await expect.poll(async () => (await house.latest('cut'))?.sequence, { timeout: 20_000, interval: 50 }).toBe(2)
  const again = await house.git(vendor.path, 'push', house.address('cut'), 'refs/heads/main')
  expect([again.exitCode, again.text]).toEqual([0, expect.stringContaining('Everything up-to-date') as string])
})

test('a pack beyond the limit is refused in words that git shows', async () => {
  const large = new GitFixture()
  try {
    const noise = Array.from({ length: 3 }, (_, index) => large.writeRaw('blob', noiseOf(index, 600_000)))
    large.addRefs(
      noise.map((_, index) => `refs/blobs/${index}`),
      noise[0] ?? '',
    )
    for (const [index, oid] of noise.entries()) large.git(['update-ref', `refs/blobs/${index}`, oid])
    const ran = await house.git(large.path, 'push', '--mirror', house.address('large'))
    expect(ran.exitCode).not.toBe(0)
    expect(ran.text).toMatch(/nothing was stored: .*at most 1048576 bytes.*\[DEPOSIT_TOO_LARGE\]/)
    expect(house.scratch()).toEqual([])
    expect(await house.latest('large')).toBeNull()
  } finally {
    large.remove()
  }
})

test.for<[string, (pack: Buffer) => Buffer | null, RegExp]>([
  [
    'damaged',
    (pack) => Buffer.concat([pack.subarray(0, 500), Buffer.from('xxxx'), pack.subarray(504)]),
    /PACK_CORRUPT|inflate|corrupt|bad/i,
  ],
  ['cut short', (pack) => pack.subarray(0, -30), /early EOF|PACK/i],
  ['followed by more', (pack) => Buffer.concat([pack, Buffer.from('more')]), /expected the pack to end/],
  ['missing', () => null, /early EOF|PACK/i],
  ['no pack', () => Buffer.from('<html>'), /PACK|header|signature/i],
])('a pack that is %s is refused in words, and nothing is left', async ([, spoil, words]) => {
  const answer = await send('odd', pushBody([create(tip)], spoil(packOf(vendor.path))), 1, false)
  expect(answer).toMatch(/ng refs\/heads\/main /)
  expect(answer).toMatch(words)
  await quiet()
  expect(await house.latest('odd')).toBeNull()
})

test('an agreement whose day is full is told when it may push again, and may then', async () => {
  const full = await PushHouse.open(['product'], { deposit: { bytesPerDayMax: 1000 } })
  try {
    const push = () => full.git(vendor.path, 'push', '--mirror', full.address())
    expect((await push()).exitCode).toBe(0)
    expect((await push()).text).toContain('nothing is new')
    vendor.addCommits('refs/heads/main', 1, { label: 'too much' })
    const refused = await push()
    expect([refused.exitCode, refused.text]).toEqual([
      1,
      expect.stringMatching(/nothing was stored: .* bytes since .*; expected less than 1000 in 24 hours \[QUOTA_EXCEEDED\]/) as string,
    ])
    full.service.clock.advance(25 * 3_600_000)
    expect((await push()).text).toMatch(/deposit 2 \(incremental\)/)
  } finally {
    await full.close()
  }
})

test('what is no push at all is refused before anything is read', async () => {
  const url = `${house.origin}/git/${house.agreed.id}/odd.git/git-receive-pack`
  const post = (body: string, headers: Record<string, string>) =>
    fetch(url, { method: 'POST', headers: { ...house.basic, ...headers }, body })
  const type = { 'content-type': 'application/x-git-receive-pack-request' }
  expect((await post('0000', { 'content-type': 'text/plain' })).status).toBe(415)
  expect((await post('0000', { ...type, 'content-encoding': 'br' })).status).toBe(415)
  expect((await post('not gzip', { ...type, 'content-encoding': 'gzip' })).status).toBe(422)
  expect((await post('zzzz', type)).status).toBe(422)
  const probe = await post('0000', type)
  expect([probe.status, await probe.text()]).toEqual([200, ''])
})

/** Bytes that no compression makes smaller. */
function noiseOf(seed: number, sizeBytes: number): Uint8Array {
  let state = seed + 1
  return Uint8Array.from({ length: sizeBytes }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 16
  })
}
