/** One round of questions to the witnesses, and what came of it: the checkpoint with more cosignatures, and the state of each witness. */
import type { Clock } from '../core/environment.js'
import { EscrowError, assert, isEscrowError } from '../core/errors.js'
import { witnessPauseMaxMs, witnessPauseMs } from '../core/limits.js'
import type { Database } from '../db/database.js'
import { openCheckpoint, type CheckpointPolicy, type OpenedCheckpoint } from '../format/checkpoint.js'
import { formatNote, type NoteSignature } from '../format/note.js'
import type { LogReader } from './log-reader.js'
import type { LogStore, StoredCheckpoint } from './log-store.js'
import { listWitnesses, saveCosignature, saveWitnessFailure, type LogWitnessRow } from './log-witness.table.js'
import { findHead, saveCosigned } from './log.table.js'
import { askWitness, recallCheckpoint, type WitnessAddress } from './witness-client.js'
import { CheckpointWitnesses } from './witness-round.js'

/** Whom to ask, and by whose rules. */
export interface WitnessPanel {
  readonly policy: CheckpointPolicy
  /** Witnesses of the policy that have an address; the others' cosignatures come some other way or not at all. */
  readonly addresses: readonly WitnessAddress[]
}

interface Asked {
  readonly witness: WitnessAddress
  readonly outcome: { readonly line: NoteSignature } | { readonly failure: EscrowError }
}

/** Asks over the tlog-witness protocol, all witnesses at once; see the port. */
export class AskWitnesses extends CheckpointWitnesses {
  constructor(
    private readonly database: Database,
    private readonly store: LogStore,
    private readonly reader: LogReader,
    private readonly clock: Clock,
    private readonly panel: WitnessPanel,
  ) {
    super()
    const known = new Set(panel.policy.witnesses.map((key) => key.publicKey))
    assert(
      panel.addresses.every(({ key }) => known.has(key.publicKey)),
      'addresses of witnesses that the policy names',
    )
  }

  async ask(signal?: AbortSignal): Promise<boolean> {
    const checkpoint = await this.reader.checkpoint('newest')
    if (checkpoint === null) return false
    const rows = new Map((await this.database.query((db) => listWitnesses(db))).map((row) => [row.witness, row]))
    const signed = new Set(checkpoint.cosignatures.map(({ witness }) => witness))
    const due = this.panel.addresses.filter(({ key }) => !signed.has(key.name) && this.#isDue(rows.get(key.name)))
    if (due.length === 0) return this.#settle(checkpoint)
    const asked = await Promise.all(due.map((witness) => this.#askOne(witness, checkpoint, rows.get(witness.key.name)?.size ?? 0, signal)))
    const better = await this.#keep(checkpoint, asked, signal)
    return better.witnessed
  }

  /** A cosigned checkpoint whose quorum was not noted before we died. */
  async #settle(checkpoint: OpenedCheckpoint): Promise<boolean> {
    const head = await this.database.query((db) => findHead(db))
    if (checkpoint.witnessed && head !== null && head.witnessedSize < checkpoint.size) await this.#save(checkpoint)
    return checkpoint.witnessed
  }

  /** A clock that went backwards makes a failure lie in the future: then it is due. */
  #isDue(row: LogWitnessRow | undefined): boolean {
    if (row === undefined || row.failedAt === null || row.failures === 0) return true
    const sinceMs = this.clock.now().getTime() - row.failedAt.getTime()
    const pauseMs = Math.min(witnessPauseMs * 2 ** Math.min(row.failures - 1, 20), witnessPauseMaxMs)
    return sinceMs < 0 || sinceMs >= pauseMs
  }

  async #askOne(witness: WitnessAddress, checkpoint: OpenedCheckpoint, oldSize: number, signal?: AbortSignal): Promise<Asked> {
    try {
      return { witness, outcome: { line: await this.#cosignature(witness, checkpoint, Math.min(oldSize, checkpoint.size), signal) } }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      return { witness, outcome: { failure: error } }
    }
  }

  /** Ask; when the witness knows another size, once more from there. */
  async #cosignature(witness: WitnessAddress, checkpoint: OpenedCheckpoint, oldSize: number, signal?: AbortSignal): Promise<NoteSignature> {
    const bytes = formatNote(checkpoint.note)
    const from = async (size: number) => {
      const proof = await this.reader.proveGrowth(size, checkpoint, signal)
      return askWitness(witness, { oldSize: size, proof, checkpoint: bytes }, checkpoint.note.text, signal)
    }
    const first = await from(oldSize)
    if (first.kind === 'cosigned') return first.line
    if (first.size > checkpoint.size) throw await this.#ahead(witness, first.size, checkpoint.size, signal)
    const second = await from(first.size)
    if (second.kind === 'cosigned') return second.line
    throw new EscrowError('WITNESS_REFUSED', `witness ${witness.key.name} answered 409 twice, with ${first.size} and ${second.size}`)
  }

  /** The claim alone may be a lie and shows as this witness's failure; a larger checkpoint that our own key has signed is proof. */
  async #ahead(witness: WitnessAddress, size: number, own: number, signal?: AbortSignal): Promise<EscrowError> {
    const words = `witness ${witness.key.name} says that it cosigned ${size} leaves of this log, which has ${own}`
    const bytes = await recallCheckpoint(witness, this.panel.policy.origin, signal)
    const proven = bytes !== null && openCheckpoint(bytes, this.panel.policy).size > own
    return new EscrowError('LOG_ROLLED_BACK', words, { details: { proven } })
  }

