/**
 * Other keys for a party. A party asks for them with the keys that are pinned now; for one that has lost them, two others do. The next version
 * of the agreement takes up what was asked for, exactly, and no version gives a party keys that nobody has asked for: a seat must not change
 * hands by a line in a long document.
 */
import type { Agreement, Party, Role } from '../../format/agreement.js'
import { canonicalize } from '../../format/canonical-json.js'
import type { StatementOf } from '../../format/statement.js'
import { personsOf, underOneControl } from './electorate.js'
import type { VerifiedStatement } from './quorum.js'

/** What a party signs and is reached with. */
type KeySet = Pick<Party, 'keys' | 'recipient' | 'recoveryRecipient'>

interface Asked {
  readonly signer: string
  readonly keys: KeySet
}

/** One of two others must be of these: people whose office it is to be impartial. */
const impartial: ReadonlySet<Role> = new Set(['supervisor', 'arbiter'])
/** These have no say about the keys of others: what they gain by it is what an agreement guards against. */
const interested: ReadonlySet<Role> = new Set(['depositor', 'agent'])

/**
 * Compare the keys in the next version of an agreement with what was asked for.
 *
 * @param statements - verified with the version in force, of any type and in any order: of each signer the one signed last about a party counts.
 * @returns `changed`: parties of both versions that get other keys; `unasked`: parties whose next keys are not the ones that they have asked
 *   for, or two others in different hands for them, one of them supervisor or arbiter. Their word goes before the party's own: a stolen key must
 *   not choose its successor. Both empty when there is nothing to say.
 */
export function compareKeys(
  old: { readonly agreement: Agreement; readonly digest: string },
  next: Agreement,
  turn: { readonly statements: readonly VerifiedStatement[]; readonly now: Date },
): { readonly changed: readonly string[]; readonly unasked: readonly string[] } {
  const { parties } = old.agreement
  const both = inBoth(old.agreement, next)
  const said = turn.statements.filter((one) => counts(one, old.digest, turn.now))
  const askedFor = (party: string, before: KeySet): KeySet => wish(lastWords(said, party), party, parties) ?? before
  return {
    changed: otherKeys(old.agreement, next),
    unasked: both.filter(({ party, before, after }) => !equal(askedFor(party, before), after)).map(({ party }) => party),
  }
}

/** Parties of two versions whose keys or recipients are not the same in both. */
export function otherKeys(old: Agreement, next: Agreement): readonly string[] {
  return inBoth(old, next)
    .filter(({ before, after }) => !equal(before, after))
    .map(({ party }) => party)
}

function inBoth(old: Agreement, next: Agreement): readonly { readonly party: string; readonly before: KeySet; readonly after: KeySet }[] {
  return old.parties.flatMap((before) => {
    const after = next.parties.find(({ party }) => party === before.party)
    return after === undefined ? [] : [{ party: before.party, before: keySetOf(before), after: keySetOf(after) }]
  })
}

/** Under the version in force only: what was asked of an earlier one was taken up, or lapsed with it. */
function counts({ statement, signer }: VerifiedStatement, digest: string, now: Date): boolean {
  if (statement.type !== 'escrow/statement/key-change/v1') return false
  return statement.agreement === digest && statement.party === signer && now.getTime() < Date.parse(statement.expiresAt)
}

/** The last word of each signer about a party. */
function lastWords(said: readonly VerifiedStatement[], party: string): readonly Asked[] {
  const last = new Map<string, Asked>()
  for (const { statement, signer } of said.toSorted((left, right) => left.statement.issuedAt.localeCompare(right.statement.issuedAt))) {
    if (statement.type === 'escrow/statement/key-change/v1' && statement.subject === party)
      last.set(signer, { signer, keys: keySetOf(statement) })
  }
  return [...last.values()]
}

function wish(said: readonly Asked[], party: string, parties: readonly Party[]): KeySet | undefined {
  const persons = personsOf(parties)
  const isOwn = ({ signer }: Asked): boolean => persons.get(signer) === persons.get(party)
  const roleOf = (signer: string): Role => parties.find((one) => one.party === signer)?.role ?? 'agent'
  const others = said.filter((one) => !isOwn(one) && !interested.has(roleOf(one.signer)))
  const apart = (left: Asked, right: Asked): boolean => !underOneControl(parties, left.signer, right.signer)
  const joint = others.find(
    (one) => impartial.has(roleOf(one.signer)) && others.some((other) => apart(one, other) && equal(one.keys, other.keys)),
  )
  return (joint ?? said.findLast(({ signer }) => signer === party))?.keys
}

function keySetOf({ keys, recipient, recoveryRecipient }: KeySet | StatementOf<'key-change'>): KeySet {
  return { keys, recipient, recoveryRecipient }
}

function equal(left: KeySet, right: KeySet): boolean {
  return Buffer.compare(canonicalize(left), canonicalize(right)) === 0
}
