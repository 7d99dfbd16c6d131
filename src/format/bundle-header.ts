// The text before the pack in a git bundle (gitformat-bundle): what must be there before, which refs it brings. Written here so that a
// worker can make bundles without a repository; read here when a bundle that somebody else sealed is looked at. Parsed text is attacker-controlled.
import { EscrowError } from '../core/errors.js'
import { bundleHeaderBytesMax, refNameBytesMax, refsMax } from '../core/limits.js'
import { isRefName } from './ids.js'

/** One ref that a bundle brings. */
export interface BundleRef {
  /** `HEAD` or a name that begins with `refs/`. */
  readonly name: string
  readonly oid: string
}

/** What stands before the pack. */
export interface BundleHeader {
  readonly objectFormat: 'sha1' | 'sha256'
  /** Commits that the reader must have. A tag object here makes `git fetch` fail (DESIGN section 4): peel before. */
  readonly prerequisites: readonly string[]
  readonly refs: readonly BundleRef[]
}

const signatures = { v2: '# v2 git bundle', v3: '# v3 git bundle' } as const
const lineFeed = 0x0a

/**
 * Write a header: version 2 for SHA-1 repositories, version 3 with `@object-format=sha256` for the others. The pack's bytes follow directly.
 *
 * @returns bytes that end with the empty line.
 * @throws EscrowError `FORMAT_INVALID` for ids of the wrong length, names that git would not take, and anything listed twice.
 *
 * Source: gitformat-bundle(5); docs/formats/bundle-header.md.
 */
export function encodeBundleHeader(header: BundleHeader): Uint8Array {
  const lines: string[] = header.objectFormat === 'sha1' ? [signatures.v2] : [signatures.v3, '@object-format=sha256']
  for (const oid of header.prerequisites) lines.push(`-${oid} `)
  for (const { oid, name } of header.refs) lines.push(`${oid} ${name}`)
  lines.push('', '')
  checkHeader(header)
  return Buffer.from(lines.join('\n'))
}

/**
 * Read the header at the start of a bundle.
 *
 * @param bytes - the beginning of a bundle, or all of it; attacker-controlled.
 * @returns the header, and where the pack begins.
 * @throws EscrowError `FORMAT_INVALID` when the bytes are not a version 2 or 3 header, name a capability other than the object format
 *   (a filtered bundle is not a whole repository), or end before the empty line.
 */
export function parseBundleHeader(bytes: Uint8Array): { readonly header: BundleHeader; readonly packOffset: number } {
  const lines = new HeaderLines(bytes)
  const objectFormat = parseFormat(lines)
  const prerequisites: string[] = []
  const refs: BundleRef[] = []
  const hex = objectFormat === 'sha1' ? '[0-9a-f]{40}' : '[0-9a-f]{64}'
  const prerequisiteLine = new RegExp(`^-(${hex})(?: .*)?$`, 's')
  const refLine = new RegExp(`^(${hex}) (.+)$`, 's')
  for (let line = lines.next(); line !== ''; line = lines.next()) {
    const [, prerequisite] = prerequisiteLine.exec(line) ?? []
    const [, oid, name] = refLine.exec(line) ?? []
    if (prerequisite !== undefined && refs.length === 0) prerequisites.push(prerequisite)
    else if (oid !== undefined && name !== undefined) refs.push({ oid, name })
    else throw invalid(`expected a ${objectFormat} prerequisite or ref in line ${lines.count}`)
    if (prerequisites.length > refsMax || refs.length > refsMax) throw invalid(`expected at most ${refsMax} refs`)
  }
  const header = { objectFormat, prerequisites, refs }
  checkHeader(header)
  return { header, packOffset: lines.offset }
}

function parseFormat(lines: HeaderLines): BundleHeader['objectFormat'] {
  const signature = lines.next()
  if (signature === signatures.v2) return 'sha1'
  if (signature !== signatures.v3) throw invalid('expected "# v2 git bundle" or "# v3 git bundle" in line 1')
  if (!lines.beginsWith('@')) return 'sha1'
  const capability = lines.next()
  const [, format] = /^@object-format=(sha1|sha256)$/.exec(capability) ?? []
  if (format === undefined) throw invalid('expected @object-format=sha1 or sha256 in line 2')
  return format as BundleHeader['objectFormat']
}

/** One line after the other, none longer than a prerequisite or a ref can be. */
class HeaderLines {
  offset = 0
  count = 0

  constructor(private readonly bytes: Uint8Array) {}

  beginsWith(character: string): boolean {
    return this.bytes[this.offset] === character.charCodeAt(0)
  }

  next(): string {
    this.count++
    const end = this.bytes.indexOf(lineFeed, this.offset)
    if (end === -1) throw invalid(`expected a line feed after line ${this.count}, got the end`)
    if (end > bundleHeaderBytesMax) throw invalid(`expected a header of at most ${bundleHeaderBytesMax} bytes`)
    if (end - this.offset > lineBytesMax) throw invalid(`expected at most ${lineBytesMax} bytes in line ${this.count}`)
    const line = decodeUtf8(this.bytes.subarray(this.offset, end), this.count)
    this.offset = end + 1
    return line
  }
}

const lineBytesMax = 64 + 1 + refNameBytesMax
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array, line: number): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new EscrowError('FORMAT_INVALID', `bundle header: expected UTF-8 in line ${line}`, { cause })
  }
}

function checkHeader({ objectFormat, prerequisites, refs }: BundleHeader): void {
  const oid = objectFormat === 'sha1' ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/
  const wrongOid = [...prerequisites, ...refs.map((ref) => ref.oid)].find((id) => !oid.test(id))
  if (wrongOid !== undefined) throw invalid(`expected ${objectFormat} ids, got one of ${wrongOid.length} characters`)
  const wrongName = refs.findIndex((ref) => ref.name !== 'HEAD' && !isRefName(ref.name))
  if (wrongName !== -1) throw invalid(`expected HEAD or a valid name beginning with refs/, got another as ref ${wrongName + 1}`)
  if (new Set(prerequisites).size !== prerequisites.length) throw invalid('expected each prerequisite once')
  if (new Set(refs.map((ref) => ref.name)).size !== refs.length) throw invalid('expected each ref once')
}

function invalid(message: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `bundle header: ${message}`)
}
