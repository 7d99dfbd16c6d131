import type { z } from 'zod'
import { EscrowError } from '../core/errors.js'

/**
 * Read a value from outside with a schema.
 *
 * @param value - attacker-controlled, but of a size that was checked before.
 * @param what - names the thing in the refusal: `manifest`, `statement`.
 * @returns the value as the schema gives it.
 * @throws EscrowError `FORMAT_INVALID` naming the first field that is wrong and how; never what it held.
 */
export function parseBody<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field = issue === undefined || issue.path.length === 0 ? 'the whole' : issue.path.join('.')
  throw new EscrowError('FORMAT_INVALID', `${what}: ${printable(`${field}: ${issue?.message ?? 'is wrong'}`)}`)
}

/** Names of unknown fields are the author's own words and end up on terminals. */
function printable(text: string): string {
  return text.slice(0, 300).replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?')
}
