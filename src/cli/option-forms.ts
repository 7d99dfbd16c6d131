// The word between the angle brackets of an option or argument is its form: `--agreement <id>`, `--from <moment>`. Checking it while the
// command line is parsed gives every command the same words for the same mistake, before anything is read or made.
import { InvalidArgumentError, type Command } from 'commander'
import { EscrowError } from '../core/errors.js'
import { pathBytesMax } from '../core/limits.js'
import { AttachmentName } from '../format/attachment.js'
import { AgreementId, Country, Instant, Oid, RequestId, Sha256Hex, Slug, Words } from '../format/ids.js'
import { FindingCode } from '../format/manifest.js'
import { isKeyName, parseNoteKey } from '../format/note.js'

/** Whether a text has a form, and the words that name the form. */
interface Form {
  readonly expected: string
  readonly fits: (text: string) => boolean
}

interface Schema {
  safeParse(text: string): { readonly success: boolean }
}

const of = (expected: string, ...schemas: readonly Schema[]): Form => ({
  expected,
  fits: (text) => schemas.some((schema) => schema.safeParse(text).success),
})
const pattern = (expected: string, regExp: RegExp): Form => ({ expected, fits: (text) => regExp.test(text) })

const slug = of('a name of 1 to 63 characters of a-z 0-9 and -, not beginning with -', Slug)
const words = of('plain text without control characters', Words)
const path: Form = {
  expected: `a path of 1 to ${pathBytesMax} bytes`,
  fits: (text) => text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= pathBytesMax,
}
const keyName: Form = { expected: 'a name without spaces and plus signs, like escrow.example/1', fits: isKeyName }
const logKey: Form = {
  expected: 'a verifier key like name+0123abcd+base64, as in service.json',
  fits: (text) => {
    try {
      return parseNoteKey(text).name !== ''
    } catch (error) {
      if (error instanceof EscrowError) return false
      throw error
    }
  },
}

/** Every form that a command line may have, by the word that stands for it in `--help`. Numbers and choices bring their own parser. */
export const FORMS: ReadonlyMap<string, Form> = new Map([
  ['id', of('the id of an agreement, agr_ and 20 characters of a-z2-7', AgreementId)],
  ['request', of('the id of a request, req_ and 20 characters of a-z2-7', RequestId)],
  [
    'request or order',
    of('the id of a request, req_ and 20 characters of a-z2-7, or the digest of an order in 64 hex digits', RequestId, Sha256Hex),
  ],
  ['token', pattern('the id of a token, tok_ and 20 characters of a-z2-7', /^tok_[a-z2-7]{20}$/)],
  ['order', of('the digest of an order in 64 hex digits', Sha256Hex)],
  ['drill', of('the digest of a drill in 64 hex digits', Sha256Hex)],
  ['name', slug],
  ['file name', of('a file name of letters, digits, spaces and ._+@()=,-', AttachmentName)],
  ['party', slug],
  ['name[@sequence]', pattern('a source as name or name@sequence', /^[a-z0-9][a-z0-9-]{0,62}(?:@\d{1,9})?$/)],
  ['code', of('a country code of two capital letters', Country)],
  ['finding', of(`a finding, one of ${FindingCode.options.join(', ')}`, FindingCode)],
  ['oid', of('an object id of git, 40 or 64 hex digits', Oid)],
  ['instant', of('a moment like 2026-11-22T10:00:00.000Z', Instant)],
  ['moment', { expected: 'a day like 2026-11-22, or a moment like 2026-11-22T10:00:00.000Z', fits: (text) => dayOrInstant(text) !== null }],
  ['key name', keyName],
  ['key', logKey],
  ['title=file', pattern('title=file', /^[^=]+=[^\0]+$/s)],
  ['kind[:name]=file', pattern('kind=file or kind:name=file', /^[a-z-]+(?::[^=\0]+)?=[^\0]+$/s)],
  ['source=file', pattern('source=file', /^[a-z0-9][a-z0-9-]{0,62}=[^\0]+$/s)],
  ['words', words],
  ['text', words],
  ['service url', pattern('an address like https://escrow.example', /^https?:\/\/\S{1,2000}$/)],
  ['address', pattern('an address or host name', /^[\w.:-]{1,253}$/)],
  ...['file', 'folder', 'card', 'path', 'repository', 'program', 'statement', 'case', 'id or file', 'agreement.json', 'manifest.json'].map(
    (name): [string, Form] => [name, path],
  ),
])

/** A day is its first moment. @returns null for what is neither a day nor a moment in UTC. */
export function dayOrInstant(text: string): Date | null {
  const moment = Instant.safeParse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00.000Z` : text)
  return moment.success ? new Date(moment.data) : null
}

/** The word for the form of an option's value; null for one that takes none. */
export function formWordOf(flags: string): string | null {
  return /[<[](.+?)(?:\.\.\.)?[>\]]$/.exec(flags)?.[1] ?? null
}

/** Let every option and argument of a program and its commands refuse what has not its form. Call it when all commands are there. */
export function checkForms(command: Command): void {
  for (const option of command.options) {
    const form = FORMS.get(formWordOf(option.flags) ?? '')
    const parse = option.parseArg
    if (form === undefined || option.argChoices !== undefined) continue
    option.argParser((text: string, previous: unknown) =>
      parse === undefined ? checked(form, text) : parse(checked(form, text), previous),
    )
  }
  for (const argument of command.registeredArguments) {
    const form = FORMS.get(argument.name())
    if (form === undefined || argument.argChoices !== undefined) continue
    argument.argParser((text: string, previous: unknown) =>
      argument.variadic ? [...((previous as readonly string[] | undefined) ?? []), checked(form, text)] : checked(form, text),
    )
  }
  for (const below of command.commands) checkForms(below)
}

function checked(form: Form, text: string): string {
  if (form.fits(text)) return text
  throw new InvalidArgumentError(`expected ${form.expected}`)
}
