import { EscrowError } from '../core/errors.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import { keyidOf } from '../crypto/dsse.js'
import { ArmVault } from '../escrow/arm-vault.js'
import { DescribeAgreement, type AgreementDescription } from '../escrow/describe-agreement.js'
import { RegisterAgreement } from '../escrow/register-agreement.js'
import { openAgreement, type SignedAgreement } from '../format/signed-agreement.js'
import { judgeAgreement } from '../release/judge-agreement.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { exists, readNamedFile, writeNamedFile } from './files.js'

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

/** Record custodians' acceptances. */
export async function armVault(context: CommandContext, _options: unknown, ...paths: string[]): Promise<CommandResult> {
  const documents = await Promise.all(paths.map((path) => readNamedFile(path, signedDocumentBytesMax)))
  return withService(context, async (app) => {
    const arming = await app.get(ArmVault).run(documents, context.signal)
    await publishLog(app, context.signal)
    const state = arming.armed
      ? 'armed: it takes deposits'
      : `not armed yet: ${arming.accepted.length} of ${arming.custodians} custodians have accepted`
    return {
      json: arming,
      lines: columns([
        ['agreement', arming.agreement],
        ['vault', state],
      ]),
    }
  })
}

/** Show agreements of the home folder, or one file. */
export async function showAgreement(context: CommandContext, _options: unknown, which?: string): Promise<CommandResult> {
  if (which !== undefined && (await exists(which))) {
    const signed = openAgreement(await readNamedFile(which, signedDocumentBytesMax))
    return { json: { digest: signed.digest, signedBy: signed.signedBy, agreement: signed.body }, lines: linesOfAgreement(signed) }
  }
  return withService(context, async (app) => {
    const found = await app.get(DescribeAgreement).run(which ?? null)
    if (found.length === 0) return { json: { agreements: [] }, lines: ['no agreement is registered here'] }
    const lines = found.flatMap((description) => [...linesOfAgreement(description.signed), ...linesOfState(description), ''])
    return { json: { agreements: found.map((description) => jsonOf(description)) }, lines: lines.slice(0, -1) }
  })
}

function linesOfAgreement(signed: SignedAgreement): readonly string[] {
  const { body } = signed
  const parties = body.parties.map((party): [string, string] => {
    const keys = party.keys.map((key) => keyidOf(key)).join(', ')
    return [
      `${party.role} ${party.party}`,
      `${party.organisation} (${party.standing.country})  ${keys}${signed.signedBy.includes(party.party) ? '  signed' : ''}`,
    ]
  })
  const { vault } = body
  return [
    `${body.agreement}  ${body.title}`,
    ...columns([
      ['digest', signed.digest],
      ['version', `${body.version}, until ${body.endsAt.slice(0, 10)}, kept ${body.retentionDays} days`],
      ...parties,
      [
        'vault',
        `${vault.threshold} of ${vault.custodians.length}: ${vault.custodians.map(({ index, party }) => `${index} ${party}`).join(', ')}`,
      ],
      ...vault.epochs.map(({ epoch, recipient }): [string, string] => [`epoch ${epoch}`, recipient]),
    ]),
  ]
}

function linesOfState({ state, epochs, accepted, sources }: AgreementDescription): readonly string[] {
  const states = epochs.map((epoch) => `epoch ${epoch.epoch} ${epoch.state}`).join(', ')
  return columns([
    ['state', `${state}; ${accepted} custodians have accepted; ${states}`],
    ...sources.map(({ row, latest }): [string, string] => {
      const newest = latest === null ? 'no deposit yet' : `deposit ${latest.sequence} (${latest.kind}) of ${latest.takenAt.toISOString()}`
      const failure = row.failureCode === null ? '' : `; failing since ${row.failedAt?.toISOString() ?? '?'}: ${row.failureCode}`
      return [`source ${row.source}`, `${row.mode}, ${row.state}: ${newest}; next due ${row.periodAt.toISOString()}${failure}`]
    }),
  ])
}

function jsonOf({ signed, state, epochs, accepted, sources }: AgreementDescription): unknown {
  const shown = sources.map(({ row, latest }) => ({
    source: row.source,
    mode: row.mode,
    state: row.state,
    periodAt: row.periodAt,
    deadlineAt: row.deadlineAt,
    freshAt: row.freshAt,
    failureCode: row.failureCode,
    latest:
      latest === null
        ? null
        : {
            sequence: latest.sequence,
            kind: latest.kind,
            takenAt: latest.takenAt,
            manifestDigest: latest.manifestDigest,
            blocking: latest.blocking,
          },
  }))
  return { digest: signed.digest, state, epochs, accepted, sources: shown, agreement: signed.body }
}
