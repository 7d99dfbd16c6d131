import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { INestApplicationContext } from '@nestjs/common'
import { documentBytesMax, evidenceBytesMax, rowsMax, signedDocumentBytesMax } from '../core/limits.js'
import { sha256Hex } from '../crypto/digest.js'
import { Database } from '../db/database.js'
import { ExportCase, type CaseFile } from '../release/export-case.js'
import { listAccesses, listGrants, type GrantRow } from '../release/grant.table.js'
import { KeepEvidence } from '../release/keep-evidence.js'
import { peekStatement } from '../release/statement-verifier.js'
import { evidenceOf } from '../format/statement.js'
import { RecordStatement } from '../release/record-statement.js'
import { listAlarms, listSilences, type SilenceRow } from '../release/custody.table.js'
import type { Outcome } from '../release/register-order.js'
import { findRequest, listHeldShares, listOrders, listRequests, listStatements, type RequestRow } from '../release/release.table.js'
import { OrderShelf } from '../release/order-shelf.js'
import { ReleaseDesk } from '../release/release-desk.js'
import { SignAsAgent } from '../release/sign-as-agent.js'
import { SweepReleases } from '../release/sweep-releases.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { exists, readNamedFile, writeNamedFile } from './files.js'
import { evidenceFolder } from './sign-statement.js'

/** Record signed statements that parties sent, and do what they make due. Exit 6 when one of them was refused everywhere. */
export async function recordRelease(context: CommandContext, _options: unknown, ...paths: string[]): Promise<CommandResult> {
  const documents = await Promise.all(paths.map((path) => readNamedFile(path, signedDocumentBytesMax)))
  return withService(context, async (app) => {
    const outcomes: Outcome[] = []
    for (const [place, bytes] of documents.entries()) {
      outcomes.push(...(await app.get(RecordStatement).run(bytes, context.signal)))
      await keepEvidence(app, { bytes, file: paths[place] ?? '' }, context.signal)
    }
    outcomes.push(...(await app.get(SweepReleases).run(context.signal)))
    await publishLog(app, context.signal)
    return present(outcomes)
  })
}

/** The documents that lie beside a statement's file, each named by its digest. */
async function keepEvidence(
  app: INestApplicationContext,
  of: { readonly bytes: Uint8Array; readonly file: string },
  signal: AbortSignal,
): Promise<void> {
  const { statement, digest } = peekStatement(of.bytes)
  for (const { sha256 } of evidenceOf(statement)) {
    const path = join(evidenceFolder(of.file), sha256)
    if (!(await exists(path))) continue
    await app.get(KeepEvidence).run({ statement: digest, bytes: await readNamedFile(path, evidenceBytesMax) }, signal)
  }
}

/** Do what is due: clocks, effective orders, released shares, grants. */
export async function tickReleases(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const outcomes = await app.get(SweepReleases).run(context.signal)
    await publishLog(app, context.signal)
    return outcomes.length === 0 ? { json: { outcomes: [] }, lines: ['nothing is due'] } : present(outcomes)
  })
}

/** Record that the depositor was served with a request or an order; the proof's digest goes into the log, the proof stays with the operator. */
export async function recordService(context: CommandContext, options: { readonly proof: string }, subject: string): Promise<CommandResult> {
  const proof = sha256Hex(await readNamedFile(options.proof, documentBytesMax))
  return withService(context, async (app) => {
    const outcomes = subject.startsWith('req_') ? await serveRequest(app, subject, proof) : await serveOrder(app, subject, proof)
    await publishLog(app, context.signal)
    return present(outcomes)
  })
}

async function serveRequest(app: INestApplicationContext, requestId: string, proof: string): Promise<readonly Outcome[]> {
  const { row, known } = await app.get(ReleaseDesk).requests.get(requestId)
  const matter = { subject: row.requestDigest, proof }
  return app.get(RecordStatement).run(app.get(SignAsAgent).run(known.signed, { name: 'notice-served', epoch: row.epoch }, matter))
}

