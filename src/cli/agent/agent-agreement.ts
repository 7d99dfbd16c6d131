import { EscrowError } from '../../core/errors.js'
import { signedDocumentBytesMax } from '../../core/limits.js'
import { RegisterAgreement } from '../../escrow/agreement/register-agreement.js'
import { openAgreement } from '../../format/signed-agreement.js'
import { judgeAgreement } from '../../release/amendment/judge-agreement.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile, writeNamedFile } from '../files.js'

interface RegisterOptions {
  readonly annex: string
  readonly credential?: readonly string[]
}

/** Countersign an agreement and know its sources. The file gets the agent's signature. */
export async function registerAgreement(context: CommandContext, options: RegisterOptions, path: string): Promise<CommandResult> {
  const document = await readNamedFile(path, signedDocumentBytesMax)
  const annex = await readNamedFile(options.annex, signedDocumentBytesMax)
  const credentialFiles = parseCredentials(options.credential ?? [])
  // A policy that turns out to be impossible on the day of a shutdown is a deposit lost: it is refused before anything is stored.
  const warnings = judgeAgreement(openAgreement(document).body)
  return withService(context, async (app) => {
    const signed = await app.get(RegisterAgreement).run({ document, annex, credentialFiles }, context.signal)
    await publishLog(app, context.signal)
    await writeNamedFile(path, signed.bytes)
    const { agreement, vault, sources } = signed.body
    const lines = columns([
      ['registered', `${agreement}: ${signed.body.title}`],
      ['digest', signed.digest],
      ['signed by', signed.signedBy.join(', ')],
      ['sources', sources.map((source) => source.source).join(', ')],
      ...warnings.map((warning): [string, string] => ['warning', warning]),
      ['next', `all ${vault.custodians.length} custodians run \`escrow vault accept\`; then \`escrow vault arm\``],
    ])
    const json = { agreement, digest: signed.digest, signedBy: signed.signedBy, sources: sources.map((source) => source.source), warnings }
    return { json, lines }
  })
}

/** `source=file` pairs by source. @throws EscrowError `ARGUMENT_INVALID` */
export function parseCredentials(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map((text): [string, string] => {
      const at = text.indexOf('=')
      if (at < 1 || at === text.length - 1) throw new EscrowError('ARGUMENT_INVALID', 'expected --credential source=file')
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}
