import { createHash } from 'node:crypto'
import { Entropy } from '../../src/core/environment.js'

/** Entropy that a test can repeat: SHA-256 in counter mode over a seed, SHAKE-256 where that would be slow. Never outside tests. */
export class SeededEntropy extends Entropy {
  #counter = 0

  constructor(private readonly seed: string) {
    super()
  }

  bytes(sizeBytes: number): Uint8Array {
    if (sizeBytes > 1024) return this.#bulk(sizeBytes)
    const out = new Uint8Array(sizeBytes)
    for (let offset = 0; offset < sizeBytes; offset += 32) {
      const block = createHash('sha256').update(`${this.seed}/${this.#counter}`).digest()
      this.#counter += 1
      out.set(block.subarray(0, sizeBytes - offset), offset)
    }
    return out
  }

  #bulk(sizeBytes: number): Uint8Array {
    this.#counter += 1
    const hash = createHash('shake256', { outputLength: sizeBytes })
    return new Uint8Array(hash.update(`${this.seed}/${this.#counter}`).digest())
  }
}

/** Keeps what it gave, so that a test can look whether it was wiped. */
export class RememberedEntropy extends SeededEntropy {
  readonly given: Uint8Array[] = []

  override bytes(sizeBytes: number): Uint8Array {
    const bytes = super.bytes(sizeBytes)
    this.given.push(bytes)
    return bytes
  }
}
