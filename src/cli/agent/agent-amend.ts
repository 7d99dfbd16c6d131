import { signedDocumentBytesMax } from '../../core/limits.js'
import { AmendAgreement, type AmendmentStanding } from '../../release/amendment/amend-agreement.js'
import { parseCredentials } from './agent-agreement.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile, writeNamedFile } from '../files.js'

/** Put the next version of an agreement into force. The file gets our signature once every body has agreed. Exit 3 while somebody is missing. */
export async function amend(
  context: CommandContext,
  options: { readonly annex: string; readonly credential?: readonly string[] },
  path: string,
  ...files: string[]
): Promise<CommandResult> {
  const document = await readNamedFile(path, signedDocumentBytesMax)
  const annex = await readNamedFile(options.annex, signedDocumentBytesMax)
  const statements = await Promise.all(files.map((file) => readNamedFile(file, signedDocumentBytesMax)))
  const credentialFiles = parseCredentials(options.credential ?? [])
  return withService(context, async (app) => {
    const standing = await app.get(AmendAgreement).run({ document, annex, statements, credentialFiles }, context.signal)
    await publishLog(app, context.signal)
    await writeNamedFile(path, standing.signed.bytes)
    return { ...present(standing), exitCode: standing.inForce ? 0 : 3 }
  })
}

function present({ signed, inForce, verdict, unaccepted, warnings }: AmendmentStanding): CommandResult {
  const { body, digest } = signed
  const waiting = [
    ...verdict.missing.map((body_) => `${body_} to agree`),
    ...verdict.unaskedKeys.map((party) => `${party}: the keys are not the ones asked for with \`escrow key-change\``),
    ...unaccepted.map((party) => `${party} to accept its share`),
  ]
  const lines = columns([
    ['agreement', `${body.agreement}, version ${body.version}`],
    ['digest', digest],
    ['state', inForce ? 'in force; requests under way stay with the version they were submitted under' : 'not in force'],
    ...(verdict.touched.length === 0 ? [] : [['touches', verdict.touched.join(', ')] as const]),
    ...verdict.changedKeys.map((party): [string, string] => ['other keys', party]),
    ...waiting.map((what): [string, string] => ['waits for', what]),
    ...warnings.map((warning): [string, string] => ['warning', warning]),
  ])
  return { json: { agreement: body.agreement, version: body.version, digest, inForce, ...verdict, unaccepted, warnings }, lines }
}
