import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../../core/environment.js'
import { assert, EscrowError } from '../../core/errors.js'
import { AgentKeys } from '../../escrow/agent-keys.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import { signDocument } from '../../format/signed-document.js'
import { Statement, type StatementOf, type StatementType } from '../../format/statement.js'

type NameOf<T extends StatementType> = T extends `escrow/statement/${infer Name}/v1` ? Name : never
type FirstFields = 'type' | 'origin' | 'agreement' | 'epoch' | 'party' | 'nonce' | 'issuedAt' | 'expiresAt'

const dayMs = 86_400_000
/** What the agent says is recorded at once; the rest is time to hand it on to others. */
const statementDays = 30

/** Signs what the agent itself has to say: every act of it is a statement that the log names, like everybody else's. */
@Injectable()
export class SignAsAgent {
  constructor(
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * A signed statement of the agent.
   *
   * @param matter - what it says beside its first fields.
   * @returns the document, not recorded yet.
   * @throws EscrowError `ARGUMENT_INVALID` naming the field that is not as it must be
   */
  run<Name extends NameOf<StatementType>>(
    agreement: SignedAgreement,
    wish: { readonly name: Name; readonly epoch: number },
    matter: Omit<StatementOf<Name>, FirstFields>,
  ): Uint8Array {
    const agent = agreement.body.parties.find((party) => party.role === 'agent')
    assert(agent !== undefined, 'a registered agreement names its agent')
    const now = this.clock.now()
    const parsed = Statement.safeParse({
      type: `escrow/statement/${wish.name}/v1`,
      origin: agreement.body.origin,
      agreement: agreement.digest,
      epoch: wish.epoch,
      party: agent.party,
      nonce: Buffer.from(this.entropy.bytes(16)).toString('hex'),
      issuedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + statementDays * dayMs).toISOString(),
      ...matter,
    })
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new EscrowError('ARGUMENT_INVALID', `${wish.name}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
    }
    return signDocument({ body: parsed.data, schema: Statement, key: this.keys.signingKey })
  }
}
