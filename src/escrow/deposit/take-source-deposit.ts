import { Inject, Injectable } from '@nestjs/common'
import type { DepositRequest, DepositTools } from '../../deposit/deposit-request.js'
import { fullDue } from '../../deposit/full-due.js'
import { inventoryRecipients } from '../../deposit/inventory-recipients.js'
import { prepareDeposit } from '../../deposit/prepare-deposit.js'
import type { ReportProgress } from '../../deposit/progress.js'
import type { DepositKind } from '../../format/manifest.js'
import type { GitRemote } from '../../git/git-remote.js'
import type { StatementOf } from '../../format/statement.js'
import { RemoteOpener } from '../../git/remote-opener.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { Agent } from '../agent.js'
import { DepositSteps } from './deposit-steps.js'
import type { Lease } from '../archive/lease.table.js'
import type { Mirrored, SourceAtWork } from '../basis/source-at-work.js'
import { requireJurisdiction } from '../require-jurisdiction.js'
import { chainRetainUntil } from '../retention.js'
import { SourceBasis, type DepositBasis } from '../basis/source-basis.js'

/** A depositor's word that came with a push. */
export interface StatedDeposit {
  readonly said: StatementOf<'deposit-statement'>
  readonly bytes: Uint8Array
}

/** How a deposit is to be taken. */
export interface TakeWish {
  /** A full deposit even where an incremental would do. */
  readonly full: boolean
  /** Something beside the repository is a reason for a deposit, as far as the caller knows. */
  readonly attachmentsWait?: boolean
  readonly onProgress?: ReportProgress
  /** What was pushed; the source's own URL when left out. */
  readonly remote?: GitRemote
  /** What the depositor says it pushes: verified, and as signed. */
  readonly stated?: StatedDeposit
}

/** One deposit of a pulled or pushed source: steps 1 to 7 of DESIGN section 4. */
@Injectable()
export class TakeSourceDeposit {
  constructor(
    @Inject(SourceBasis) private readonly basis: SourceBasis,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(RemoteOpener) private readonly remotes: RemoteOpener,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** @throws EscrowError whatever stops a deposit; nothing is published then */
  async run(lease: Lease, work: SourceAtWork, wish: TakeWish, signal: AbortSignal): Promise<Mirrored> {
    requireJurisdiction(work.known.signed.body, this.replicas.replicas)
    const basis = await this.basis.run(work, signal)
    const { stated } = wish
    const request = { ...this.request(work, basis, wish), ...(stated === undefined ? {} : { stated: stated.said }) }
    const result = await prepareDeposit(request, this.tools(lease, work, { request, basis, wish }), signal)
    if (result.outcome === 'unchanged') {
      return { outcome: 'unchanged', source: work.key, sequence: basis.previous?.manifest.sequence ?? 0 }
    }
    const { deposit } = result
    const retainUntil = request.retainUntil(deposit.place.kind)
    const toStore = stated === undefined ? deposit : { ...deposit, statement: stated.bytes }
    const stored = await this.steps.store.run(lease, toStore, retainUntil, signal)
    const { manifest, place, attempt: attemptId } = deposit
    const { manifestDigest, manifestBytes } = stored
    const toPublish = { known: work.known, source: work.row, place, attemptId, manifest, manifestDigest, manifestBytes, retainUntil }
    const depositId = await this.steps.publish.run(lease, toPublish, signal)
    const { failed: late } = stored
    return { outcome: 'deposited', source: work.key, depositId, manifest, manifestDigest, findings: deposit.findings, resumed: false, late }
  }

  private request(work: SourceAtWork, basis: DepositBasis, { full, attachmentsWait = false }: TakeWish): DepositRequest {
    const { body, digest } = work.known.signed
    const now = this.agent.clock.now()
    const { epoch, previous } = basis
    const due = fullDue(work.row, now)
    return {
      agreement: body.agreement,
      agreementDigest: digest,
      source: work.key.source,
      mode: work.row.mode,
      url: work.row.url ?? '',
      vault: { recipient: epoch.recipient, epoch: epoch.epoch, exposed: epoch.state === 'exposed' },
      inventoryRecipients: inventoryRecipients(body, { vault: epoch.recipient, mode: work.row.mode }),
      previous,
      full: full || due === 'first' || due === 'age',
      // A source at rest needs no new base: a full deposit at every look would fill the store with copies.
      chainComplete: due === 'length',
      retainUntil: (kind: DepositKind) =>
        chainRetainUntil(body, work.row, kind === 'full' || work.row.fullAt === null ? now : work.row.fullAt),
      packBytesMax: this.agent.options.packBytesMax,
      secondOpinionBytesMax: this.agent.options.secondOpinionBytesMax,
      ...basis.beside,
      attachmentsWait: attachmentsWait || basis.beside.attachmentsWait,
    }
  }

  private tools(
    lease: Lease,
    work: SourceAtWork,
    job: { readonly request: DepositRequest; readonly basis: DepositBasis; readonly wish: TakeWish },
  ): DepositTools {
    const { vault, previous, url } = job.request
    const { onProgress, remote } = job.wish
    const record = { epoch: vault.epoch, baseSequence: previous?.manifest.base ?? 1 }
    return {
      remote: remote ?? this.remotes.open(url, work.row.credentialFile ?? undefined),
      replicas: this.replicas,
      attachments: job.basis.attachments,
      clock: this.agent.clock,
      entropy: this.agent.entropy,
      knownObjectsKey: this.agent.keys.knownObjectsKey(work.key.agreementId, work.key.source),
      scratch: this.agent.options.scratch,
      version: this.agent.options.version,
      beforeComplete: (envelope) => this.steps.store.recordEnvelope(lease, envelope, record),
      ...(onProgress === undefined ? {} : { onProgress }),
    }
  }
}
