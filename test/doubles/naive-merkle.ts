import { createHash } from 'node:crypto'

/**
 * The Merkle tree exactly as RFC 6962 section 2.1 defines it, by recursion, with nothing taken from the code under test. Slow on
 * purpose; results of ranges are remembered so that every size up to a few hundred can be tried.
 */
export class NaiveMerkle {
  readonly #remembered = new Map<string, Buffer>()

  constructor(readonly entries: readonly Uint8Array[]) {}

  /** MTH(D[start:end]). */
  root(start: number, end: number): Buffer {
    const key = `${start}-${end}`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    const made = this.#compute(start, end)
    this.#remembered.set(key, made)
    return made
  }

  #compute(start: number, end: number): Buffer {
    const n = end - start
    if (n === 0) return sha256()
    if (n === 1) return sha256(Buffer.of(0), this.entries[start]!)
    const k = split(n)
    return sha256(Buffer.of(1), this.root(start, start + k), this.root(start + k, end))
  }

  /** PATH(m, D[start:end]), m counted from `start`. */
  path(m: number, start: number, end: number): Buffer[] {
    const n = end - start
    if (n === 1) return []
    const k = split(n)
    return m < k
      ? [...this.path(m, start, start + k), this.root(start + k, end)]
      : [...this.path(m - k, start + k, end), this.root(start, start + k)]
  }

  /** PROOF(m, D[0:n]). */
  consistency(m: number, n: number): Buffer[] {
    return this.#subproof(m, 0, n, true)
  }

  #subproof(m: number, start: number, end: number, whole: boolean): Buffer[] {
    const n = end - start
    if (m === n) return whole ? [] : [this.root(start, end)]
    const k = split(n)
    return m <= k
      ? [...this.#subproof(m, start, start + k, whole), this.root(start + k, end)]
      : [...this.#subproof(m - k, start + k, end, false), this.root(start, start + k)]
  }
}

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
