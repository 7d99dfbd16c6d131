import { getTableName } from 'drizzle-orm'
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.js'
import { MirrorSource } from '../../src/escrow/deposit/mirror-source.js'
import { firstFieldsOf } from '../../src/cli/party/statement-fields.js'
import { listDeposits } from '../../src/escrow/archive/deposit.table.js'
import { RecordExplanation } from '../../src/escrow/deposit/record-explanation.js'
import { EventRecord } from '../../src/format/event.js'
import { signDocument } from '../../src/format/signed-document.js'
import { FindingExplanation } from '../../src/format/statement.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { RepairObject } from '../../src/verify/repair-object.js'
import { projectTables } from '../contract/project-tables.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon, type ServiceWish } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'

/** Two agreements over three repositories, on a service of their own, with all that happens to them. */
export class ServiceLife {
  private constructor(
    readonly service: ServiceFixture,
    readonly repositories: readonly [GitFixture, GitFixture, GitFixture],
    readonly first: AgreedUpon,
    readonly second: AgreedUpon,
  ) {}

  /** @param everyHours - how often `firmware` is due: nobody mirrors it often, and each period missed is an event. */
  static async begin(everyHours: number, wish: ServiceWish = {}): Promise<ServiceLife> {
    const service = await ServiceFixture.open(wish)
    const repositories = [repository(), repository(), repository()] as const
    const [engine, tools, firmware] = repositories
    const first = await service.agree([
      { source: 'engine', url: engine.path, fullEveryDays: 4 },
      { source: 'tools', url: tools.path },
    ])
    const second = await service.agree([{ source: 'firmware', url: firmware.path, schedule: { everyHours, graceHours: 0 } }])
    return new ServiceLife(service, [...repositories], first, second)
  }

  /** Deposits, quiet days, an outage, missed deadlines, damage and repair, all of it brought into the log. */
  async live(days: number): Promise<void> {
    const { service, first, second } = this
    const [engine, tools, firmware] = this.repositories
    for (let day = 0; day < days; day += 1) {
      if (day % 3 === 0) engine.addCommits('refs/heads/main', 1, { label: `day ${day}` })
      if (day === 2) engine.git(['update-ref', 'refs/heads/main', 'refs/heads/main~1'])
      service.clock.advance(dayMs)
      await service.get(RecordMissed).run()
      // For two days nobody mirrors: the deadlines pass.
      if (day !== 4 && day !== 5) await service.mirror(first, 'engine')
      if (day % 4 === 0) await service.mirror(second, 'firmware')
      if (day === 2) firmware.addCommits('refs/tags/v1', 1)
      if (day === 1) await this.outage(tools)
      if (day === 4) await this.explain()
      if (day === 3) await this.damageAndRepair()
      if (day % 3 === 2) await service.publish()
    }
    await this.lastDamage()
    await service.publish()
  }

  async close(): Promise<void> {
    await this.service.close()
    for (const one of this.repositories) one.remove()
  }

  /** The envelopes of a replica, oldest first. */
  envelopes(replica: string): readonly string[] {
    return this.files(replica, /\.bundle\.age$/)
  }

  /** Files of a replica by name. */
  files(replica: string, pattern: RegExp, what: 'objects' | 'heads' = 'objects'): readonly string[] {
    const folder = this.service.replica(replica, what)
    const names = readdirSync(folder, { recursive: true }).map(String)
    return names
      .filter((name) => pattern.test(name) && !name.startsWith('.'))
      .sort()
      .map((name) => join(folder, name))
  }

  /** What the events are called, each name once, in order. */
  toldOf(): readonly string[] {
    return [...new Set(this.events().map(({ event }) => event.type))].sort()
  }

  /** The events in a replica. */
  events(replica = 'a'): readonly (EventRecord & { readonly leafHash: string })[] {
    return this.files(replica, /^events\/[0-9a-f]{64}\.json$/).map((path) => ({
      ...EventRecord.parse(JSON.parse(readFileSync(path, 'utf8'))),
      leafHash: basename(path, '.json'),
    }))
  }

  private async outage(gone: GitFixture): Promise<void> {
    const away = `${gone.path}.away`
    renameSync(gone.path, away)
    this.service.clock.advance(hourMs)
    const key = { agreementId: this.first.id, source: 'tools' }
    await expect(this.service.get(MirrorSource).run(key, { full: false })).rejects.toMatchObject({
      code: expect.stringMatching(/^REMOTE_/) as string,
    })
    renameSync(away, gone.path)
    await this.service.mirror(this.first, 'tools')
  }

  /** The depositor explains the branch that it set back on day 2. */
  private async explain(): Promise<void> {
    const { service, first } = this
    const rows = await service.database.query((db) => listDeposits(db, { agreementId: first.id, source: 'engine' }, Infinity, 10))
    const { sequence, manifestDigest: manifest } = rows.find((row) => row.blocking)!
    const now = service.clock.now()
    const fields = firstFieldsOf(first.signed, { party: service.party('vendor'), epoch: 1, now, days: 30 })
    const matter = { source: 'engine', sequence, manifest, codes: ['REFS_REWRITTEN' as const], explanation: 'a commit was taken back' }
    const body = { type: 'escrow/statement/finding-explanation/v1' as const, ...fields, ...matter }
    const bytes = signDocument({ body, schema: FindingExplanation, key: service.party('vendor').signingKey })
    expect(await service.get(RecordExplanation).run(bytes)).toMatchObject({ settled: true })
  }

