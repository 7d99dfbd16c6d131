import type { WitnessState } from '../../log/log-state.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { withDoor } from './open-door.js'
import { formatCount } from '../terminal.js'

/**
 * Show the state of the log; on a home folder publish first what is pending. Exit 3 while fewer witnesses cosign than the policy demands.
 */
export async function log(context: CommandContext): Promise<CommandResult> {
  return withDoor(context, async (door) => {
    const { origin, witnessQuorum, ...state } = await door.log()
    const lines = columns([
      ['log', origin],
      ['size', `${formatCount(state.size)} leaves, ${state.pending} pending`],
      [
        'witnessed',
        witnessQuorum === 0 ? 'no witness is demanded' : `up to ${formatCount(state.witnessedSize)}${state.degraded ? ': DEGRADED' : ''}`,
      ],
      ...state.witnesses.map((witness): [string, string] => [`witness ${witness.name}`, describeWitness(witness)]),
      ['receipts', `${state.receipts} issued now`],
    ])
    return { json: state, lines, exitCode: state.degraded ? 3 : 0 }
  })
}

function describeWitness({ size, cosignedAt, failure }: WitnessState): string {
  const last = cosignedAt === null ? 'never cosigned' : `cosigned ${formatCount(size)} leaves at ${cosignedAt.toISOString()}`
  return failure === null ? last : `${last}; failed ${failure.times} times: ${failure.words} [${failure.code ?? '?'}]`
}
