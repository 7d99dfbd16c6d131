import { monotonicMs } from '../../core/environment.js'
import { CheckLog, type CheckedLog } from '../../verify/check-log.js'
import { withService } from './agent-context.js'
import type { CommandContext, CommandResult } from '../command.js'
import { formatCount, formatDuration } from '../terminal.js'

const findingsShownMax = 50

/** Recompute the log from its tiles. Exit 3 when a copy of it is not as the newest checkpoint says. */
export async function checkLog(context: CommandContext, options: { readonly events: boolean }): Promise<CommandResult> {
  return withService(context, async (app) => {
    const startedMs = monotonicMs()
    const onLeaves = (done: number, total: number, phase: string) => context.progress({ phase, done, total, unit: 'objects' })
    const checked = await app.get(CheckLog).run({ events: options.events, onLeaves }, context.signal)
    return present(checked, monotonicMs() - startedMs)
  })
}

function present(checked: CheckedLog, durationMs: number): CommandResult {
  const { leaves, replicas, events, findings } = checked
  const looked = `${formatCount(leaves)} leaves at ${replicas.join(', ')}, ${formatCount(events)} events read, in ${formatDuration(durationMs)}`
  if (findings.length === 0) return { json: checked, lines: [`${looked}: everything leads to the checkpoint`] }
  const shown = findings
    .slice(0, findingsShownMax)
    .map(({ replica, path, problem, words }) => `  ${problem}  ${replica ?? '-'}  ${path}: ${words}`)
  const more = findings.length > shown.length ? [`  and ${formatCount(findings.length - shown.length)} more`] : []
  const lines = [`${looked}: ${formatCount(findings.length)} things are not as they must be`, ...shown, ...more]
  return { json: checked, lines, exitCode: 3 }
}
