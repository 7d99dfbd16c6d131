// A party that wants other keys says so with the keys that it has. The statement changes nothing by itself: the next version of the agreement does.
import { partyOf } from '../../../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readPartyCard } from '../../party/party-folder.js'
import { openSigner, signedResult, writeStatement } from '../../party/sign-statement.js'

/**
 * Ask for other keys: your own, or those of a party that has lost its keys.
 *
 * @param options.to - the new card; everything but keys and recipients of it is left out.
 * @throws EscrowError `NOT_FOUND` when the agreement has no such party; `FORMAT_INVALID`, `KEY_MISSING`
 */
export async function changeKeys(
  _context: CommandContext,
  options: {
    readonly as: string
    readonly agreement: string
    readonly out: string
    readonly to: string
    readonly party?: string
    readonly reason: string
  },
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const { body } = signer.agreement
  const subject = partyOf(body, options.party ?? signer.party.card.party).party
  const { keys, recipient, recoveryRecipient } = await readPartyCard(options.to)
  const wish = { name: 'key-change' as const, epoch: body.vault.epochs[0]?.epoch ?? 1, out: options.out }
  const digest = await writeStatement(signer, wish, { subject, keys: [...keys], recipient, recoveryRecipient, reason: options.reason })
  const result = signedResult('key-change', signer, digest, options.out)
  const next = columns([
    ['takes effect', 'with the next version of the agreement: `escrow agreement amend`; until then the old keys count'],
  ])
  return { ...result, lines: [...result.lines, ...next] }
}
