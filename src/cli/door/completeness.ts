import { EscrowError } from '../../core/errors.js'
import { levelWords, outcomeWords, renderCompleteness } from '../../evidence/render-completeness.js'
import type { Completeness, ReportedCheck } from '../../format/completeness.js'
import { required, type CommandContext, type CommandResult } from '../command.js'
import { writeNamedFile } from '../files.js'
import { formatCount, printable } from '../terminal.js'
import { softwareVersion } from '../version.js'

interface CompletenessOptions {
  readonly agreement: string
  readonly source: string
  readonly sequence?: number
  readonly as?: string
  readonly from?: string
  readonly format: 'text' | 'html' | 'json'
  readonly out?: string
  readonly demand?: 'L0' | 'L1' | 'L2'
}

/** Names shown of one finding on a terminal. */
const namesShownMax = 10

/**
 * Report how complete a deposit is: the operator on its home folder, a party from a copy of the archive or from a service.
 *
 * @returns exit code 3 when the level is below `--demand`.
 * @throws EscrowError `ARGUMENT_INVALID`; `NOT_FOUND`; what a document that does not hold is refused with
 */
export async function completeness(context: CommandContext, options: CompletenessOptions): Promise<CommandResult> {
  const report = await reportOf(context, options)
  const exitCode = options.demand !== undefined && !reaches(report, options.demand) ? 3 : 0
  const text = textOf(report, options.format)
  if (options.out === undefined) return { json: report, lines: text, exitCode }
  await writeNamedFile(options.out, `${text.join('\n')}\n`, { replace: false })
  const lines = [`${report.source}, deposit ${report.sequence}: ${levelWords[report.level ?? 'none']}; the report is in ${options.out}`]
  return { json: report, lines, exitCode }
}

async function reportOf(context: CommandContext, options: CompletenessOptions): Promise<Completeness> {
  const { agreement, source, as, from, sequence = null } = options
  if (as === undefined) {
    if (context.service !== null || from !== undefined) required(as, '--as: a party opens the inventory with its own key')
    return (await import('../agent/agent-completeness.js')).reportFromHome(context, { agreement, source, sequence })
  }
  const { reportFromArchive, reportFromService } = await import('../holder/restore/holder-completeness.js')
  const wish = { as, agreement, source, sequence }
  if (context.service === null) return reportFromArchive(required(from, '--from, or --url and --token-file'), wish, context.signal)
  if (from !== undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected --from, or --url and --token-file, got both')
  return reportFromService(context.service, wish, context.signal)
}

const reaches = ({ level }: Completeness, demand: string): boolean => level !== null && level >= demand

function textOf(report: Completeness, format: CompletenessOptions['format']): readonly string[] {
  if (format === 'json') return [JSON.stringify(report, undefined, 2)]
  if (format === 'html') return [renderCompleteness(report, `reduit ${softwareVersion()}`).trimEnd()]
  const nameless = report.files === null ? ['  file names are sealed to the parties; this report was made without them'] : []
  return [
    `${report.source}, deposit ${report.sequence} of ${report.takenAt.slice(0, 10)}: ${levelWords[report.level ?? 'none']}`,
    ...nameless,
    ...report.checks.flatMap((check) => linesOf(check)),
  ]
}

function linesOf({ level, title, outcome, findings }: ReportedCheck): readonly string[] {
  const word = outcome === 'fail' ? outcomeWords.fail.toUpperCase() : outcomeWords[outcome]
  return [`  ${level}  ${word.padEnd(16)}  ${title}`, ...findings.flatMap((finding) => findingLines(finding))]
}

function findingLines({ code, count, named, add }: ReportedCheck['findings'][number]): readonly string[] {
  const shown = named.slice(0, namesShownMax)
  const rest = count - shown.length
  const indent = ' '.repeat(24)
  return [
    `${indent}${code} (${formatCount(count)})`,
    ...shown.map(({ subject, detail }) => `${indent}  ${printable(detail === '' ? subject : `${subject}: ${detail}`)}`),
    ...(rest > 0 && shown.length > 0 ? [`${indent}  and ${formatCount(rest)} more`] : []),
    `${indent}  -> ${add}`,
  ]
}
