import type { INestApplicationContext } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { ExtendRetention, type ExtendedRetention } from '../../escrow/archive/extend-retention.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { CheckFixity, type Checked } from '../../verify/check-fixity.js'
import { RepairLog, type RepairedLog } from '../../verify/repair-log.js'
import { RepairObject, type RepairedObjects } from '../../verify/repair-object.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import type { CommandContext, CommandResult } from '../command.js'
import { exitCodeOf, type ExitCode } from '../exit-code.js'
import { formatBytes, formatCount } from '../terminal.js'

const logFilesShownMax = 50

/** Read stored copies again. Exit 3 when one is not as it must be. */
export async function check(
  context: CommandContext,
  options: { readonly all: boolean; readonly replica?: string },
): Promise<CommandResult> {
  return withService(context, async (app) => {
    requireReplica(app, options.replica)
    const onCopy = ({ copies, bytes }: { readonly copies: number; readonly bytes: number }) =>
      context.progress({ phase: 'checking', done: copies, unit: 'objects', bytes })
    const checked = await app.get(CheckFixity).run({ all: options.all, replica: options.replica ?? null, onCopy }, context.signal)
    if (checked.bad.length > 0) await publishLog(app, context.signal)
    return presentCheck(checked, await app.get(ExtendRetention).run(context.signal))
  })
}

function presentCheck(checked: Checked, retention: ExtendedRetention): CommandResult {
  const { lines, json, exitCode } = presentFixity(checked)
  const failed = retention.failed.map(
    ({ replica, error }) => `replica ${replica} did not lengthen its locks: ${error.message} [${error.code}]`,
  )
  const locks = retention.extended === 0 ? [] : [`${formatCount(retention.extended)} locks lengthened`]
  const [first] = retention.failed
  return {
    json: {
      ...json,
      locksExtended: retention.extended,
      locksFailed: retention.failed.map(({ replica, error }) => ({ replica, code: error.code })),
    },
    lines: [...lines, ...locks, ...failed],
    exitCode: exitCode !== 0 || first === undefined ? exitCode : exitCodeOf(first.error),
  }
}

function presentFixity({ copies, bytes, bad }: Checked): {
  readonly json: object
  readonly lines: readonly string[]
  readonly exitCode: ExitCode
} {
  const read = `${formatCount(copies)} copies, ${formatBytes(bytes)}`
  if (bad.length === 0)
    return {
      json: { copies, bytes, bad },
      lines: [copies === 0 ? 'nothing is due to be checked' : `${read}: every one matches`],
      exitCode: 0,
    }
  const lines = bad.map(({ key, replica, outcome }) => `  ${outcome}  ${replica}  ${key}`)
  return {
    json: { copies, bytes, bad },
    lines: [`${read}: ${bad.length} not as they must be`, ...lines, 'run `escrow repair`'],
    exitCode: 3,
  }
}

/**
 * Replace bad and fill in absent copies, of the archive's objects and of the log: also everything that a replica lacks that was added later.
 * Exit 3 or 5 when something could not be repaired.
 */
export async function repair(context: CommandContext, options: { readonly replica?: string }): Promise<CommandResult> {
  return withService(context, async (app) => {
    requireReplica(app, options.replica)
    const replica = options.replica ?? null
    const objects = await app.get(RepairObject).run(replica, context.signal)
    if (objects.repaired.length > 0) await publishLog(app, context.signal)
    const onLeaves = (done: number, total: number) => context.progress({ phase: 'log', done, total, unit: 'objects' })
    const log = await app.get(RepairLog).run({ replica, onLeaves }, context.signal)
    return presentRepair(objects, log)
  })
}

function presentRepair(objects: RepairedObjects, log: RepairedLog): CommandResult {
  const failed = [...objects.failed, ...log.failed.map(({ path: key, ...rest }) => ({ key, ...rest }))]
  const lines = [
    ...objects.repaired.map(({ key, replica, versionId }) => `  repaired  ${replica}  ${key} (version ${versionId})`),
    ...log.repaired.slice(0, logFilesShownMax).map(({ path, replica }) => `  repaired  ${replica}  ${path}`),
    ...(log.repaired.length > logFilesShownMax
      ? [`  and ${formatCount(log.repaired.length - logFilesShownMax)} more files of the log`]
      : []),
    ...failed.map(({ key, replica, error }) => `  failed    ${replica}  ${key}: ${error.message} [${error.code}]`),
  ]
  const json = {
    repaired: objects.repaired,
    log: { leaves: log.leaves, repaired: log.repaired },
    failed: failed.map(({ key, replica, error }) => ({ key, replica, code: error.code, message: error.message })),
  }
  const done = objects.repaired.length + log.repaired.length
  const summary = done + failed.length === 0 ? 'nothing to repair' : `${formatCount(done)} repaired, ${failed.length} could not be repaired`
  return { json, lines: [summary, ...lines], exitCode: failed[0] === undefined ? 0 : exitCodeOf(failed[0].error) }
}

/** That nothing was found amiss at a replica that nobody has would be a lie. */
function requireReplica(app: INestApplicationContext, name: string | undefined): void {
  const names = app.get(ReplicaSet).replicas.map((replica) => replica.name)
  if (name !== undefined && !names.includes(name))
    throw new EscrowError('NOT_FOUND', `there is no replica ${name}; the configuration names ${names.join(', ')}`)
}
