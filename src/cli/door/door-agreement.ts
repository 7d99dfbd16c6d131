import { signedDocumentBytesMax } from '../../core/limits.js'
import { keyidOf, parseSignedDocument } from '../../crypto/dsse.js'
import { openAgreement, type SignedAgreement } from '../../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { exists, ofFile, readNamedFile } from '../files.js'
import { shownRelease } from '../release-lines.js'
import { withDoor } from './open-door.js'
import type { ShownAgreement } from '../service/service-door.js'

/** Record custodians' acceptances. */
export async function armVault(context: CommandContext, _options: unknown, ...paths: string[]): Promise<CommandResult> {
  const documents = await Promise.all(paths.map((path) => readNamedFile(path, signedDocumentBytesMax)))
  // Of ten files a person must learn which one is none.
  for (const [place, path] of paths.entries()) ofFile(path, () => parseSignedDocument(documents[place] ?? new Uint8Array()))
  return withDoor(context, async (door) => {
    const arming = await door.acceptances(documents)
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

/** Show agreements of a service, or one file. */
export async function showAgreement(context: CommandContext, _options: unknown, which?: string): Promise<CommandResult> {
  if (which !== undefined && (await exists(which))) {
    const bytes = await readNamedFile(which, signedDocumentBytesMax)
    const signed = ofFile(which, () => openAgreement(bytes))
    return { json: { digest: signed.digest, signedBy: signed.signedBy, agreement: signed.body }, lines: linesOfAgreement(signed) }
  }
  return withDoor(context, async (door) => {
    const found = await door.agreements(which ?? null)
    if (found.length === 0) return { json: { agreements: [] }, lines: ['no agreement is registered here'] }
    const lines = found.flatMap((shown) => [...linesOfAgreement(shown.signed), ...linesOfState(shown), ''])
    return { json: { agreements: found.map((shown) => jsonOf(shown)) }, lines: lines.slice(0, -1) }
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
    ...shownRelease(body),
  ]
}

function linesOfState({ state, epochs, accepted, sources }: ShownAgreement): readonly string[] {
  const states = epochs.map((epoch) => `epoch ${epoch.epoch} ${epoch.state}`).join(', ')
  return columns([
    ['state', `${state}; ${accepted} custodians have accepted; ${states}`],
    ...sources.map((source): [string, string] => {
      const { latest, failureCode, failedAt } = source
      const newest = latest === null ? 'no deposit yet' : `deposit ${latest.sequence} (${latest.kind}) of ${latest.takenAt}`
      const failure = failureCode === null ? '' : `; failing since ${failedAt ?? '?'}: ${failureCode}`
      return [`source ${source.source}`, `${source.mode}, ${source.state}: ${newest}; next due ${source.periodAt}${failure}`]
    }),
  ])
}

function jsonOf({ signed, state, epochs, accepted, sources }: ShownAgreement): unknown {
  const shown = sources.map(({ latest, source, mode, state: at, periodAt, deadlineAt, freshAt, failureCode }) => {
    const { deposit: _, ...newest } = latest ?? { deposit: null }
    return { source, mode, state: at, periodAt, deadlineAt, freshAt, failureCode, latest: latest === null ? null : newest }
  })
  return { digest: signed.digest, state, epochs, accepted, sources: shown, agreement: signed.body }
}
