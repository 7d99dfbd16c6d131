import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { canonicalize } from '../../format/canonical-json.js'
import type { ProvenEvent } from '../../format/logged-event.js'
import { formatProof } from '../../format/proof.js'
import type { Viewer } from '../../http/viewer.js'
import { LogReader, type ProofTarget } from '../../log/log-reader.js'
import { readEvent } from '../../log/read-event.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { VisibleDeposits } from './visible-deposits.js'

/** Gives an event with the proof that it is in the log: what nobody but the parties can read, and everybody can verify once it is shown. */
@Injectable()
export class ProveEvent {
  constructor(
    @Inject(VisibleDeposits) private readonly deposits: VisibleDeposits,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
  ) {}

  /**
   * One proven event.
   *
   * @param asked.under - the newest checkpoint, or the newest that enough witnesses have cosigned.
   * @returns canonical JSON (docs/formats/release-case.md).
   * @throws EscrowError `NOT_FOUND`; `WITNESS_POLICY` while it is not under such a checkpoint; `OBJECT_*`, `STORE_*`, `PROOF_INVALID`
   */
  async run(viewer: Viewer, asked: { readonly leafHash: string; readonly under: ProofTarget }, signal?: AbortSignal): Promise<Uint8Array> {
    const { leafHash, tag } = await this.deposits.event(viewer, asked.leafHash)
    const leaf = await this.log.proveLeaf(leafHash, asked.under, signal)
    if (leaf === null) throw new EscrowError('WITNESS_POLICY', `expected the leaf ${leafHash} under a checkpoint`)
    const { salt, event } = await readEvent(this.replicas.replicas, { leafHash, tag }, signal)
    const proven: ProvenEvent = { type: 'escrow/proven-event/v1', tag, salt, event, proof: formatProof(leaf.proof) }
    return canonicalize(proven)
  }
}