/** One statement for each agreement that the order reaches: the agent's key is pinned in each of its own. */
async function serveOrder(app: INestApplicationContext, order: string, proof: string): Promise<readonly Outcome[]> {
  const rows = await app.get(Database).query((db) => listOrders(db, null, rowsMax))
  const served: Outcome[] = []
  for (const row of rows.filter((one) => one.orderDigest === order)) {
    const { known, epoch } = await app.get(OrderShelf).inForce(row.agreementId)
    const bytes = app.get(SignAsAgent).run(known.signed, { name: 'notice-served', epoch }, { subject: order, proof })
    served.push(...(await app.get(RecordStatement).run(bytes)).filter((outcome) => outcome.agreementId === row.agreementId))
  }
  return served
}

/** Record the formal check of a request: it passes, or is turned down for a written reason. */
export async function checkRequest(
  context: CommandContext,
  options: { readonly reject?: string },
  requestId: string,
): Promise<CommandResult> {
  const reason = options.reject === undefined ? null : sha256Hex(await readNamedFile(options.reject, documentBytesMax))
  return withService(context, async (app) => {
    const { row, known } = await app.get(ReleaseDesk).requests.get(requestId, context.signal)
    const matter = { requestDigest: row.requestDigest, passed: reason === null, reason }
    const bytes = app.get(SignAsAgent).run(known.signed, { name: 'formal-check', epoch: row.epoch }, matter)
    const outcomes = await app.get(RecordStatement).run(bytes, context.signal)
    await publishLog(app, context.signal)
    return present(outcomes)
  })
}

/** Show requests and orders, or one request with its history. */
export async function showReleases(context: CommandContext, _options: unknown, requestId?: string): Promise<CommandResult> {
  return withService(context, async (app) => {
    const database = app.get<Database>(Database)
    if (requestId !== undefined) return showOne(database, requestId)
    const requests = await database.query((db) => listRequests(db, null, rowsMax))
    const orders = await database.query((db) => listOrders(db, null, rowsMax))
    const silences = await database.query((db) => listSilences(db, rowsMax))
    const alarms = await database.query((db) => listAlarms(db, null, rowsMax))
    const lines = columns([
      ...alarms.map((row): [string, string] => [`ALARM ${row.agreementId}`, `${row.alarm} ${row.about}, since ${row.since.toISOString()}`]),
      ...silences.map((row) => linesOfSilence(row)),
      ...orders.map((row): [string, string] => [`order ${row.orderDigest}`, `${row.agreementId}: ${row.state}${until(row.dueAt)}`]),
      ...requests.map((row): [string, string] => [`request ${row.requestId}`, `${row.agreementId}: ${row.state}${until(row.dueAt)}`]),
    ])
    const json = {
      alarms: alarms.map(({ agreementId, alarm, about, since }) => ({ agreement: agreementId, alarm, about, since })),
      silences: silences.map(({ agreementId, watch }) => ({ agreement: agreementId, ...watch })),
      orders: orders.map(({ orderDigest, agreementId, state, dueAt }) => ({ order: orderDigest, agreement: agreementId, state, dueAt })),
      requests: requests.map((row) => summaryOf(row)),
    }
    return { json, lines: lines.length === 0 ? ['no request and no order is registered here, and no depositor is silent'] : lines }
  })
}

async function showOne(database: Database, requestId: string): Promise<CommandResult> {
  const row = await database.query((db) => findRequest(db, requestId))
  if (row === null) return { json: null, lines: [`no release request is named ${requestId}`], exitCode: 2 }
  const statements = await database.query((db) => listStatements(db, requestId, row.agreementId))
  const shares = await database.query((db) => listHeldShares(db, requestId))
  const grants = await database.query((db) => listGrants(db, requestId))
  const accesses = await database.query((db) => listAccesses(db, requestId, 0, rowsMax))
  const lines = [
    `${row.requestId}  ${row.state}${until(row.dueAt)}`,
    ...columns([
      ['agreement', `${row.agreementId}, ${row.agreementDigest}`],
      ['epoch', String(row.epoch)],
      ['order', row.orderDigest ?? 'none'],
      ...statements.map((one): [string, string] => [one.recordedAt.toISOString(), `${shortType(one.type)} by ${one.party}`]),
      ...shares.map((one): [string, string] => [
        one.receivedAt.toISOString(),
        `share of ${one.party}${one.releasedAt === null ? ', held back' : ', passed on'}`,
      ]),
      ...grants.map((one): [string, string] => [
        one.grantedAt.toISOString(),
        `granted to ${one.beneficiary} until ${(one.revokedAt ?? one.expiresAt).toISOString()}${one.revokedAt === null ? '' : ', revoked'}${returnWords(one)}`,
      ]),
      ['accesses', String(accesses.length)],
    ]),
  ]
  const handed = shares.map(({ party, releasedAt }) => ({ party, releasedAt }))
  return { json: { ...summaryOf(row), statements, grants, accesses, shares: handed }, lines }
}

