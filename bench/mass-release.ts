// Row 9: an order that reaches 500 sources in 50 agreements, from its registration to the last grant, with clocks of length zero.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonicMs, SystemClock, SystemEntropy } from '../src/core/environment.js'
import { sealBytes } from '../src/crypto/seal-envelope.js'
import { Database } from '../src/db/database.js'
import { encodeReleasedShare } from '../src/format/share.js'
import { listGrants } from '../src/release/grant/grant.table.js'
import { RecordStatement } from '../src/release/record-statement.js'
import { listRequests, type RequestRow } from '../src/release/release.table.js'
import { SweepReleases } from '../src/release/sweep/sweep-releases.js'
import type { BenchRow, Measured } from './bench-row.js'
import { custodians, MassHouse } from './mass-house.js'
import { measure } from './measure.js'

const agreements = 50
const sourcesEach = 10
const holders = custodians.slice(0, 3)

export const row: BenchRow = {
  name: 'mass-release',
  title: `an order over ${agreements * sourcesEach} sources in ${agreements} agreements, to the last grant`,
  async run(bench) {
    const folder = await bench.folder('mass')
    const house = await MassHouse.open(join(folder, 'home'))
    const url = await smallRepository(join(folder, 'remote'))
    for (let made = 0; made < agreements; made += 1) {
      if (made % 10 === 0) bench.say(`mass release: ${made} of ${agreements} agreements`)
      await house.agree(sourcesEach, url)
    }
    bench.say('mass release: the order')
    try {
      const { measured, totalMs } = await releaseAll(house)
      return {
        outcome: 'measured',
        ratios: [
          { what: 'registration to last grant', value: totalMs / 1000, unit: 's', target: { bound: 'at most', value: 30 } },
          { what: 'per source', value: totalMs / (agreements * sourcesEach), unit: '', target: null },
        ],
        measured,
        bound:
          'statements through the in-process database, more than half of the processor time; then files at two replicas, written and read again',
      }
    } finally {
      await house.app.close()
    }
  },
}

/** Each person signs once: the depositor the order, each of three custodians one approval; a share is sealed for each agreement. */
async function releaseAll(house: MassHouse): Promise<{ readonly measured: readonly Measured[]; readonly totalMs: number }> {
  const measured: Measured[] = []
  const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const [startedMs, before] = [monotonicMs(), process.cpuUsage()]
    const done = await work()
    const { user, system } = process.cpuUsage(before)
    measured.push({ what, wallMs: monotonicMs() - startedMs, cpuMs: (user + system) / 1000 })
    return done
  }
  const record = (bytes: Uint8Array) => house.app.get(RecordStatement).run(bytes)
  const tick = () => house.app.get(SweepReleases).run()
  const startedMs = monotonicMs()
  await step('the order, recorded once', () => record(orderOf(house)))
  await step('tick: requests submit themselves', tick)
  const rows = await requestsOf(house)
  await step('three approvals over all of them', async () => {
    for (const party of holders) await record(approvalOf(house, party, rows))
  })
  await step(`${holders.length * rows.length} shares, sealed and relayed`, async () => {
    // Each custodian sends one after the other; none waits for the others.
    const send = async (party: string, place: number) => {
      for (const request of rows) await record(shareOf(house, { request, place, party }))
    }
    await Promise.all(holders.map((party, place) => send(party, place)))
  })
  await step('tick: every object read again, and granted', tick)
  const totalMs = monotonicMs() - startedMs
  const grants = await Promise.all(rows.map((request) => house.app.get(Database).query((db) => listGrants(db, request.requestId))))
  const granted = grants.flat().reduce((sum, grant) => sum + grant.deposits.length, 0)
  if (granted !== agreements * sourcesEach) throw new Error(`expected ${agreements * sourcesEach} granted deposits, got ${granted}`)
  return { measured, totalMs }
}

async function requestsOf(house: MassHouse): Promise<readonly RequestRow[]> {
  const rows = await house.app.get(Database).query((db) => listRequests(db, null, 1000))
  const waiting = rows.filter((request) => request.state === 'approval')
  if (waiting.length !== agreements) throw new Error(`expected ${agreements} requests that wait for votes, got ${waiting.length}`)
  return waiting
}

function orderOf(house: MassHouse): Uint8Array {
  return house.sign('shutdown-order', 'vendor', {
    issuer: 'Federal Court',
    jurisdiction: 'DE',
    reference: 'No. 1',
    documents: [{ title: 'order', sha256: 'ab'.repeat(32), sizeBytes: 1, mediaType: 'application/pdf' }],
    scope: { kind: 'depositor', organisation: 'vendor' },
    effectiveAt: new SystemClock().now().toISOString(),
  })
}

function approvalOf(house: MassHouse, party: string, rows: readonly RequestRow[]): Uint8Array {
  const recipients = [house.party('partner').card.recipient]
  const covers = rows.map((request) => ({ requestDigest: request.requestDigest, agreement: request.agreementDigest, epoch: 1, recipients }))
  return house.sign('approval', party, { covers, reason: 'The order is final.' })
}

function shareOf(house: MassHouse, of: { readonly request: RequestRow; readonly place: number; readonly party: string }): Uint8Array {
  const { request, place, party } = of
  const agreement = house.agreements.find(({ signed }) => signed.digest === request.agreementDigest)
  const share = agreement?.vault.shares[place]
  const { recipient } = house.party('partner').card
  if (agreement === undefined || share === undefined || recipient === null) throw new Error('no share')
  const file = Buffer.from(sealBytes(encodeReleasedShare(share), [recipient], new SystemEntropy())).toString('base64')
  const matter = { requestDigest: request.requestDigest, index: share.index, sealedShares: [{ recipient, file }] }
  return house.sign('share-release', party, matter, agreement.signed)
}

async function smallRepository(path: string): Promise<string> {
  await mkdir(path)
  const script = `set -e; cd "$1"; git init --quiet --initial-branch main .
    for n in 1 2 3; do echo "$n" > "$n.txt"; git add .; git -c user.name=a -c user.email=a@b commit --quiet -m "$n"; done`
  await measure(['sh', '-c', script, 'small', path])
  return path
}
