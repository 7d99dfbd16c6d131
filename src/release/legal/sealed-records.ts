import { Inject, Injectable } from '@nestjs/common'
import { Entropy } from '../../core/environment.js'
import { sealBytes } from '../../crypto/seal-envelope.js'
import { AgentKeys } from '../../escrow/agent-keys.js'

/** Seals to the agent alone what must not be shown yet, and opens it again. */
@Injectable()
export class SealedRecords {
  constructor(
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /** An age file to the agent's own recipient. */
  seal(bytes: Uint8Array): Uint8Array {
    return sealBytes(bytes, [this.keys.recipient], this.entropy)
  }

  /** A name under which nothing lies yet. */
  newName(): string {
    return Buffer.from(this.entropy.bytes(16)).toString('hex')
  }

  /** What `seal` was given. @throws EscrowError `ENVELOPE_*` */
  open(envelope: Uint8Array): Uint8Array {
    return this.keys.openOwn(envelope)
  }
}
