import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { attestedEventsMax, attestedPeriodsMax, eventWritesMax } from '../core/limits.js'
import { encodeBase64 } from '../crypto/base64.js'
import { Database } from '../db/database.js'
import { Agent } from '../escrow/agent.js'
import { AgreementShelf, type KnownAgreement } from '../escrow/archive/agreement-shelf.js'
import type { Source } from '../format/agreement.js'
import { Attestation, type AttestedLeaf } from '../format/attestation.js'
import { attestPeriods } from '../format/attested-periods.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import { formatListedLeaf } from '../format/leaf-list.js'
import { logTag, parseLogEntry } from '../format/log-entry.js'
import { multiProofRanges, verifyMultiProof } from '../format/multi-proof.js'
import { formatNote } from '../format/note.js'
import { readLeaves } from '../format/proven-tiles.js'
import { signDocument } from '../format/signed-document.js'
import { proveRanges } from '../format/tile-proof.js'
import { LogReader } from '../log/log-reader.js'
import { LogStore } from '../log/log-store.js'
import { listChain, type LogEntryRow } from '../log/log.table.js'
import { readEvent } from '../log/read-event.js'

/** What is to be attested. */
export interface AttestationWish {
  readonly agreementId: string
  readonly source: string
  /** Due times from here, */
  readonly from: Date
  /** up to, but without, this moment. */
  readonly to: Date
  /** That the log's reader gave; the newest when left out. */
  readonly checkpoint?: OpenedCheckpoint
}

/** A signed attestation, and the checkpoint that it leads to. */
export interface AttestedSource {
  readonly attestation: Attestation
  readonly bytes: Uint8Array
  readonly checkpoint: OpenedCheckpoint
}

const pageSize = 500

/** Answers for a source: each due time of a period, what happened to it, and every leaf that could say otherwise. */
@Injectable()
export class AttestSource {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LogStore) private readonly store: LogStore,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Attest a period of a source. What was missed must have been recorded before, and pending entries published.
   *
   * @throws EscrowError `NOT_FOUND` for an unknown source, or before the log has a checkpoint; `ARGUMENT_INVALID` when the period holds more
   *   than one attestation may; `OBJECT_*`, `STORE_*`, `PROOF_INVALID`
   */
  async run(wish: AttestationWish, signal?: AbortSignal): Promise<AttestedSource> {
    const known = await this.shelf.get(wish.agreementId)
    const source = sourceOf(known, wish)
    const tag = logTag(Buffer.from(known.annex.tagSecret, 'hex'), wish.source)
    const checkpoint = wish.checkpoint ?? (await this.log.checkpoint('newest'))
    if (checkpoint === null) throw new EscrowError('NOT_FOUND', 'the log has no checkpoint yet')
    const leaves = await this.leaves(hex(tag), { wish, source, size: checkpoint.size }, signal)
    const proof = await this.prove(leaves, checkpoint, signal)
    const now = this.agent.clock.now()
    const events = leaves.map((leaf) => leaf.event)
    const attestation: Attestation = {
      type: 'escrow/attestation/v1',
      origin: known.signed.body.origin,
      agreementId: known.signed.body.agreement,
      agreement: known.signed.digest,
      source: wish.source,
      from: wish.from.toISOString(),
      to: wish.to.toISOString(),
      issuedAt: now.toISOString(),
      periods: [...attestPeriods(source.schedule, { ...wish, now }, events, attestedPeriodsMax)],
      log: {
        origin: checkpoint.origin,
        checkpoint: new TextDecoder().decode(formatNote(checkpoint.note)),
        tag: hex(tag),
        leaves: leaves.map(({ index, salt, event }) => ({ index, salt, event })),
        proof: proof.map((hash) => encodeBase64(hash)),
      },
    }
    return { attestation, bytes: signDocument({ body: attestation, schema: Attestation, key: this.agent.keys.signingKey }), checkpoint }
  }

  /** Every leaf of a log, for those who want to see that none of theirs is missing; each is proven before it is given. */
  async *leafList(checkpoint: OpenedCheckpoint, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const readers = this.store.replicas.replicas.map((replica) => this.store.reader(replica, signal))
    for await (const leaves of readLeaves(checkpoint, readers)) {
      signal?.throwIfAborted()
      yield Buffer.concat(leaves.map(({ entry }) => formatListedLeaf(parseLogEntry(entry))))
    }
  }

  /** From the last event before the period to the first one after its last deadline, or to the newest. */
  private async leaves(
    tag: string,
    period: { readonly wish: AttestationWish; readonly source: Source; readonly size: number },
    signal?: AbortSignal,
  ): Promise<readonly ShownLeaf[]> {
    const { wish, source, size } = period
    const endMs = wish.to.getTime() + source.schedule.graceHours * 3_600_000
    let shown: LogEntryRow[] = []
    for (let after = 0; ;) {
      const page = await this.database.query((db) => listChain(db, tag, after, pageSize))
      const included = page.filter((row) => row.logIndex !== null && row.logIndex < size)
      shown.push(...included)
      const lastBefore = shown.findLastIndex((row) => row.recordedAt < wish.from)
      shown = shown.slice(Math.max(0, lastBefore))
      if (shown.length > attestedEventsMax)
        throw new EscrowError('ARGUMENT_INVALID', `expected at most ${attestedEventsMax} events: attest a shorter period`)
      const closing = shown.findIndex((row) => row.recordedAt.getTime() > endMs)
      if (closing >= 0) return this.read(shown.slice(0, closing + 1), signal)
      const last = page.at(-1)
      if (last === undefined || included.length < page.length) return this.read(shown, signal)
      after = last.tagNumber
    }
  }

  private async read(rows: readonly LogEntryRow[], signal?: AbortSignal): Promise<readonly ShownLeaf[]> {
    const leaves: ShownLeaf[] = []
    for (let first = 0; first < rows.length; first += eventWritesMax) {
      const some = rows.slice(first, first + eventWritesMax)
      leaves.push(
        ...(await Promise.all(
          some.map(async (row) => {
            const { salt, event } = await readEvent(this.store.replicas.replicas, row, signal)
            return { index: row.logIndex ?? 0, salt, event, hash: Buffer.from(row.leafHash, 'hex') }
          }),
        )),
      )
    }
    return leaves
  }

  private async prove(leaves: readonly ShownLeaf[], checkpoint: OpenedCheckpoint, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    if (leaves.length === 0) return []
    const ranges = multiProofRanges(
      leaves.map((leaf) => leaf.index),
      checkpoint.size,
    )
    return this.store.firstGood(async (replica) => {
      const made = await proveRanges(ranges, checkpoint.size, this.store.reader(replica, signal))
      verifyMultiProof(checkpoint, leaves, made)
      return made
    })
  }
}

type ShownLeaf = AttestedLeaf & { readonly hash: Uint8Array }

function sourceOf(known: KnownAgreement, { agreementId, source, from, to }: AttestationWish): Source {
  if (from >= to) throw new EscrowError('ARGUMENT_INVALID', 'expected a period that ends after it begins')
  const found = known.signed.body.sources.find((one) => one.source === source)
  if (found !== undefined) return found
  throw new EscrowError('NOT_FOUND', `agreement ${agreementId} has no source ${source}`)
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
