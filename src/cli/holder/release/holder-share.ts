import { SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import { encodeReleasedShare } from '../../../format/share.js'
import { openAgreement, partyOf, requireSignatures } from '../../../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile, writeNamedFile } from '../../files.js'
import { openShares } from '../agreement/holder-vault.js'
import { openPartyFolder } from '../../party/party-folder.js'

interface ReleaseOptions {
  readonly as: string
  readonly agreement: string
  readonly share: string
  readonly to: string
  readonly out: string
}

/**
 * Seal a custodian's share anew to the recipient that the agreement pins for a beneficiary.
 *
 * @throws EscrowError `SHARE_INVALID`; `ARGUMENT_INVALID` when the party is no beneficiary; `SIGNATURE_INVALID`
 */
export async function releaseShare(_context: CommandContext, options: ReleaseOptions): Promise<CommandResult> {
  const party = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const beneficiary = partyOf(agreement.body, options.to)
  if (beneficiary.role !== 'beneficiary' || beneficiary.recipient === null) {
    const there = agreement.body.parties.flatMap(({ party: name, role }) => (role === 'beneficiary' ? [name] : []))
    throw new EscrowError(
      'ARGUMENT_INVALID',
      `--to: shares go to beneficiaries; expected one of ${there.join(', ')}, got ${options.to}, whose role is ${beneficiary.role}`,
    )
  }
  const [share] = await openShares(agreement, party, [options.share])
  if (share === undefined) throw new EscrowError('SHARE_INVALID', 'expected a share')
  const released = encodeReleasedShare(share.text)
  await writeNamedFile(options.out, sealBytes(released, [beneficiary.recipient], new SystemEntropy()), { secret: true, replace: false })
  released.fill(0)
  const lines = columns([
    ['released', `share ${share.text.index} of epoch ${share.epoch.epoch} to ${beneficiary.party} (${beneficiary.organisation})`],
    ['sealed to', beneficiary.recipient],
    ['written to', options.out],
  ])
  return {
    json: { index: share.text.index, epoch: share.epoch.epoch, to: beneficiary.party, recipient: beneficiary.recipient, file: options.out },
    lines,
  }
}
