import { SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { Party, type Role } from '../../../format/agreement.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { createPartyFolder } from '../../party/party-folder.js'

interface KeygenOptions {
  readonly party: string
  readonly role: Role
  readonly country: string
  readonly control?: string
  readonly name?: string
  readonly organisation?: string
  readonly sshKey?: string
  readonly sshKeygen: string
  readonly foreignCapitalLargest: number
  readonly foreignCapitalTotal: number
}

/** Make the keys of a party. @throws EscrowError `ARGUMENT_INVALID`, `FILE_UNREADABLE` when keys exist there */
export async function keygen(_context: CommandContext, options: KeygenOptions, folder: string): Promise<CommandResult> {
  const name = options.name ?? options.party
  const description = Party.pick({ party: true, role: true, name: true, organisation: true, standing: true }).safeParse({
    party: options.party,
    role: options.role,
    name,
    organisation: options.organisation ?? name,
    standing: {
      country: options.country,
      control: options.control ?? options.country,
      foreignCapitalLargestPercent: options.foreignCapitalLargest,
      foreignCapitalTotalPercent: options.foreignCapitalTotal,
    },
  })
  if (!description.success) {
    const [issue] = description.error.issues
    throw new EscrowError('ARGUMENT_INVALID', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
  }
  const ssh = options.sshKey === undefined ? undefined : { path: options.sshKey, program: options.sshKeygen }
  const party = await createPartyFolder(folder, description.data, new SystemEntropy(), ssh)
  const { fingerprint } = party.signingKey
  const lines = columns([
    ['party', `${party.card.party} (${party.card.role})`],
    ['fingerprint', fingerprint],
    ['signs with', ssh === undefined ? 'a key in this folder' : `${ssh.path}, by ${ssh.program}`],
    ['recipient', party.card.recipient ?? '-'],
    ['keys in', folder],
    ['give others', `${folder}/party.json, and read them the fingerprint over another channel`],
  ])
  return { json: { party: party.card.party, kind: party.pinnedKey.kind, fingerprint, recipient: party.card.recipient, folder }, lines }
}
