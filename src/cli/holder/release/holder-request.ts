// What beneficiaries, depositor, supervisor and arbiter say in a release: each command signs one statement into a file.
import { SystemClock, SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { newId, Slug } from '../../../format/ids.js'
import { partyOf } from '../../../format/signed-agreement.js'
import type { StatementOf } from '../../../format/statement.js'
import { isUnlogged, openCase, openOrder, type OpenedCase } from './holder-case.js'
import { required, type CommandContext, type CommandResult } from '../../command.js'
import { openSigner, readEvidence, signedResult, writeStatement, type Signer } from '../../party/sign-statement.js'

interface SigningOptions {
  readonly as: string
  readonly agreement: string
  readonly out: string
}

interface CaseOptions extends SigningOptions {
  readonly case: string
  readonly reason: string
}

/** Ask for a release under a condition of the agreement. @throws EscrowError `NOT_FOUND`, `SIGNER_REFUSED`, `ARGUMENT_INVALID` */
export async function askForRelease(
  _context: CommandContext,
  options: SigningOptions & {
    readonly condition: string
    readonly source?: readonly string[]
    readonly to?: readonly string[]
    readonly order?: string
    readonly grounds: string
    readonly evidence?: readonly string[]
    readonly epoch: number
  },
): Promise<CommandResult> {
  const signer = await openSigner(options, 'release-request')
  const { body } = signer.agreement
  const beneficiaries = (options.to ?? [signer.party.card.party]).map((name) => {
    const { party, role, recipient } = partyOf(body, name)
    if (role !== 'beneficiary' || recipient === null)
      throw new EscrowError('ARGUMENT_INVALID', `expected --to with a beneficiary of the agreement, got ${name}, a ${role}`)
    return { party, recipient }
  })
  const order = options.order === undefined ? null : (await openOrder(options.order, signer.agreement)).digest
  const digest = await writeStatement(
    signer,
    { name: 'release-request', epoch: options.epoch, out: options.out },
    {
      request: newId('req', new SystemEntropy()),
      condition: options.condition,
      beneficiaries,
      deposits: (options.source ?? body.sources.map(({ source }) => source)).map((text) => depositOf(text, signer)),
      order,
      grounds: options.grounds,
      evidence: await readEvidence(options.evidence, options.out),
    },
  )
  return signedResult('release-request', signer, digest, options.out)
}

/** `source` or `source@sequence`, of a source that the agreement has. */
function depositOf(text: string, { agreement }: Signer): { source: string; sequence: number | null } {
  const match = /^([a-z0-9][a-z0-9-]{0,62})(?:@(\d{1,9}))?$/.exec(text)
  if (match === null) throw new EscrowError('ARGUMENT_INVALID', `expected a source as name or name@sequence, got ${text}`)
  const present = agreement.body.sources.map(({ source }) => source)
  if (!present.some((source) => source === match[1]))
    throw new EscrowError('NOT_FOUND', `the agreement has no source ${match[1] ?? ''}; there are ${present.join(', ')}`)
  return { source: Slug.parse(match[1]), sequence: match[2] === undefined ? null : Number(match[2]) }
}

/** Register a shutdown order; who is not the depositor needs a second party that registers the same. */
export async function registerOrder(
  _context: CommandContext,
  options: SigningOptions & {
    readonly issuer: string
    readonly jurisdiction: string
    readonly reference: string
    readonly document: readonly string[]
    readonly effectiveAt?: string
    readonly depositor?: string
  },
): Promise<CommandResult> {
  const signer = await openSigner(options, 'shutdown-order')
  const { depositor } = options
  const scope =
    depositor === undefined
      ? { kind: 'agreements' as const, agreements: [signer.agreement.digest] }
      : { kind: 'depositor' as const, organisation: depositor }
  const digest = await writeStatement(
    signer,
    { name: 'shutdown-order', epoch: currentEpoch(signer), out: options.out },
    {
      issuer: options.issuer,
      jurisdiction: options.jurisdiction,
      reference: options.reference,
      documents: await readEvidence(options.document, options.out),
      scope,
      effectiveAt: options.effectiveAt ?? new SystemClock().now().toISOString(),
    },
  )
  return signedResult('shutdown-order', signer, digest, options.out)
}

/** Contest an order in court, as the depositor. */
export async function contest(
  _context: CommandContext,
  options: SigningOptions & {
    readonly order: string
    readonly court: string
    readonly docket: string
    readonly grounds: string
    readonly evidence?: readonly string[]
  },
): Promise<CommandResult> {
  const signer = await openSigner(options, 'contestation')
  const contested = await openOrder(options.order, signer.agreement)
  const { court, docket, grounds } = options
  const evidence = await readEvidence(options.evidence, options.out)
  const matter = { order: contested.digest, court, docket, grounds, evidence }
  const digest = await writeStatement(signer, { name: 'contestation', epoch: currentEpoch(signer), out: options.out }, matter)
  return signedResult('contestation', signer, digest, options.out)
}

/** Object to a request, as the depositor. */
export async function objectTo(
  _context: CommandContext,
  options: Omit<CaseOptions, 'reason'> & { readonly grounds: string; readonly evidence?: readonly string[] },
): Promise<CommandResult> {
  const { signer, one } = await openSignersCase(options, 'contrary-instruction')
  const matter = { requestDigest: one.frame.digest, grounds: options.grounds, evidence: await readEvidence(options.evidence, options.out) }
  const digest = await writeStatement(signer, { name: 'contrary-instruction', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('contrary-instruction', signer, digest, options.out)
}

/** Rule on an order or a request, as the arbiter that the agreement pins. */
export async function rule(
  _context: CommandContext,
  options: SigningOptions & {
    readonly order?: string
    readonly case?: string
    readonly outcome: StatementOf<'ruling'>['outcome']
    readonly grounds: string
    readonly evidence?: readonly string[]
  },
): Promise<CommandResult> {
  const signer = await openSigner(options, 'ruling')
  const { outcome, grounds } = options
  const evidence = await readEvidence(options.evidence, options.out)
  if (options.order !== undefined) {
    const { digest: ruled, statement } = await openOrder(options.order, signer.agreement)
    const matter = { subject: { kind: 'order' as const, digest: ruled }, outcome, grounds, evidence }
    const digest = await writeStatement(signer, { name: 'ruling', epoch: statement.epoch, out: options.out }, matter)
    return signedResult('ruling', signer, digest, options.out)
  }
  const folder = required(options.case, '--order or --case')
  const one = await openCase(folder, signer.agreement, { now: new SystemClock().now(), unlogged: await isUnlogged(folder) })
  const matter = { subject: { kind: 'request' as const, digest: one.frame.digest }, outcome, grounds, evidence }
  const digest = await writeStatement(signer, { name: 'ruling', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('ruling', signer, digest, options.out)
}

/** Take a request back, as who asked. */
export async function withdraw(_context: CommandContext, options: CaseOptions): Promise<CommandResult> {
  const { signer, one } = await openSignersCase(options)
  const matter = { requestDigest: one.frame.digest, reason: options.reason }
  const digest = await writeStatement(signer, { name: 'withdrawal', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('withdrawal', signer, digest, options.out)
}

/** Veto a request in its cooling-off, as a guardian. */
export async function veto(_context: CommandContext, options: CaseOptions): Promise<CommandResult> {
  const { signer, one } = await openSignersCase(options)
  requireOneOf(signer, one.frame.terms.guardians, 'a guardian')
  const matter = { requestDigest: one.frame.digest, reason: options.reason }
  const digest = await writeStatement(signer, { name: 'veto', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('veto', signer, digest, options.out)
}

/** Show that the depositor is there: breaks the silence that the dead man's switch waits for. */
export async function heartbeat(_context: CommandContext, options: SigningOptions): Promise<CommandResult> {
  const signer = await openSigner(options)
  const digest = await writeStatement(signer, { name: 'heartbeat', epoch: currentEpoch(signer), out: options.out }, {})
  return signedResult('heartbeat', signer, digest, options.out)
}

/** End a beneficiary's access, as the arbiter, a guardian, a hold signer or the beneficiary itself. */
export async function revokeGrant(_context: CommandContext, options: CaseOptions & { readonly party: string }): Promise<CommandResult> {
  const { signer, one } = await openSignersCase(options)
  const { guardians, holdSigners } = one.frame.terms
  const arbiters = signer.agreement.body.parties.flatMap(({ party, role }) => (role === 'arbiter' ? [party] : []))
  const may = [...arbiters, ...guardians, ...holdSigners, options.party]
  requireOneOf(signer, may, 'the arbiter, a guardian, a hold signer or the beneficiary itself')
  const matter = { requestDigest: one.frame.digest, beneficiary: options.party, reason: options.reason }
  const digest = await writeStatement(signer, { name: 'grant-revocation', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('grant-revocation', signer, digest, options.out)
}

/** Confirm, as a beneficiary, that every copy is returned or destroyed. */
export async function confirmReturn(
  _context: CommandContext,
  options: Omit<CaseOptions, 'reason'> & { readonly outcome: 'returned' | 'destroyed'; readonly account: string },
): Promise<CommandResult> {
  const { signer, one } = await openSignersCase(options)
  const { outcome, account } = options
  const matter = { requestDigest: one.frame.digest, outcome, account }
  const digest = await writeStatement(signer, { name: 'return-confirmation', epoch: one.frame.epoch, out: options.out }, matter)
  return signedResult('return-confirmation', signer, digest, options.out)
}

/** Say that a party can no longer vote or hand over its share, or can again. @throws EscrowError `NOT_FOUND` */
export async function unavailable(
  _context: CommandContext,
  options: SigningOptions & {
    readonly party?: string
    readonly cause: StatementOf<'availability'>['cause']
    readonly reason: string
    readonly available: boolean
  },
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const subject = partyOf(signer.agreement.body, options.party ?? signer.party.card.party).party
  const { available, cause, reason } = options
  const wish = { name: 'availability' as const, epoch: currentEpoch(signer), out: options.out }
  const digest = await writeStatement(signer, wish, { subject, available, cause, reason })
  return signedResult('availability', signer, digest, options.out)
}

/** Place a legal hold on a request, or on every request of the agreement; or lift it. */
export async function hold(
  _context: CommandContext,
  options: SigningOptions & {
    readonly case?: string
    readonly lift: boolean
    readonly until: string
    readonly reference: string
    readonly reason: string
  },
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const { until, reference, reason } = options
  const one =
    options.case === undefined
      ? null
      : await openCase(options.case, signer.agreement, { now: null, unlogged: await isUnlogged(options.case) })
  const matter = { action: options.lift ? ('lift' as const) : ('place' as const), requestDigest: one?.frame.digest ?? null }
  const epoch = one?.frame.epoch ?? currentEpoch(signer)
  const digest = await writeStatement(signer, { name: 'legal-hold', epoch, out: options.out }, { ...matter, until, reference, reason })
  return signedResult('legal-hold', signer, digest, options.out)
}

/** The agreement names them by party and not by role. @throws EscrowError `SIGNER_REFUSED` */
function requireOneOf({ party }: Signer, parties: readonly string[], who: string): void {
  const name = party.card.party
  if (!parties.includes(name))
    throw new EscrowError('SIGNER_REFUSED', `expected ${who} (${[...new Set(parties)].join(', ')}), got ${name}; nothing was signed`)
}

/** Its request was admitted long ago: whether its own expiry has passed does not matter any more. */
async function openSignersCase(
  options: SigningOptions & { readonly case: string },
  says?: Parameters<typeof openSigner>[1],
): Promise<{ readonly signer: Signer; readonly one: OpenedCase }> {
  const signer = await openSigner(options, says)
  return { signer, one: await openCase(options.case, signer.agreement, { now: null, unlogged: await isUnlogged(options.case) }) }
}

function currentEpoch({ agreement }: Signer): number {
  return agreement.body.vault.epochs[0]?.epoch ?? 1
}
