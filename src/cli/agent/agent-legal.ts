// Orders against the operator itself. Every command signs one statement with the agent's key and records it; none of them can reach material.
import type { INestApplicationContext } from '@nestjs/common'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { documentBytesMax, rowsMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { Database } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import type { LegalCheck, LegalOutcome, StatementOf } from '../../format/statement.js'
import { openChecks } from '../../release/legal/legal-order.js'
import { findLegalOrder, listLegalOrders, type LegalOrderRow } from '../../release/legal/legal-order.table.js'
import { RecordStatement } from '../../release/record-statement.js'
import { SignAsAgent } from '../../release/sweep/sign-as-agent.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { present } from './agent-release.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile } from '../files.js'
import { readEvidence } from '../party/sign-statement.js'

/** Register an order against the agent. @throws EscrowError `NOT_FOUND`, `ARGUMENT_INVALID` */
export async function registerLegal(
  context: CommandContext,
  options: {
    readonly agreement: string
    readonly kind: StatementOf<'legal-order'>['kind']
    readonly issuer: string
    readonly jurisdiction: string
    readonly reference: string
    readonly document: readonly string[]
    readonly receivedAt?: string
    readonly contestUntil?: string
    readonly gag: boolean
    readonly gagUntil?: string
  },
): Promise<CommandResult> {
  const { kind, issuer, jurisdiction, reference, gagUntil = null } = options
  const documents = await readEvidence(options.document)
  return withService(context, async (app) => {
    const { signed } = await app.get(AgreementShelf).get(options.agreement)
    const matter = {
      kind,
      issuer,
      jurisdiction,
      reference,
      documents,
      receivedAt: options.receivedAt ?? new SystemClock().now().toISOString(),
      contestUntil: options.contestUntil ?? null,
      noticeForbidden: options.gag || gagUntil !== null,
      noticeForbiddenUntil: gagUntil,
    }
    const epoch = signed.body.vault.epochs[0]?.epoch ?? 1
    return recordAndShow(context, app, app.get(SignAsAgent).run(signed, { name: 'legal-order', epoch }, matter))
  })
}

interface StepOptions {
  readonly proof: string
}

/** Record that a check is done. */
export function checkLegal(
  context: CommandContext,
  options: StepOptions & { readonly check: LegalCheck },
  order: string,
): Promise<CommandResult> {
  return recordStep(context, { order, proof: options.proof, step: { kind: 'check-done', check: options.check } })
}

/** Record that the order is contested. */
export function contestLegal(
  context: CommandContext,
  options: StepOptions & { readonly until: string },
  order: string,
): Promise<CommandResult> {
  return recordStep(context, { order, proof: options.proof, step: { kind: 'contested', until: options.until } })
}

/** Record that the parties may be notified. */
export function allowNotice(context: CommandContext, options: StepOptions, order: string): Promise<CommandResult> {
  return recordStep(context, { order, proof: options.proof, step: { kind: 'notice-allowed' } })
}

/** Close an order. */
export function answerLegal(
  context: CommandContext,
  options: StepOptions & { readonly outcome: LegalOutcome },
  order: string,
): Promise<CommandResult> {
  return recordStep(context, { order, proof: options.proof, step: { kind: 'answered', outcome: options.outcome } })
}

async function recordStep(
  context: CommandContext,
  what: { readonly order: string; readonly proof: string; readonly step: StatementOf<'legal-order-step'>['step'] },
): Promise<CommandResult> {
  const { order, step } = what
  const proof = sha256Hex(await readNamedFile(what.proof, documentBytesMax))
  return withService(context, async (app) => {
    const row = await app.get<Database>(Database).query((db) => findLegalOrder(db, order))
    if (row === null) throw new EscrowError('NOT_FOUND', `no legal order has the digest ${order}`)
    const { signed } = await app.get(AgreementShelf).version(row.agreementDigest)
    const epoch = signed.body.vault.epochs[0]?.epoch ?? 1
    return recordAndShow(context, app, app.get(SignAsAgent).run(signed, { name: 'legal-order-step', epoch }, { order, step, proof }))
  })
}

async function recordAndShow(context: CommandContext, app: INestApplicationContext, bytes: Uint8Array): Promise<CommandResult> {
  const outcomes = await app.get(RecordStatement).run(bytes, context.signal)
  await publishLog(app, context.signal)
  return present(outcomes)
}

/** List orders with their clocks and open checks. Exit 3 when an answer is overdue. */
export async function showLegal(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const rows = await app.get<Database>(Database).query((db) => listLegalOrders(db, rowsMax))
    const lines = rows.flatMap((row) => linesOf(row))
    const json = {
      orders: rows.map(({ orderDigest, agreementId, progress }) => ({
        ...progress,
        order: orderDigest,
        agreement: agreementId,
        open: openChecks(progress),
      })),
    }
    const late = rows.some((row) => row.state === 'overdue')
    return { json, lines: lines.length === 0 ? ['no order against the operator is registered here'] : lines, exitCode: late ? 3 : 0 }
  })
}

function linesOf({ orderDigest, agreementId, progress }: LegalOrderRow): readonly string[] {
  const { state, noticeAllowed, noticeForbiddenUntil } = progress
  const end = 'until' in state ? `until ${state.until}` : state.outcome
  return [
    `legal order ${orderDigest}`,
    ...columns([
      ['agreement', agreementId],
      ['state', `${state.name}, ${end}`],
      [
        'notice',
        noticeAllowed ? 'the parties are to be notified' : `FORBIDDEN ${noticeForbiddenUntil ?? 'without an end; ask for its lifting'}`,
      ],
      ['open', openChecks(progress).join(', ') || 'nothing'],
    ]),
  ]
}