/** Write every case as a folder of material that parties verify themselves; what was there is completed, never changed. */
export async function publishCases(context: CommandContext, options: { readonly to: string }): Promise<CommandResult> {
  return withService(context, async (app) => {
    await publishLog(app, context.signal)
    const database = app.get<Database>(Database)
    const exporter = app.get(ExportCase)
    const requests = await database.query((db) => listRequests(db, null, rowsMax))
    const orders = await database.query((db) => listOrders(db, null, rowsMax))
    for (const row of requests) await writeCase(join(options.to, row.requestId), await exporter.run(row.requestId, context.signal))
    for (const row of orders) {
      await writeCase(
        join(options.to, `order-${row.orderDigest.slice(0, 16)}-${row.agreementId}`),
        await exporter.ofOrder(row, context.signal),
      )
    }
    const cases = await readdir(options.to).catch(() => [])
    return {
      json: { to: options.to, requests: requests.length, orders: orders.length },
      lines: columns([
        ['cases', cases.toSorted((left, right) => left.localeCompare(right)).join(', ')],
        ['written to', options.to],
      ]),
    }
  })
}

async function writeCase(folder: string, files: readonly CaseFile[]): Promise<void> {
  for (const { path, bytes } of files) await writeNamedFile(join(folder, path), bytes)
}

/** Outcomes as people and scripts read them; exit 6 when everything was refused. */
export function present(outcomes: readonly Outcome[]): CommandResult {
  const refused = outcomes.filter((outcome) => outcome.error !== null)
  const lines = columns(
    outcomes.map(({ subject, state, error }): [string, string] => [
      subject,
      error === null ? (state ?? '') : `refused: ${error.message} [${error.code}]`,
    ]),
  )
  const json = {
    outcomes: outcomes.map(({ agreementId, subject, state, error }) => ({
      agreement: agreementId,
      subject,
      state,
      code: error?.code ?? null,
    })),
  }
  return { json, lines, ...(refused.length > 0 && refused.length === outcomes.length ? { exitCode: 6 as const } : {}) }
}

function summaryOf({ requestId, agreementId, requestDigest, state, epoch, dueAt }: RequestRow) {
  return { request: requestId, agreement: agreementId, digest: requestDigest, state, epoch, dueAt }
}

function linesOfSilence({ agreementId, watch }: SilenceRow): [string, string] {
  if (watch.name === 'present') return [`depositor of ${agreementId}`, 'is there']
  const what = watch.name === 'noticed' ? 'is silent; tell it. A request is proposed' : 'is silent; a beneficiary may ask for a release'
  return [
    `depositor of ${agreementId}`,
    `${what}, ${watch.name === 'noticed' ? 'at' : 'until'} ${watch.until} (${watch.reasons.join(', ')})`,
  ]
}

function until(dueAt: Date | null): string {
  return dueAt === null ? '' : `, next clock ${dueAt.toISOString()}`
}

function returnWords({ returnByAt, returnedAt }: GrantRow): string {
  if (returnedAt !== null) return `, copies gone ${returnedAt.toISOString()}`
  return returnByAt === null ? '' : `, copies to be gone by ${returnByAt.toISOString()}`
}

function shortType(type: string): string {
  return type.split('/').at(-2) ?? type
}
