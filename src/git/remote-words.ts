import { remoteWordsBytesMax } from '../core/limits.js'

/**
 * What somebody else's program said, kept to be shown to people: the last `remoteWordsBytesMax` bytes.
 *
 * The remote chooses these bytes and they reach terminals and pages, so escape sequences, control characters and characters that
 * reorder text are removed, and of a line that was overwritten by carriage returns only the last state stays.
 */
export class Words {
  #kept = Buffer.alloc(0)

  /** Add bytes in order; the oldest are forgotten. */
  add(bytes: Uint8Array): void {
    const tail = bytes.length > remoteWordsBytesMax ? bytes.subarray(bytes.length - remoteWordsBytesMax) : bytes
    this.#kept = Buffer.concat([this.#kept, tail])
    if (this.#kept.length > 2 * remoteWordsBytesMax) this.#kept = this.#kept.subarray(this.#kept.length - remoteWordsBytesMax)
  }

  /** The words as one printable text; empty if nothing was said. */
  toString(): string {
    return cleanWords(this.#kept.subarray(Math.max(0, this.#kept.length - remoteWordsBytesMax)).toString('utf8'))
  }
}

/**
 * Text of a stranger, fit for a message.
 *
 * @returns at most `remoteWordsBytesMax` characters; lines are joined by `; `.
 */
export function cleanWords(text: string): string {
  return text
    .slice(0, remoteWordsBytesMax)
    .replaceAll(escapeSequence, '')
    .split('\n')
    .map((line) => lastState(line).replaceAll(unprintable, ' ').trim())
    .filter((line) => line !== '')
    .join('; ')
    .slice(0, remoteWordsBytesMax)
}

function lastState(line: string): string {
  const states = line.split('\r').filter((state) => state.trim() !== '')
  return states.at(-1) ?? ''
}

// eslint-disable-next-line no-control-regex
const escapeSequence = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/g
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029\ufffd]+/gu
