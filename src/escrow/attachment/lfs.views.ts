// What git-lfs clients send, and what they are answered (git-lfs docs/api/batch.md). Everything sent is attacker-controlled.
import { z } from 'zod'
import { EscrowError } from '../../core/errors.js'
import { lfsBatchMax } from '../../core/limits.js'
import { SafeCount, Sha256Hex } from '../../format/ids.js'

/** What every body of the batch API is. */
export const lfsMediaType = 'application/vnd.git-lfs+json'

const LfsBatch = z.object({
  operation: z.enum(['upload', 'download']),
  transfers: z.array(z.string().max(100)).max(20).optional(),
  objects: z.array(z.object({ oid: Sha256Hex, size: SafeCount })).max(10 * lfsBatchMax),
  hash_algo: z.literal('sha256').optional(),
})
export type LfsBatch = z.infer<typeof LfsBatch>

/** One object of an answer. */
export interface LfsAnswer {
  readonly oid: string
  readonly size: number
  readonly actions?: { readonly upload: { readonly href: string } }
  readonly error?: { readonly code: number; readonly message: string }
}

/**
 * Read the body of a batch request.
 *
 * @throws EscrowError `BODY_INVALID`; `PUSH_REFUSED` for a client that uploads in no way that we know
 */
export function parseLfsRequest(bytes: Uint8Array): LfsBatch {
  const parsed = LfsBatch.safeParse(jsonOrNull(bytes))
  if (!parsed.success) {
    throw new EscrowError('BODY_INVALID', `expected a batch request of git-lfs: ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  }
  if (parsed.data.transfers?.includes('basic') === false)
    throw new EscrowError('PUSH_REFUSED', 'expected a client that knows the transfer basic')
  return parsed.data
}

function jsonOrNull(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown
  } catch {
    return null
  }
}
