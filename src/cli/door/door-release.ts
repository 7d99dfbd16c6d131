// What operator and parties ask of the release path, on a home folder or over the network: the same words and exit codes.
import { join } from 'node:path'
import { signedDocumentBytesMax } from '../../core/limits.js'
import { parseObjectKey } from '../../store/object-key.js'
import type { OrderView, RequestSummary, RequestView, SilenceView } from '../../release/visible/release.views.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile, writeNamedFile } from '../files.js'
import { linesOfOutcomes, rowsOfAlarms } from './outcome-lines.js'
import { withDoor } from './open-door.js'
import type { ShownCase } from '../service/service-door.js'

/** Record signed statements that parties sent, and do what they make due. Exit 6 when one of them was refused everywhere. */
export async function recordRelease(context: CommandContext, _options: unknown, ...paths: string[]): Promise<CommandResult> {
  const files = await Promise.all(paths.map(async (file) => ({ bytes: await readNamedFile(file, signedDocumentBytesMax), file })))
  return withDoor(context, async (door) => {
    const outcomes = await door.statements(files)
    const refused = outcomes.filter((outcome) => outcome.code !== null)
    const json = { outcomes: outcomes.map(({ agreement, subject, state, code }) => ({ agreement, subject, state, code })) }
    const allRefused = refused.length > 0 && refused.length === outcomes.length
    return { json, lines: linesOfOutcomes(outcomes), ...(allRefused ? { exitCode: 6 as const } : {}) }
  })
}

/** Show requests, orders and silent depositors, or one request with its history. */
export async function showReleases(context: CommandContext, _options: unknown, requestId?: string): Promise<CommandResult> {
  return withDoor(context, async (door) => {
    if (requestId !== undefined) return presentRequest(requestId, await door.request(requestId))
    const { alarms, silences, orders, requests } = await door.releases()
    const lines = columns([
      ...rowsOfAlarms(alarms),
      ...silences.map(lineOfSilence),
      ...orders.map(lineOfOrder),
      ...requests.map((one): [string, string] => [`request ${one.request}`, `${one.agreement}: ${one.state}${until(one.dueAt)}`]),
    ])
    const shownOrders = orders.map(({ order, agreement, state, dueAt }) => ({ order, agreement, state, dueAt }))
    const none = ['no request and no order is registered here, and no depositor is silent']
    return { json: { alarms, silences, orders: shownOrders, requests }, lines: lines.length === 0 ? none : lines }
  })
}

/** Write every case as a folder of material that parties verify themselves; what was there is completed, never changed. */
export async function publishCases(context: CommandContext, options: { readonly to: string }): Promise<CommandResult> {
  return withDoor(context, async (door) => {
    const cases: string[] = []
    for await (const one of door.cases()) {
      await writeCase(options.to, one)
      cases.push(one.folder)
    }
    const orders = cases.filter((folder) => folder.startsWith('order-')).length
    return {
      json: { to: options.to, requests: cases.length - orders, orders },
      lines: columns([
        ['cases', cases.length === 0 ? 'none' : cases.toSorted((left, right) => left.localeCompare(right)).join(', ')],
        ['written to', options.to],
      ]),
    }
  })
}

/** A service names the files: none may lie outside the folder. */
async function writeCase(to: string, { folder, files }: ShownCase): Promise<void> {
  for (const { path, bytes } of files) await writeNamedFile(join(to, parseObjectKey(`${folder}/${path}`)), bytes)
}

function presentRequest(requestId: string, found: RequestView | null): CommandResult {
  if (found === null) return { json: null, lines: [`no release request is named ${requestId}`], exitCode: 2 }
  const lines = [
    `${found.request}  ${found.state}${until(found.dueAt)}`,
    ...columns([
      ['agreement', `${found.agreement}, ${found.agreementDigest}`],
      ['epoch', String(found.epoch)],
      ['order', found.order ?? 'none'],
      ...found.statements.map((one): [string, string] => [one.recordedAt, `${one.type.split('/').at(-2) ?? one.type} by ${one.party}`]),
      ...found.shares.map((one): [string, string] => [
        one.receivedAt,
        `share of ${one.party}${one.releasedAt === null ? ', held back' : ', passed on'}`,
      ]),
      ...found.grants.map((one): [string, string] => [
        one.grantedAt,
        `granted to ${one.beneficiary} until ${one.revokedAt ?? one.expiresAt}${one.revokedAt === null ? '' : ', revoked'}${returnWords(one)}`,
      ]),
      ['accesses', String(found.accesses.length)],
    ]),
  ]
  return { json: found, lines }
}

type ShownGrant = RequestView['grants'][number]

function returnWords({ returnByAt, returnedAt }: ShownGrant): string {
  if (returnedAt !== null) return `, copies gone ${returnedAt}`
  return returnByAt === null ? '' : `, copies to be gone by ${returnByAt}`
}

function lineOfOrder({ order, agreement, state, dueAt }: OrderView): [string, string] {
  return [`order ${order}`, `${agreement}: ${state}${until(dueAt)}`]
}

function lineOfSilence({ agreement, name, until: moment, reasons }: SilenceView): [string, string] {
  if (name === 'present' || moment === null) return [`depositor of ${agreement}`, 'is there']
  const what = name === 'noticed' ? 'is silent; tell it. A request is proposed' : 'is silent; a beneficiary may ask for a release'
  return [`depositor of ${agreement}`, `${what}, ${name === 'noticed' ? 'at' : 'until'} ${moment} (${reasons.join(', ')})`]
}

function until(dueAt: RequestSummary['dueAt']): string {
  return dueAt === null ? '' : `, next clock ${dueAt}`
}
