import { basename, join } from 'node:path'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { evidenceBytesMax, signedDocumentBytesMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { keyidOf } from '../../crypto/dsse.js'
import { maySign } from '../../format/check-statement.js'
import { openAgreement, partyOf, requireSignatures, sameKey, type SignedAgreement } from '../../format/signed-agreement.js'
import { digestOf, signDocument } from '../../format/signed-document.js'
import { Statement, type Evidence, type StatementOf, type StatementType } from '../../format/statement.js'
import { columns, type CommandResult } from '../command.js'
import { readNamedFile, writeNamedFile } from '../files.js'
import { openPartyFolder, type PartyFolder } from './party-folder.js'
import { requirePinned } from './pinned-agreements.js'
import { firstFieldsOf } from './statement-fields.js'

type NameOf<T extends StatementType> = T extends `escrow/statement/${infer Name}/v1` ? Name : never
type FirstFields = 'type' | 'origin' | 'agreement' | 'epoch' | 'party' | 'nonce' | 'issuedAt' | 'expiresAt'
/** What a statement says beside its first fields. */
export type Matter<Name extends NameOf<StatementType>> = Omit<StatementOf<Name>, FirstFields>

/** Days that a statement may be presented; approvals must outlive approval and cooling-off. */
const statementDays = 90

/** Who signs, and under which agreement. */
export interface Signer {
  readonly party: PartyFolder
  readonly agreement: SignedAgreement
}

/**
 * Open a party's keys and the agreement it has pinned.
 *
 * @param says - what the party is about to sign: who may not say it hears so before anything is written.
 * @throws EscrowError `SIGNATURE_INVALID`, `KEY_*`, `FILE_UNREADABLE`; `NOT_FOUND`, `SIGNER_REFUSED` as `requireSigner`
 */
export async function openSigner(
  options: { readonly as: string; readonly agreement: string },
  says?: NameOf<StatementType>,
): Promise<Signer> {
  const party = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  await requirePinned(options.as, agreement)
  const signer = { party, agreement }
  if (says !== undefined) requireSigner(signer, says)
  return signer
}

/**
 * Nobody would count what a party signs that is not in the agreement, whose role may not say it, or with a key that is not pinned.
 *
 * @throws EscrowError `NOT_FOUND`, `SIGNER_REFUSED`
 */
function requireSigner({ party, agreement }: Signer, name: NameOf<StatementType>): void {
  const { role, keys } = partyOf(agreement.body, party.card.party)
  const refusal = (expected: string, got: string) => `expected ${expected}, got ${got}; nothing was signed`
  if (!maySign(role, `escrow/statement/${name}/v1`))
    throw new EscrowError('SIGNER_REFUSED', refusal(`a party that may sign a ${name}`, `${party.card.party}, a ${role}`))
  if (keys.some((key) => sameKey(key, party.pinnedKey))) return
  const pinned = keys.map((key) => keyidOf(key)).join(', ')
  throw new EscrowError(
    'SIGNER_REFUSED',
    refusal(`a key that the agreement pins for ${party.card.party} (${pinned})`, keyidOf(party.pinnedKey)),
  )
}

/**
 * Sign a statement and write it to a file for the operator.
 *
 * @returns its digest: how other statements name it.
 * @throws EscrowError `ARGUMENT_INVALID` naming a field that is not as it must be; `NOT_FOUND`, `SIGNER_REFUSED` as `openSigner`
 */
export async function writeStatement<Name extends NameOf<StatementType>>(
  signer: Signer,
  wish: { readonly name: Name; readonly epoch: number; readonly out: string },
  matter: Matter<Name>,
): Promise<string> {
  const { party, agreement } = signer
  requireSigner(signer, wish.name)
  const fields = firstFieldsOf(agreement, { party, epoch: wish.epoch, now: new SystemClock().now(), days: statementDays })
  const parsed = Statement.safeParse({ type: `escrow/statement/${wish.name}/v1`, ...fields, ...matter })
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new EscrowError('ARGUMENT_INVALID', `${wish.name}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
  }
  await writeNamedFile(wish.out, signDocument({ body: parsed.data, schema: Statement, key: party.signingKey }))
  return digestOf(parsed.data)
}

/** What a signing command says. */
export function signedResult(name: string, signer: Signer, digest: string, out: string): CommandResult {
  const { card } = signer.party
  const lines = columns([
    ['signed', `${name} by ${card.party} (${card.organisation})`],
    ['digest', digest],
    ['written to', `${out}; send it to the operator (escrow release record), and to the other parties`],
  ])
  return { json: { statement: name, party: card.party, digest, file: out }, lines }
}

/** Where the documents of a statement lie: beside its file, each named by its digest. */
export function evidenceFolder(statementFile: string): string {
  return `${statementFile}.evidence`
}

/**
 * Evidence from files: `title=file`.
 *
 * @param out - the statement's file: a copy of each document is laid beside it, to travel with it. Left out: they stay where they are.
 * @throws EscrowError `ARGUMENT_INVALID`, `FILE_UNREADABLE`
 */
export async function readEvidence(given: readonly string[] = [], out?: string): Promise<Evidence[]> {
  const documents: Evidence[] = []
  for (const text of given) {
    const at = text.indexOf('=')
    if (at < 1) throw new EscrowError('ARGUMENT_INVALID', 'expected evidence as title=file')
    const path = text.slice(at + 1)
    const bytes = await readNamedFile(path, evidenceBytesMax)
    const mediaType = /\.pdf$/i.test(basename(path)) ? 'application/pdf' : 'application/octet-stream'
    const sha256 = sha256Hex(bytes)
    documents.push({ title: text.slice(0, at), sha256, sizeBytes: bytes.byteLength, mediaType })
    if (out !== undefined) await writeNamedFile(join(evidenceFolder(out), sha256), bytes)
  }
  return documents
}
