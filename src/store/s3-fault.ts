import { EscrowError, isEscrowError, type ErrorCode } from '../core/errors.js'

/** Codes of S3 that mean something more exact than their class. The store chooses what it answers: nothing here is trusted. */
const codes: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'OBJECT_MISSING',
  NoSuchVersion: 'OBJECT_MISSING',
  NotFound: 'OBJECT_MISSING',
  InvalidRange: 'OBJECT_MISSING',
  BadDigest: 'STORE_SHORT_WRITE',
  InvalidDigest: 'STORE_SHORT_WRITE',
  XAmzContentSHA256Mismatch: 'STORE_SHORT_WRITE',
  IncompleteBody: 'STORE_UNREACHABLE',
  InternalError: 'STORE_UNREACHABLE',
  OperationAborted: 'STORE_UNREACHABLE',
  RequestTimeout: 'STORE_UNREACHABLE',
  ServiceUnavailable: 'STORE_UNREACHABLE',
  SlowDown: 'STORE_UNREACHABLE',
  UnknownError: 'STORE_UNREACHABLE',
}

/** The code that S3 answered, or null when the failure is another. */
export function s3CodeOf(error: unknown): string | null {
  if (isEscrowError(error)) return typeof error.details['s3'] === 'string' ? error.details['s3'] : null
  // minio's class: its answers are parsed into it, and it alone carries the store's code.
  if (!(error instanceof Error) || error.constructor.name !== 'S3Error') return null
  const code = 'code' in error ? error.code : null
  return typeof code === 'string' && /^[A-Za-z0-9]{1,64}$/.test(code) ? code : 'UnknownError'
}

/**
 * Translate what the client threw. Everything that is not an answer of the store, a garbled one included, is a store that cannot be
 * reached: we know nothing of what it did.
 *
 * @param doing - as in "cannot <doing>".
 */
export function s3Fault(error: unknown, doing: string): EscrowError {
  if (isEscrowError(error)) return error
  const s3 = s3CodeOf(error)
  if (s3 !== null) {
    const words = `cannot ${doing}: the store answered ${s3}${wordsOf(error)}`
    return new EscrowError(codes[s3] ?? 'STORE_REFUSED', words, { details: { s3 }, cause: error })
  }
  return new EscrowError('STORE_UNREACHABLE', `cannot ${doing}: the store does not answer${wordsOf(error)}`, { cause: error })
}

/** The store's own words, which may be anything: printable, one line, not long. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const code =
    'code' in error && typeof error.code === 'string' && /^E[A-Z_]{1,30}$|^[A-Z][A-Z_]{1,50}$/.test(error.code) ? `${error.code} ` : ''
  const words = `${code}${error.message}`.replaceAll(/[^\x20-\x7e]+/g, ' ').trim()
  return words === '' ? '' : ` (${words.slice(0, 200)})`
}
