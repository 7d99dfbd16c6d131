import { lfsPointerBytesMax } from '../core/limits.js'

/** What stands in a repository in place of a large file. */
export interface LfsPointer {
  /** SHA-256 of the file. */
  readonly oid: string
  readonly sizeBytes: number
}

/** Bytes of the shortest pointer: version, oid and a size of one digit. */
export const lfsPointerBytesMin = 126

const versions = ['https://git-lfs.github.com/spec/v1', 'https://hawser.github.com/spec/v1']

/**
 * Read a file as an LFS pointer.
 *
 * @param body - a whole file; attacker-controlled.
 * @returns null when it is not a pointer, which most files are not.
 *
 * Source: git-lfs docs/spec.md, "The Pointer".
 */
export function parseLfsPointer(body: Buffer): LfsPointer | null {
  if (body.length < lfsPointerBytesMin || body.length >= lfsPointerBytesMax) return null
  // Most small blobs are something else: nothing more is made of them.
  if (body.toString('latin1', 0, 'version '.length) !== 'version ') return null
  const [version, ...lines] = body.toString('latin1').split('\n')
  if (!versions.some((known) => version === `version ${known}`)) return null
  const oid = lines.flatMap((line) => /^oid sha256:([0-9a-f]{64})$/.exec(line)?.[1] ?? [])[0]
  const size = lines.flatMap((line) => /^size (0|[1-9]\d{0,15})$/.exec(line)?.[1] ?? [])[0]
  const sizeBytes = Number(size)
  return oid === undefined || !Number.isSafeInteger(sizeBytes) ? null : { oid, sizeBytes }
}
