/**
 * A small witness (c2sp.org/tlog-witness): an organisation's own machine that remembers the largest tree it has seen of each log, refuses
 * whatever does not extend it, and cosigns what does. It trusts nobody: requests come from anywhere, and the logs are what it is there to
 * watch.
 */
import type { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import type { SigningKey } from '../crypto/signature.js'
import { parseAddCheckpoint, type AddCheckpoint } from '../format/add-checkpoint.js'
import { parseCheckpointText, type Checkpoint } from '../format/checkpoint.js'
import { cosign } from '../format/cosignature.js'
import { emptyRoot, sameHash, verifyConsistency } from '../format/merkle.js'
import { formatNote, formatSignatureLine, parseNote, signaturesBy, verifyNote, type Note, type NoteKey } from '../format/note.js'
import type { WitnessMemory } from './witness-memory.js'

/** A log that the witness watches. */
export interface WatchedLog {
  readonly origin: string
  readonly key: NoteKey
}

/** Who the witness is. */
export interface WitnessIdentity {
  /** Its key name, as verifiers know it. */
  readonly name: string
  /** Used for cosignatures and nothing else. */
  readonly signer: SigningKey
}

/** An answer in the terms of HTTP, which the protocol is defined in. */
export interface WitnessReply {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly body: string
  readonly contentType: string
  /** The log has signed two trees of one size: what the operator of a witness has to hear of. */
  readonly fork?: { readonly origin: string; readonly size: number }
}

/** Decides about one checkpoint at a time for each log. */
export class Witness {
  readonly #logs: ReadonlyMap<string, WatchedLog>
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(
    private readonly memory: WitnessMemory,
    logs: readonly WatchedLog[],
    private readonly identity: WitnessIdentity,
    private readonly clock: Clock,
  ) {
    this.#logs = new Map(logs.map((log) => [log.origin, log]))
  }

  /** The logs that it watches. */
  get logs(): readonly WatchedLog[] {
    return [...this.#logs.values()]
  }

  /**
   * Read every log's memory, so that damage is found at start-up and not by the first request.
   *
   * @throws EscrowError `CHECKPOINT_INVALID`, `FILE_UNREADABLE`
   */
  async inspect(): Promise<readonly { readonly origin: string; readonly size: number }[]> {
    return Promise.all(this.logs.map(async (log) => ({ origin: log.origin, size: (await this.#remembered(log)).size })))
  }

  /**
   * Answer an `add-checkpoint` request. What is cosigned is on the disk before this returns.
   *
   * @param body - attacker-controlled.
   * @throws EscrowError `FILE_UNREADABLE`, `CHECKPOINT_INVALID` when the memory fails: then nothing was cosigned
   */
  async addCheckpoint(body: Uint8Array): Promise<WitnessReply> {
    const request = orNull(() => parseAddCheckpoint(body))
    const note = request === null ? null : orNull(() => parseNote(request.checkpoint))
    const checkpoint = note === null ? null : orNull(() => parseCheckpointText(note.text))
    if (request === null || note === null || checkpoint === null) return words(400, 'malformed request')
    const log = this.#logs.get(checkpoint.origin)
    if (log === undefined) return words(404, 'unknown log')
    if (orNull(() => verified(note, log.key)) === null) return words(403, 'no valid signature by the log')
    if (request.oldSize > checkpoint.size) return words(400, 'the old size is larger than the checkpoint')
    return this.#inTurn(log.origin, () => this.#decide(log, request, { note, checkpoint }))
  }

  /**
   * The newest checkpoint that it cosigned, with log signature and cosignature.
   *
   * @returns null for a log that it does not watch or has not seen.
   */
  async latest(hash: string, hashOf: (origin: string) => string): Promise<Uint8Array | null> {
    const log = this.logs.find(({ origin }) => hashOf(origin) === hash)
    return log === undefined ? null : this.memory.read(log.origin)
  }

  async #decide(
    log: WatchedLog,
    request: AddCheckpoint,
    shown: { readonly note: Note; readonly checkpoint: Checkpoint },
  ): Promise<WitnessReply> {
    const known = await this.#remembered(log)
    if (request.oldSize !== known.size) return { status: 409, body: `${known.size}\n`, contentType: 'text/x.tlog.size' }
    if (orNull(() => extendsKnown(known, shown.checkpoint, request.proof)) !== null) return this.#cosign(log, shown.note)
    const refusal = words(422, 'the checkpoint is not shown to extend the one that was cosigned before')
    // A proof that does not verify proves nothing, for anybody may send one; but the log has signed these two trees of one size.
    if (known.size === 0 || shown.checkpoint.size !== known.size || sameHash(known.root, shown.checkpoint.root)) return refusal
    await this.#keepFork(log, shown.note)
    return { ...refusal, fork: { origin: log.origin, size: known.size } }
  }

  async #keepFork(log: WatchedLog, other: Note): Promise<void> {
    const known = await this.memory.read(log.origin)
    const shown = formatNote({ text: other.text, signatures: signaturesBy(other, log.key) })
    for (const note of known === null ? [] : [known, shown]) await this.memory.keepEvidence(log.origin, note)
  }

  async #cosign(log: WatchedLog, note: Note): Promise<WitnessReply> {
    const seconds = Math.max(1, Math.floor(this.clock.now().getTime() / 1000))
    const line = cosign(note.text, this.identity.name, this.identity.signer, seconds)
    // Of the log's lines only those that were verified are kept, and nobody else's.
    const signatures = [...signaturesBy(note, log.key), line]
    await this.memory.write(log.origin, formatNote({ text: note.text, signatures }))
    return { status: 200, body: `${formatSignatureLine(line)}\n`, contentType: 'text/plain; charset=utf-8' }
  }

  /** The tree that was cosigned last; the empty one if none. */
  async #remembered(log: WatchedLog): Promise<Checkpoint> {
    const bytes = await this.memory.read(log.origin)
    if (bytes === null) return { origin: log.origin, size: 0, root: emptyRoot() }
    try {
      const checkpoint = parseCheckpointText(verified(parseNote(bytes), log.key).text)
      if (checkpoint.origin === log.origin) return checkpoint
    } catch (cause) {
      throw new EscrowError('CHECKPOINT_INVALID', 'what the witness remembers of a log does not verify: its file is damaged', { cause })
    }
    throw new EscrowError('CHECKPOINT_INVALID', 'what the witness remembers of a log is of another log: files were exchanged')
  }

  /** Comparing with the memory and replacing it must be one step (c2sp.org/tlog-witness, the race at its end). */
  #inTurn<T>(origin: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(origin) ?? Promise.resolve()).then(work)
    this.#turns.set(
      origin,
      turn.catch(() => undefined),
    )
    return turn
  }
}

function verified(note: Note, key: NoteKey): Note {
  verifyNote(note, key)
  return note
}

/** @throws EscrowError `PROOF_INVALID` */
function extendsKnown(known: Checkpoint, shown: Checkpoint, proof: readonly Uint8Array[]): true {
  if (shown.size === 0 && !sameHash(shown.root, emptyRoot())) throw new EscrowError('PROOF_INVALID', 'an empty tree has another root')
  verifyConsistency({ oldSize: known.size, newSize: shown.size, oldRoot: known.root, newRoot: shown.root }, proof)
  return true
}

/** What a parser gives, or null when it refuses. */
function orNull<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (isEscrowError(error)) return null
    throw error
  }
}

function words(status: WitnessReply['status'], body: string): WitnessReply {
  return { status, body: `${body}\n`, contentType: 'text/plain; charset=utf-8' }
}
