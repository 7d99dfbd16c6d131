// The same service on each of the three footprints, from the first tick to the day of release: what is due is deposited by the queue alone, a
// vendor pushes with git, and a beneficiary who was granted the archive opens it.
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listDeposits } from '../../src/escrow/archive/deposit.table.js'
import { listen } from '../../src/http-app.module.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { HttpHouse } from '../doubles/http-house.js'
import { runGit } from '../doubles/push-client.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { escrow } from '../doubles/escrow-command.js'
import { describeRepository } from '../doubles/test-archive.js'
import { serviceAddress } from '../services/addresses.js'
import { dumpDatabase, dumpRedis, dumpStores } from '../services/dump.js'
import { Footprint, footprints, type FootprintName } from '../services/footprint.js'

/** In messages and files of the source. */
const canary = 'a-quiet-canary-of-the-source'

/** A daily source is due once more, and begun at its own moment. */
const dueMs = dayMs + hourMs

describe.each(Object.keys(footprints) as FootprintName[])('%s', (name) => {
  let footprint: Footprint
  let house: HttpHouse
  let url: string

  beforeAll(async () => {
    footprint = await Footprint.open(name)
    // Days will pass here, and what was signed then must not lie in the future of those who open it.
    const now = new Date(Date.now() - 10 * dayMs)
    const jobs = { rules: { graceMs: 100 } }
    const wish = { now, sources: [{ source: 'pushed' }], server: { jobs } }
    const servers = async () => ({ replicas: await footprint.replicas(), database: await footprint.openDatabase() })
    const openQueue = () => footprint.openQueue()
    house = await HttpHouse.open(footprint.servers ? { ...wish, ...(await servers()), server: { jobs, openQueue } } : wish)
    ;({ url } = await listen(house.service.app as NestExpressApplication))
  }, 300_000)
  afterAll(async () => {
    await house?.close()
    await footprint?.close()
  })

  const deposits = async (source: string) => {
    const rows = await house.service.database.query((db) => listDeposits(db, { agreementId: house.agreed.id, source }, Infinity, 100))
    return rows.map(({ sequence, receiptDigest }) => [sequence, receiptDigest === null ? 'no receipt' : 'receipt'])
  }

  /** Let time pass, and the service do what is due. */
  async function pass(ms: number): Promise<void> {
    house.service.clock.advance(ms)
    await house.service.get(Ticker).tick()
    for (;;) {
      const counts = await house.service.get(JobQueue).counts()
      if (counts.every(({ waiting, active }) => waiting + active === 0)) return
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
  }

  test('what is due is deposited, logged, receipted and told of by the queue alone', async () => {
    house.git.addCommits('refs/heads/main', 2, { label: 'second' })
    for (const ms of [dueMs, 11_000, 11_000, 11_000]) await pass(ms)
    expect(await deposits('product')).toEqual([
      [2, 'receipt'],
      [1, 'receipt'],
    ])
    const { items } = await (await house.as('partner')).json<{ items: { notice: { event: string } }[] }>('/v1/notices?limit=100')
    expect(items.filter(({ notice }) => notice.event === 'deposit-stored')).toHaveLength(2)
    await pass(dueMs)
    expect(await deposits('product')).toHaveLength(2)
  })

  test('git pushes what is new, once, and is told the receipt', async () => {
    const { token } = await house.as('vendor')
    const address = `${url.replace('//', `//ci:${token}@`)}/git/${house.agreed.id}/pushed.git`
    const push = async () => (await runGit(['--git-dir', house.git.path, 'push', address, '--mirror'])).text
    expect(await push()).toMatch(/deposit 1 \(full\)[^]*receipt [0-9a-f]{64}/)
    expect(await push()).toContain('nothing is new since deposit 1')
    house.git.addCommits('refs/heads/main', 1, { label: canary })
    expect(await push()).toMatch(/deposit 2 \(incremental\)[^]*receipt [0-9a-f]{64}/)
    expect(await deposits('pushed')).toEqual([
      [2, 'receipt'],
      [1, 'receipt'],
    ])
  })

  test('what is released is fetched, verified and opened by the beneficiary', async () => {
    await pass(dueMs)
    const { request } = await house.release()
    const at = (...parts: readonly string[]) => join(house.service.home, 'beneficiary', ...parts)
    const [agreement, tokenFile] = [join(house.service.home, 'agreement.json'), join(house.service.home, 'partner.token')]
    writeFileSync(agreement, house.agreed.signed.bytes)
    writeFileSync(tokenFile, `${(await house.as('partner')).token}\n`)
    const online = ['--url', url, '--token-file', tokenFile]
    const opening = ['--as', join(house.service.home, 'parties', 'partner'), '--agreement', agreement, '--request', request]
    for (const argv of [
      // A download goes into the log: while it waits there, the case is not complete.
      ['release', 'publish', '--to', at('mailbox'), ...online],
      ['download', request, '--into', at('archive'), ...online],
      ['verify', at('archive'), '--agreement', agreement],
      ['open', ...opening, '--from', at('archive'), '--case', at('mailbox', request), '--to', at('opened.git')],
    ]) {
      const ended = await escrow(argv)
      expect(ended.exitCode, `${argv[0]}: ${ended.text}`).toBe(0)
    }
    expect(describeRepository(at('opened.git'))).toEqual(describeRepository(house.git.path))
  })

  test('after all that, whoever takes database, stores, queue and log lines has neither the source nor a secret', async () => {
    const { service } = house
    const everything = [
      ...(await dumpDatabase(service.database)),
      ...(await dumpStores(service.get(ReplicaSet))),
      ...(footprint.redis ? await dumpRedis(serviceAddress('redis')) : []),
      { place: 'log lines', bytes: Buffer.from(house.lines.join('')) },
    ]
    const shares = [...service.vaults.values()].flatMap((vault) => vault.shares.map(({ value }) => Buffer.from(value)))
    expect(shares.every((share) => share.some((byte) => byte !== 0))).toBe(true)
    const secrets = [Buffer.from(canary), ...[...service.parties.values()].map(({ identity }) => Buffer.from(identity)), ...shares]
    const spellings = secrets.flatMap((secret) => [secret, Buffer.from(secret.toString('hex')), Buffer.from(secret.toString('base64'))])
    const found = everything.filter(({ bytes }) => spellings.some((secret) => bytes.includes(secret)))
    expect(found.map(({ place }) => place)).toEqual([])
    // The search finds what is there: the agreement's id lies in all four.
    const known = everything.filter(({ bytes }) => bytes.includes(house.agreed.id)).map(({ place }) => place.split(' ')[0])
    expect(new Set(known)).toEqual(new Set(['database', 'store', 'log', ...(footprint.redis ? ['redis'] : [])]))
    if (!footprint.redis) expect(everything.some(({ place }) => /^database (?!public\.)/.test(place))).toBe(true)
  })
})
