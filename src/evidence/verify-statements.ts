// The statements that an evidence folder's events tell of: each lies where its event says, is what the event names, and bears the signature of
// the party that the event names. Whether it was right to accept it, the rules of the release say; here it is shown that it was said.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import type { VerifyingKey } from '../crypto/dsse.js'
import type { Event } from '../format/event.js'
import { openDocument } from '../format/signed-document.js'
import { Statement } from '../format/statement.js'
import type { ArchiveProblem, TrustedAgreement } from '../store/archive-agreement.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { parseObjectKey, type ObjectKey } from '../store/object-key.js'
import type { VerifiedEvent } from './verify-events.js'

/** A statement that was signed by the party that the log names. */
export interface VerifiedRecord {
  readonly statement: Statement
  readonly party: string
}

interface Recorded {
  readonly key: ObjectKey
  readonly digest: string
  readonly keys: (trusted: TrustedAgreement) => readonly VerifyingKey[]
}

/**
 * Verify every statement that events tell of.
 *
 * @returns those that hold, by digest; the others are among `problems`.
 * @throws EscrowError `STORE_*`
 */
export async function verifyStatements(
  reader: ArchiveReader,
  of: { readonly events: readonly VerifiedEvent[]; readonly trusted: TrustedAgreement; readonly problems: ArchiveProblem[] },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, VerifiedRecord>> {
  const verified = new Map<string, VerifiedRecord>()
  const folders = depositFolders(of.events)
  for (const { event, key: where } of of.events) {
    try {
      const recorded = recordedBy(event, folders)
      if (recorded === null || verified.has(recorded.digest)) continue
      const bytes = await reader.read(recorded.key, signedDocumentBytesMax, signal)
      const keys = recorded.keys(of.trusted)
      const { body, digest } = openDocument(bytes, { schema: Statement, keys, what: 'statement' })
      if (digest !== recorded.digest)
        throw new EscrowError('DIGEST_MISMATCH', `${recorded.key}: expected the statement ${recorded.digest}, got ${digest}`)
      verified.set(digest, { statement: body, party: event.type === 'escrow/event/statement-recorded/v1' ? event.party : body.party })
    } catch (error) {
      if (!isEscrowError(error) || error.code.startsWith('STORE_')) throw error
      of.problems.push({ error, where })
    }
  }
  return verified
}

/** Which statement an event tells of; null for most events. */
function recordedBy(event: Event, folders: ReadonlyMap<string, string>): Recorded | null {
  if (event.type === 'escrow/event/statement-recorded/v1') {
    const { party } = event
    return { key: parseObjectKey(event.key), digest: event.statement, keys: (trusted) => keysWhere(trusted, (one) => one.party === party) }
  }
  if (event.type !== 'escrow/event/findings-explained/v1') return null
  const folder = folders.get(`${event.source} ${event.sequence}`)
  if (folder === undefined)
    throw new EscrowError('OBJECT_MISSING', `expected deposit ${event.sequence} of ${event.source} among the events`)
  const key = parseObjectKey(`${folder}explanation-${event.statement}.json`)
  return { key, digest: event.statement, keys: (trusted) => keysWhere(trusted, (one) => one.role === 'depositor') }
}

/** Folders of deposits with their slash, by source and sequence. */
function depositFolders(events: readonly VerifiedEvent[]): ReadonlyMap<string, string> {
  return new Map(
    events.flatMap(({ event }): [string, string][] => {
      if (event.type !== 'escrow/event/deposit-stored/v1') return []
      return [[`${event.source} ${event.sequence}`, event.manifestKey.slice(0, event.manifestKey.lastIndexOf('/') + 1)]]
    }),
  )
}

type Party = TrustedAgreement['newest']['body']['parties'][number]

function keysWhere({ versions }: TrustedAgreement, wanted: (party: Party) => boolean): readonly VerifyingKey[] {
  return [...versions.values()].flatMap(({ body }) => body.parties.filter((one) => wanted(one)).flatMap(({ keys }) => keys))
}
