import type { INestApplicationContext } from '@nestjs/common'
import { Database } from '../db/database.js'
import { PublishLog } from '../escrow/publish-log.js'
import { LogOptions } from '../log/log-options.js'
import { readLogState, type WitnessState } from '../log/log-state.js'
import { withService } from './agent-context.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { formatCount } from './terminal.js'

/** Bring pending entries into the log and issue the receipts that wait for them, before a command ends. */
export async function publishLog(app: INestApplicationContext, signal: AbortSignal): Promise<void> {
  await app.get(PublishLog).run(signal)
}

/** Publish what is pending and show the state of the log. Exit 3 while fewer witnesses cosign than the policy demands. */
export async function log(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const { receipts } = await app.get(PublishLog).run(context.signal)
    const { policy } = app.get<LogOptions>(LogOptions)
    const state = await readLogState(app.get(Database), policy)
    const lines = columns([
      ['log', policy.origin],
      ['size', `${formatCount(state.size)} leaves, ${state.pending} pending`],
      [
        'witnessed',
        policy.witnessQuorum === 0
          ? 'no witness is demanded'
          : `up to ${formatCount(state.witnessedSize)}${state.degraded ? ': DEGRADED' : ''}`,
      ],
      ...state.witnesses.map((witness): [string, string] => [`witness ${witness.name}`, describeWitness(witness)]),
      ['receipts', `${receipts} issued now`],
    ])
    return { json: { ...state, receipts }, lines, exitCode: state.degraded ? 3 : 0 }
  })
}

function describeWitness({ size, cosignedAt, failure }: WitnessState): string {
  const last = cosignedAt === null ? 'never cosigned' : `cosigned ${formatCount(size)} leaves at ${cosignedAt.toISOString()}`
  return failure === null ? last : `${last}; failed ${failure.times} times: ${failure.words} [${failure.code ?? '?'}]`
}
