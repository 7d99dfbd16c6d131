/**
 * What a witness must never forget: for each log, the newest checkpoint that it cosigned. One file for each, replaced whole and flushed to
 * the disk before anybody hears of it. A witness that forgets would cosign a fork, so a damaged file stops it and a missing one is
 * believed only because nothing was ever cosigned without writing it.
 */
import { createHash } from 'node:crypto'
import { open, readFile, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { noteBytesMax, witnessEvidenceMax } from '../core/limits.js'
import { makeFolders } from '../core/make-folders.js'

/** The file name of a log, which is also its name in the monitoring API of c2sp.org/tlog-witness. */
export function originHash(origin: string): string {
  return createHash('sha256').update(origin).digest('hex')
}

/** A witness's folder. Only one process may use it; take the folder's lock first. */
export class WitnessMemory {
  private constructor(
    private readonly folder: string,
    private readonly evidence: string,
  ) {}

  /** Open a folder, made if need be. @throws EscrowError `FILE_UNREADABLE` */
  static async open(folder: string): Promise<WitnessMemory> {
    const evidence = join(folder, 'evidence')
    try {
      await makeFolders(evidence, { mode: 0o700 })
      await syncFolder(folder)
    } catch (cause) {
      throw unusable('the folder of the witness cannot be used', cause)
    }
    return new WitnessMemory(folder, evidence)
  }

  /**
   * The checkpoint that was cosigned last, with the cosignature.
   *
   * @returns null when there is none.
   * @throws EscrowError `FILE_UNREADABLE`, also when the file is longer than any checkpoint
   */
  async read(origin: string): Promise<Uint8Array | null> {
    try {
      const bytes = await readFile(this.#path(origin))
      if (bytes.length <= noteBytesMax) return bytes
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw unusable('what the witness remembers cannot be read', cause)
    }
    throw unusable('what the witness remembers is damaged')
  }

  /** Remember a checkpoint; when this returns, a power cut cannot undo it. Calls for one origin must not overlap. */
  async write(origin: string, checkpoint: Uint8Array): Promise<void> {
    try {
      await replace(this.#path(origin), checkpoint)
      await syncFolder(this.folder)
    } catch (cause) {
      throw unusable('the witness cannot write down what it is asked to cosign', cause)
    }
  }

  /**
   * Keep one of two checkpoints that contradict each other: signed by the log, together they prove that it forked. Idempotent; when
   * `witnessEvidenceMax` are kept already, no more are.
   */
  async keepEvidence(origin: string, checkpoint: Uint8Array): Promise<void> {
    const kept = (await readdir(this.evidence)).filter((name) => name.endsWith('.checkpoint'))
    const name = `${originHash(origin).slice(0, 16)}-${createHash('sha256').update(checkpoint).digest('hex').slice(0, 16)}.checkpoint`
    if (kept.includes(name) || kept.length >= witnessEvidenceMax) return
    await replace(join(this.evidence, name), checkpoint)
    await syncFolder(this.evidence)
  }

  #path(origin: string): string {
    return join(this.folder, `${originHash(origin)}.checkpoint`)
  }
}

/** Whole or not at all: written beside, flushed, renamed. */
async function replace(path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, path)
}

/** A rename is durable only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function unusable(words: string, cause?: unknown): EscrowError {
  return new EscrowError('FILE_UNREADABLE', words, { cause })
}
