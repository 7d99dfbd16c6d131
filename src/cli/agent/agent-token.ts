import { documentBytesMax, rowsMax } from '../../core/limits.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { CreateToken } from '../../escrow/token/create-token.js'
import { RevokeToken } from '../../escrow/token/revoke-token.js'
import { listTokens, type TokenRow } from '../../escrow/token/token.table.js'
import { Party } from '../../format/agreement.js'
import { withService } from './agent-context.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile, writeNamedFile } from '../files.js'

interface CreateOptions {
  readonly label?: string
  readonly days: number
  readonly out: string
}

/** Make a token for the party of a card and write it to a file, once: only its digest is kept. */
export async function createToken(context: CommandContext, options: CreateOptions, cardFile: string): Promise<CommandResult> {
  const card = parseCard(await readNamedFile(cardFile, documentBytesMax))
  return withService(context, async (app) => {
    const { row, token } = await app.get(CreateToken).run({ card, label: options.label ?? card.party, days: options.days })
    await writeNamedFile(options.out, `${token}\n`, { secret: true })
    const lines = columns([
      ['token', row.tokenId],
      ['for', `${row.label}, ${row.role}`],
      ['expires', row.expiresAt.toISOString()],
      ['secret', `${options.out}: the only copy; give it to the party over a channel that nobody else reads`],
    ])
    return { json: summaryOf({ ...row, revokedAt: null, lastUsedAt: null }), lines }
  })
}

/** List the tokens that were ever made; secrets are not among what is known. */
export async function showTokens(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const rows = await app.get<Database>(Database).query((db) => listTokens(db, '', rowsMax))
    const lines = columns(rows.map((row): [string, string] => [row.tokenId, `${row.role} ${row.label}: ${stateOf(row)}`]))
    return { json: { tokens: rows.map((row) => summaryOf(row)) }, lines: lines.length === 0 ? ['there are no tokens'] : lines }
  })
}

/** Revoke a token: from the next request on it stands for nobody. */
export async function revokeToken(context: CommandContext, _options: unknown, tokenId: string): Promise<CommandResult> {
  return withService(context, async (app) => {
    await app.get(RevokeToken).run(tokenId)
    return { json: { token: tokenId, revoked: true }, lines: [`${tokenId} is revoked`] }
  })
}

function parseCard(bytes: Uint8Array): Party {
  try {
    return Party.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (cause) {
    throw new EscrowError('FORMAT_INVALID', 'expected the party.json of a party', { cause })
  }
}

function summaryOf({ tokenId, fingerprint, role, label, createdAt, expiresAt, revokedAt, lastUsedAt }: Omit<TokenRow, 'secretDigest'>) {
  return { token: tokenId, key: fingerprint, role, label, createdAt, expiresAt, revokedAt, lastUsedAt }
}

function stateOf({ expiresAt, revokedAt, lastUsedAt }: TokenRow): string {
  const used = lastUsedAt === null ? 'never used' : `last used ${lastUsedAt.toISOString()}`
  return `${revokedAt === null ? `expires ${expiresAt.toISOString()}` : `revoked ${revokedAt.toISOString()}`}, ${used}`
}
