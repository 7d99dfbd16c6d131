import { EscrowError, isEscrowError } from '../../core/errors.js'
import type { DepositProgress } from '../../deposit/progress.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import { ListSources } from '../../escrow/source/list-sources.js'
import { MirrorSource } from '../../escrow/deposit/mirror-source.js'
import { RecordMissed, type MissedPeriod } from '../../escrow/source/record-missed.js'
import type { Mirrored } from '../../escrow/basis/source-at-work.js'
import type { SourceKey } from '../../escrow/archive/lease.table.js'
import { withService } from './agent-context.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { exitCodeOf, type ExitCode } from '../exit-code.js'
import { findingRows } from '../finding-rows.js'
import { publishLog } from './agent-log.js'
import { formatBytes, formatCount, inTerminal } from '../terminal.js'

/** Missed deadlines that are listed for a person; all of them are recorded. */
const missedShownMax = 20

interface MirrorOptions {
  readonly agreement?: string
  readonly source?: string
  readonly full: boolean
}

type Ended = { readonly key: SourceKey } & ({ readonly mirrored: Mirrored } | { readonly error: EscrowError })

/** Mirror sources one after the other; one that fails does not stop the others. The exit code is that of the first failure. */
export async function mirror(context: CommandContext, options: MirrorOptions): Promise<CommandResult> {
  return withService(context, async (app) => {
    const wanted = { agreement: options.agreement ?? null, source: options.source ?? null }
    const sources = await app.get(ListSources).pulled(wanted)
    if (sources.length === 0) throw new EscrowError('NOT_FOUND', nothingToMirror(options))
    const titles = await titlesOf(app.get(AgreementShelf), sources)
    // A deposit does not wait for a log that cannot take the news of a missed deadline; the next run records it.
    const missed = await orFault(app.get(RecordMissed).run(context.signal), context.signal)
    const ended: Ended[] = []
    for (const key of sources) ended.push(await mirrorOne(context, { key, full: options.full, mirrorSource: app.get(MirrorSource) }))
    const published = await orFault(publishLog(app, context.signal), context.signal)
    const shown = present(ended, titles, [published, missed].find((one) => one instanceof EscrowError) ?? null)
    const told = missed instanceof EscrowError ? [] : missed
    return { ...shown, json: { ...jsonOfMissed(told), ...shown.json }, lines: [...linesOfMissed(told), ...shown.lines] }
  })
}

/** Record deadlines that have passed. Exit 3 when there were any. */
export async function tick(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const missed = await app.get(RecordMissed).run(context.signal)
    await publishLog(app, context.signal)
    const lines = missed.length === 0 ? ['no deadline has passed'] : linesOfMissed(missed)
    return { json: jsonOfMissed(missed), lines, exitCode: missed.length === 0 ? 0 : 3 }
  })
}

function linesOfMissed(missed: readonly MissedPeriod[]): readonly string[] {
  const shown = missed.slice(0, missedShownMax).map(({ source, periodAt, deadlineAt }) => {
    return `${source}: nothing came for ${periodAt.toISOString()} until ${deadlineAt.toISOString()}: recorded as missed`
  })
  return missed.length > shown.length ? [...shown, `and ${formatCount(missed.length - shown.length)} more`] : shown
}

function jsonOfMissed(missed: readonly MissedPeriod[]) {
  return {
    missed: missed.map(({ agreementId, source, periodAt, deadlineAt }) => ({ agreement: agreementId, source, periodAt, deadlineAt })),
  }
}

async function mirrorOne(
  context: CommandContext,
  job: { readonly key: SourceKey; readonly full: boolean; readonly mirrorSource: MirrorSource },
): Promise<Ended> {
  const { key, full } = job
  try {
    const onProgress = (progress: DepositProgress) => context.progress(inTerminal(key.source, progress))
    return { key, mirrored: await job.mirrorSource.run(key, { full, onProgress }, context.signal) }
  } catch (error) {
    context.signal.throwIfAborted()
    if (!isEscrowError(error)) throw error
    return { key, error }
  }
}

