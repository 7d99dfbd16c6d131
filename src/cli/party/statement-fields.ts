import { SystemEntropy } from '../../core/environment.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import type { PartyFolder } from './party-folder.js'

const dayMs = 86_400_000

/** The first fields of every statement: who signs, under which agreement and epoch, and until when it may be presented. */
export function firstFieldsOf(
  agreement: SignedAgreement,
  options: { readonly party: PartyFolder; readonly epoch: number; readonly now: Date; readonly days: number },
): {
  readonly origin: string
  readonly agreement: string
  readonly epoch: number
  readonly party: string
  readonly nonce: string
  readonly issuedAt: string
  readonly expiresAt: string
} {
  return {
    origin: agreement.body.origin,
    agreement: agreement.digest,
    epoch: options.epoch,
    party: options.party.card.party,
    nonce: Buffer.from(new SystemEntropy().bytes(16)).toString('hex'),
    issuedAt: options.now.toISOString(),
    expiresAt: new Date(options.now.getTime() + options.days * dayMs).toISOString(),
  }
}
