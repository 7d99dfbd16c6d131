import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { AgentKeys } from './agent-keys.js'
import { EscrowOptions } from './escrow-options.js'

/** Who acts: the agent with its keys, what it was told, its clock and its randomness. For use cases that sign in its name. */
@Injectable()
export class Agent {
  constructor(
    @Inject(AgentKeys) readonly keys: AgentKeys,
    @Inject(EscrowOptions) readonly options: EscrowOptions,
    @Inject(Clock) readonly clock: Clock,
    @Inject(Entropy) readonly entropy: Entropy,
  ) {}
}
