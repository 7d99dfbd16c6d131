// The case of a request when there is nobody to publish it: parties send each other signed files, and each lays them into a folder.
import { join } from 'node:path'
import { readdir } from 'node:fs/promises'
import { EscrowError } from '../../../core/errors.js'
import { evidenceBytesMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import { evidenceOf, type Statement } from '../../../format/statement.js'
import { verifyStatement } from '../../../release/rules/statement-verifier.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { exists, readNamedFile, writeNamedFile } from '../../files.js'
import { evidenceFolder } from '../../party/sign-statement.js'

/**
 * Lay signed statements, and the documents beside them, into the folder of a case. What lies there already stays.
 *
 * @throws EscrowError `SIGNATURE_INVALID`, `FORMAT_INVALID` naming the file; `STATEMENT_INVALID` for a second request
 */
export async function gather(
  _context: CommandContext,
  options: { readonly agreement: string; readonly to: string },
  ...files: string[]
): Promise<CommandResult> {
  const pinned = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(pinned, { agent: true })
  await writeNamedFile(join(options.to, 'agreement.json'), pinned.bytes)
  const rows: [string, string][] = []
  for (const file of files) rows.push([file, await lay(file, options.to, pinned)])
  const held = await readdir(join(options.to, 'statements')).catch(() => [])
  return { json: { to: options.to, statements: held.length, files: rows.map(([file, place]) => ({ file, place })) }, lines: columns(rows) }
}

async function lay(file: string, folder: string, pinned: SignedAgreement): Promise<string> {
  const bytes = await readNamedFile(file, signedDocumentBytesMax)
  const { statement, digest, signer } = verifyStatement(bytes, pinned)
  const place = placeOf(statement, digest)
  const path = join(folder, place)
  if (place === 'request.json' && (await exists(path))) {
    const { digest: held } = verifyStatement(await readNamedFile(path, signedDocumentBytesMax), pinned)
    if (held !== digest) throw new EscrowError('STATEMENT_INVALID', `${file}: expected the request of this case, got another`)
  }
  await writeNamedFile(path, bytes)
  for (const { sha256 } of evidenceOf(statement)) {
    const beside = join(evidenceFolder(file), sha256)
    if (await exists(beside)) await writeNamedFile(join(folder, 'evidence', sha256), await readNamedFile(beside, evidenceBytesMax))
  }
  return `${place}, by ${signer}`
}

function placeOf(statement: Statement, digest: string): string {
  const { type } = statement
  if (type === 'escrow/statement/release-request/v1') return 'request.json'
  return `${folderOf(statement)}/${digest}.json`
}

function folderOf(statement: Statement): 'orders' | 'shares' | 'statements' {
  const { type } = statement
  if (type === 'escrow/statement/share-release/v1') return 'shares'
  if (type === 'escrow/statement/shutdown-order/v1' || type === 'escrow/statement/contestation/v1') return 'orders'
  return type === 'escrow/statement/ruling/v1' && statement.subject.kind === 'order' ? 'orders' : 'statements'
}
