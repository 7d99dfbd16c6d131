import { findingsListedMax } from '../core/limits.js'
import { cleanWords } from './remote-words.js'

/** One thing that fsck says about an object. */
export interface FsckMessage {
  /** Git's message id, e.g. `missingEmail`. */
  readonly id: string
  readonly oid: string
  readonly text: string
}

/** What fsck said: every id with its exact count, and the first messages of each in full. */
export interface FsckReport {
  readonly counts: ReadonlyMap<string, number>
  /** At most `findingsListedMax` of one id. */
  readonly listed: readonly FsckMessage[]
}

const idsMax = 200

/** Collects messages with a bound on what is kept: a hostile repository has as many as it has objects. */
export class FsckMessages {
  readonly #counts = new Map<string, number>()
  readonly #listed: FsckMessage[] = []

  /**
   * Take a line of stderr, if it is a message.
   *
   * @returns false for any other line.
   */
  add(line: string): boolean {
    const message = parseFsckLine(line)
    if (message === null) return false
    const count = this.#counts.get(message.id) ?? 0
    if (count === 0 && this.#counts.size >= idsMax) return true
    this.#counts.set(message.id, count + 1)
    if (count < findingsListedMax) this.#listed.push(message)
    return true
  }

  get report(): FsckReport {
    return { counts: new Map(this.#counts), listed: [...this.#listed] }
  }
}

/**
 * The message in a line of `git index-pack --strict` (`warning: object <oid>: <id>: <text>`) or of `git fsck`
 * (`warning in commit <oid>: <id>: <text>`, `error in ...`).
 *
 * @returns null if the line is something else.
 */
export function parseFsckLine(line: string): FsckMessage | null {
  const [, oid, id, text] =
    /^(?:(?:warning|error): object|(?:warning|error) in (?:commit|tree|blob|tag|unknown)) ([0-9a-f]{40,64}): ([A-Za-z0-9]{1,60}): (.*)$/.exec(
      line,
    ) ?? []
  return oid === undefined || id === undefined || text === undefined ? null : { id, oid, text: cleanWords(text).slice(0, 1000) }
}

/** Cuts bytes into lines at `\n` and `\r`; a line that is longer than the limit is cut off. */
export class LineCutter {
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  /** Take the next bytes; whole lines go to the callback. */
  add(bytes: Uint8Array): void {
    const lines = (this.#rest + Buffer.from(bytes).toString('utf8')).split(/[\r\n]/)
    this.#rest = (lines.pop() ?? '').slice(0, lineCharactersMax)
    for (const line of lines) this.#onLine(line)
  }

  /** What came after the last line end, as a line. */
  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest)
    this.#rest = ''
  }
}

const lineCharactersMax = 16 * 1024
