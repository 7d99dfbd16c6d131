import type { INestApplicationContext } from '@nestjs/common'
import { documentBytesMax, rowsMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { Database } from '../../db/database.js'
import { RecordStatement } from '../../release/record-statement.js'
import type { Outcome } from '../../release/order/register-order.js'
import { listOrders } from '../../release/release.table.js'
import { OrderShelf } from '../../release/order/order-shelf.js'
import { ReleaseDesk } from '../../release/request/release-desk.js'
import { SignAsAgent } from '../../release/sweep/sign-as-agent.js'
import { SweepReleases } from '../../release/sweep/sweep-releases.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile } from '../files.js'

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