async function titlesOf(shelf: AgreementShelf, sources: readonly SourceKey[]): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(sources.map((source) => source.agreementId))]
  return new Map(await Promise.all(ids.map(async (id): Promise<[string, string]> => [id, (await shelf.get(id)).row.title])))
}

function nothingToMirror({ agreement, source }: MirrorOptions): string {
  if (agreement === undefined && source === undefined) return 'there is no source to mirror; register an agreement and arm its vault first'
  const where = agreement === undefined ? '' : ` in ${agreement}`
  return `there is no pulled source${source === undefined ? '' : ` ${source}`}${where}; escrow agreement show lists them`
}

/** What the sources came to is said in any case, also when the log cannot be published. */
async function orFault<T>(work: Promise<T>, signal: AbortSignal): Promise<T | EscrowError> {
  try {
    return await work
  } catch (error) {
    signal.throwIfAborted()
    if (!isEscrowError(error)) throw error
    return error
  }
}

function present(
  ended: readonly Ended[],
  titles: ReadonlyMap<string, string>,
  logFault: EscrowError | null,
): CommandResult & { readonly json: { readonly sources: readonly unknown[]; readonly log: unknown } } {
  const failed = [...ended.flatMap((one) => ('error' in one ? [one.error] : [])), ...(logFault === null ? [] : [logFault])]
  const exitCode: ExitCode = failed[0] === undefined ? 0 : exitCodeOf(failed[0])
  const lines = ended.flatMap((one) => [`${one.key.source}  (${titles.get(one.key.agreementId) ?? one.key.agreementId})`, ...linesOf(one)])
  if (logFault !== null) {
    const said = `not published: ${logFault.message} [${logFault.code}]`
    lines.push(
      ...columns([
        ['log', said],
        ['', 'what was deposited stays pending; the next run publishes it and issues its receipts'],
      ]),
    )
  }
  const log = logFault === null ? null : { code: logFault.code, message: logFault.message }
  return { json: { sources: ended.map((one) => jsonOf(one)), log }, lines, exitCode }
}

function linesOf(ended: Ended): readonly string[] {
  if ('error' in ended)
    return columns([
      ['failed', `${ended.error.message} [${ended.error.code}]`],
      ['', ended.error.advice],
    ])
  const { mirrored } = ended
  if (mirrored.outcome === 'unchanged') return columns([['unchanged', `the remote is as deposit ${mirrored.sequence} has it`]])
  return describeDeposit(mirrored)
}

/** What a person reads about a deposit. */
export function describeDeposit(mirrored: Extract<Mirrored, { outcome: 'deposited' }>): readonly string[] {
  const { manifest, findings } = mirrored
  const { bundle, envelope } = manifest
  return columns([
    ['deposit', `${manifest.sequence}, ${manifest.kind}${mirrored.resumed ? ', finished for a run that had stopped' : ''}`],
    ['refs', formatCount(manifest.refCount)],
    ['objects', `${formatCount(bundle.objectCount)} in ${formatBytes(bundle.sizeBytes)}`],
    ['sealed', `${formatBytes(envelope.sizeBytes)} to ${envelope.recipient.slice(0, 16)}..., epoch ${envelope.epoch}`],
    ['manifest', mirrored.manifestDigest],
    ...findingRows(manifest.findings, findings),
    ...mirrored.late.map(({ replica, error }): [string, string] => ['caught up', `replica ${replica} after: ${error.message}`]),
  ])
}

function jsonOf(ended: Ended): unknown {
  const { agreementId, source } = ended.key
  if ('error' in ended) return { agreement: agreementId, source, outcome: 'failed', code: ended.error.code, message: ended.error.message }
  const { mirrored } = ended
  if (mirrored.outcome === 'unchanged') return { agreement: agreementId, source, outcome: 'unchanged', sequence: mirrored.sequence }
  const { manifest, manifestDigest, depositId, findings, resumed } = mirrored
  return { agreement: agreementId, source, outcome: 'deposited', deposit: depositId, resumed, manifestDigest, manifest, findings }
}
