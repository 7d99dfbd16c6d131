import { rowsMax } from '../../core/limits.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { listAlarms } from '../../release/custody/custody.table.js'
import type { ApprovalDrillReport, RestoreDrillReport } from '../../release/drill/drill.js'
import { findDrill, listDrills, type DrillRow } from '../../release/drill/drill.table.js'
import { StartDrill, type DrillWish } from '../../release/drill/start-drill.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { writeNamedFile } from '../files.js'

interface StartOptions {
  readonly agreement: string
  readonly condition?: string
  readonly rehearsal?: string
  readonly source?: string
  readonly canary?: string
  readonly hours: number
  readonly out: string
}

/** Summon the parties to a rehearsal. @throws EscrowError `ARGUMENT_INVALID`, `NOT_FOUND`, `VAULT_NOT_ARMED` */
export async function startDrill(context: CommandContext, options: StartOptions): Promise<CommandResult> {
  const wish = wishOf(options)
  return withService(context, async (app) => {
    const { drill, summons } = await app.get(StartDrill).run(options.agreement, wish, options.hours, context.signal)
    await publishLog(app, context.signal)
    await writeNamedFile(options.out, summons)
    const who = wish.kind === 'approval' ? 'custodians and groups: `escrow drill vote`' : 'a beneficiary: `escrow drill restore`'
    const lines = columns([
      ['drill', drill],
      ['answers by', `${who}, within ${options.hours} hours; \`escrow release record\` takes them`],
      ['written to', options.out],
    ])
    return { json: { drill, kind: wish.kind, file: options.out }, lines }
  })
}

function wishOf({ condition, rehearsal, source, canary }: StartOptions): DrillWish {
  if (condition !== undefined && rehearsal === undefined) return { kind: 'approval', condition }
  if (condition === undefined && rehearsal !== undefined && source !== undefined && canary !== undefined) {
    return { kind: 'restore', rehearsal, source, canary }
  }
  throw new EscrowError(
    'ARGUMENT_INVALID',
    'expected --condition for an approval drill, or --rehearsal, --source and --canary for a restore drill',
  )
}

/** List drills with what they came to, and what is overdue. Exit 3 when something is. */
export async function listAllDrills(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const database = app.get<Database>(Database)
    const drills = await database.query((db) => listDrills(db, null, rowsMax))
    const overdue = (await database.query((db) => listAlarms(db, null, rowsMax))).filter(({ alarm }) => alarm.endsWith('overdue'))
    const lines = [
      ...columns(overdue.map((row) => [`OVERDUE ${row.agreementId}`, `${row.alarm} ${row.about}, since ${row.since.toISOString()}`])),
      ...drills.flatMap((row) => linesOf(row)),
    ]
    const json = {
      overdue: overdue.map(({ agreementId, alarm, about, since }) => ({ agreement: agreementId, alarm, about, since })),
      drills: drills.map(({ drillDigest, agreementId, kind, startedAt, endsAt, outcome, report }) => ({
        drill: drillDigest,
        agreement: agreementId,
        kind,
        startedAt,
        endsAt,
        outcome,
        report,
      })),
    }
    return { json, lines: lines.length === 0 ? ['no drill was held here'] : lines, exitCode: overdue.length > 0 ? 3 : 0 }
  })
}

/** What one drill came to, answer by answer. Exit 3 unless it has passed. @throws EscrowError `NOT_FOUND` */
export async function reportDrill(context: CommandContext, _options: object, drill: string): Promise<CommandResult> {
  return withService(context, async (app) => {
    const row = await app.get<Database>(Database).query((db) => findDrill(db, drill))
    if (row === null) throw new EscrowError('NOT_FOUND', `no drill has the digest ${drill}`)
    const { agreementId, kind, startedAt, endsAt, outcome, report } = row
    const answers = report !== null && 'answers' in report ? report.answers : []
    const json = { drill, agreement: agreementId, kind, startedAt, endsAt, outcome, report }
    const lines = [...linesOf(row), ...columns(answers.map(({ person, vote }) => [person, vote]))]
    return { json, lines, exitCode: outcome === 'pass' ? 0 : 3 }
  })
}

function linesOf(row: DrillRow): readonly string[] {
  const { drillDigest, agreementId, kind, startedAt, endsAt, outcome, report } = row
  return [
    `${kind} drill ${drillDigest}`,
    ...columns([
      ['agreement', agreementId],
      ['started', `${startedAt.toISOString()}, until ${endsAt.toISOString()}`],
      ['outcome', outcome ?? 'under way'],
      ...(report === null ? [] : measured(report)),
    ]),
  ]
}

function measured(report: ApprovalDrillReport | RestoreDrillReport): readonly (readonly [string, string])[] {
  const minutes = (some: number | null) => (some === null ? 'never' : `${some} minutes`)
  if ('answers' in report) {
    const silent = report.answers.filter(({ vote }) => vote === 'silent').map(({ person }) => person)
    return [
      ['quorum after', minutes(report.quorumMinutes)],
      ['silent', silent.join(', ') || 'nobody'],
    ]
  }
  return [
    ['recovery time', minutes(report.recoveryTimeMinutes)],
    ['recovery point', minutes(report.recoveryPointMinutes)],
  ]
}