  async #keep(checkpoint: OpenedCheckpoint, asked: readonly Asked[], signal?: AbortSignal): Promise<OpenedCheckpoint> {
    const lines = asked.flatMap(({ outcome }) => ('line' in outcome ? [outcome.line] : []))
    const better = this.#withLines(checkpoint, lines)
    if (lines.length > 0) {
      await this.store.writeCheckpoint(formatNote(better.note), signal)
      await this.#save(better)
    }
    for (const { witness, outcome } of asked) await this.#note(witness.key.name, outcome, checkpoint.size)
    const proof = asked.flatMap(({ outcome }) =>
      'failure' in outcome && outcome.failure.details['proven'] === true ? [outcome.failure] : [],
    )
    if (proof[0] !== undefined) throw proof[0]
    return better
  }

  #withLines(checkpoint: OpenedCheckpoint, lines: readonly NoteSignature[]): OpenedCheckpoint {
    const note = { ...checkpoint.note, signatures: [...checkpoint.note.signatures, ...lines] }
    return openCheckpoint(formatNote(note), this.panel.policy)
  }

  async #save({ size, note, witnessed }: OpenedCheckpoint): Promise<void> {
    const checkpoint = new TextDecoder().decode(formatNote(note))
    await this.database.transaction((tx) => saveCosigned(tx, { size, checkpoint, witnessed }))
  }

  async #note(name: string, outcome: Asked['outcome'], size: number): Promise<void> {
    const at = this.clock.now()
    await this.database.transaction((tx) => {
      if ('line' in outcome) return saveCosignature(tx, name, size, at)
      const { code, message } = outcome.failure
      return saveWitnessFailure(tx, name, { code, words: message.slice(0, 1000), at })
    })
  }

  async recall(signal?: AbortSignal): Promise<readonly StoredCheckpoint[]> {
    const { origin } = this.panel.policy
    const recalled = await Promise.all(
      this.panel.addresses.map(async (witness) => {
        try {
          return { replica: `witness ${witness.key.name}`, bytes: await recallCheckpoint(witness, origin, signal) }
        } catch (error) {
          signal?.throwIfAborted()
          if (!isEscrowError(error)) throw error
          return { replica: witness.key.name, bytes: null }
        }
      }),
    )
    return recalled.filter(({ bytes }) => bytes !== null)
  }
}