  /** One copy is altered and one is lost; both are found and repaired. */
  private async damageAndRepair(): Promise<void> {
    const [altered = '', lost = ''] = this.envelopes('b')
    flipBit(altered)
    deleteFile(lost)
    const { bad } = await this.service.get(CheckFixity).run({ all: true, replica: 'b' })
    expect(bad.map(({ outcome }) => outcome).sort()).toEqual(['mismatch', 'missing'])
    const { repaired, failed } = await this.service.get(RepairObject).run(null)
    expect([repaired.length, failed.length]).toEqual([2, 0])
  }

  /** Found bad but not repaired when the index is lost; mended by itself, as a disk may be. The log says bad until it is read again. */
  private async lastDamage(): Promise<void> {
    const path = this.envelopes('a').at(-1) ?? ''
    flipBit(path)
    const { bad } = await this.service.get(CheckFixity).run({ all: true, replica: 'a' })
    expect(bad).toHaveLength(1)
    flipBit(path)
  }
}

/** Flip one bit of a stored file; twice is as before. */
export function flipBit(path: string): void {
  const bytes = readFileSync(path)
  const place = Math.floor(bytes.length / 2)
  bytes[place] = bytes[place]! ^ 1
  overwrite(path, bytes)
}

/** Put other bytes into a stored file. */
export function overwrite(path: string, bytes: Uint8Array | string): void {
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  chmodSync(path, 0o444)
}

/** Delete a stored file. */
export function deleteFile(path: string): void {
  rmSync(path, { force: true })
}

function repository(): GitFixture {
  const made = new GitFixture()
  made.addCommits('refs/heads/main', 3)
  return made
}

type Row = Record<string, unknown>

/** What docs/decisions/0001 says that a rebuild does not bring back. */
const leftOut: Readonly<Record<string, readonly string[]>> = {
  source: ['lookAt', 'dueAt', 'failures', 'failureCode', 'failedAt', 'capability', 'credentialFile'],
  release_request: ['revision'],
  shutdown_order: ['revision'],
  legal_order: ['revision'],
  held_share: ['place'],
  silence_watch: ['revision', 'lookAt'],
  stored_object: ['objectId', 'attemptId'],
  replica: ['addedAt'],
  replica_copy: ['copyId', 'objectId', 'storedAt', 'verifiedAt', 'nextCheckAt'],
  fixity_check: ['checkId', 'copyId'],
  log_entry: ['entryId'],
  log_head: ['checkpointAt', 'holder', 'fencingToken', 'leaseExpiresAt'],
}
const notes = ['lease', 'attempt', 'log_witness', 'log_turn', 'attachment', 'chore', 'host_slot', 'host_pace', 'grant_access']
const notBroughtBack = new Set([...notes, 'notice', 'notice_contact', 'notice_delivery', 'notice_cursor'])
/** Rows that no log tells of, and a report that the log tells without the answers. */
const plainRows: Readonly<Record<string, (row: Row) => readonly Row[]>> = {
  held_share: (row) => (row['releasedAt'] === null ? [] : [row]),
  silence_watch: (row) => ((row['watch'] as Row)['name'] === 'present' ? [] : [row]),
  drill: (row) => [row['kind'] === 'approval' ? { ...row, report: null } : row],
}

/** Every row but what a rebuild does not bring back, named by what it is about and not by numbers, in a fixed order. */
export async function dumpIndex(database: Database): Promise<Record<string, readonly Row[]>> {
  const tables: Record<string, Row[]> = {}
  for (const [name, table] of Object.entries(projectTables)) {
    if (notBroughtBack.has(name)) continue
    expect(getTableName(table)).toBe(name)
    const rows: readonly Row[] = await database.query((db) => db.select().from(table))
    tables[name] = rows.flatMap((row) => plainRows[name]?.(row) ?? [row])
  }
  const objects = new Map(tables['stored_object']!.map((row) => [row['objectId'], row]))
  const copies = new Map(tables['replica_copy']!.map((row) => [row['copyId'], row]))
  const keyOf = (objectId: unknown) => objects.get(objectId)!['key']
  const isOrphan = (row: Row) => row['attemptId'] !== null && row['depositId'] === null
  tables['replica_copy'] = tables['replica_copy']!.filter((row) => !isOrphan(objects.get(row['objectId'])!)).map((row) => ({
    ...row,
    key: keyOf(row['objectId']),
  }))
  tables['stored_object'] = tables['stored_object']!.filter((row) => !isOrphan(row))
  tables['deposit_attachment'] = tables['deposit_attachment']!.map(({ objectId, ...row }) => ({ ...row, key: keyOf(objectId) }))
  tables['fixity_check'] = tables['fixity_check']!.filter((row) => row['outcome'] !== 'match').map((row) => {
    const copy = copies.get(row['copyId'])!
    return { ...row, versionId: copy['versionId'], key: keyOf(copy['objectId']) }
  })
  return Object.fromEntries(
    Object.entries(tables).map(([name, rows]) => [name, rows.map((row) => without(row, leftOut[name] ?? [])).sort(byText)]),
  )
}

function without(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([column]) => !columns.includes(column)))
}

const byText = (left: Row, right: Row) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)
