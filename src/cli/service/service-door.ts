// How a command reaches the service: a home folder on this machine, or, with --url and a token, a service that others run.
import type { SourceView } from '../../escrow/visible/escrow.views.js'
import type { Explained } from '../../escrow/deposit/record-explanation.js'
import type { Arming } from '../../escrow/agreement/arm-vault.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import type { LogState } from '../../log/log-state.js'
import type { CaseFile } from '../../release/case/export-case.js'
import type { AlarmView, OrderView, OutcomeView, RequestSummary, RequestView, SilenceView } from '../../release/visible/release.views.js'
import type { StatementFile } from '../party/evidence-files.js'

/** An agreement with how far it is. */
export interface ShownAgreement {
  readonly signed: SignedAgreement
  readonly state: string
  readonly epochs: readonly { readonly epoch: number; readonly state: string }[]
  /** How many custodians have accepted their shares. */
  readonly accepted: number
  readonly sources: readonly SourceView[]
}

/** How the log stands. */
export interface ShownLog extends LogState {
  readonly origin: string
  readonly witnessQuorum: number
  /** Issued by this command; over a network that is not a command's business. */
  readonly receipts: number
}

/** Requests, orders, depositors who are silent, and alarms of custody. */
export interface ShownReleases {
  readonly alarms: readonly AlarmView[]
  readonly silences: readonly SilenceView[]
  readonly orders: readonly OrderView[]
  readonly requests: readonly RequestSummary[]
}

/** A case as a folder of files. */
export interface ShownCase {
  readonly folder: string
  readonly files: readonly CaseFile[]
}

/** What commands ask of a service, wherever it is. Every method throws EscrowErrors with the codes of the use cases behind it. */
export interface ServiceDoor {
  /** One agreement, or all that may be seen. */
  agreements(agreementId: string | null): Promise<readonly ShownAgreement[]>
  acceptances(documents: readonly Uint8Array[]): Promise<Arming>
  log(): Promise<ShownLog>
  /** Explanations of findings, in the order given. */
  explanations(documents: readonly Uint8Array[]): Promise<readonly Explained[]>
  /** Statements of a release, in the order given, with the evidence that lies beside their files. */
  statements(files: readonly StatementFile[]): Promise<readonly OutcomeView[]>
  releases(): Promise<ShownReleases>
  /** Null when there is no such request. */
  request(requestId: string): Promise<RequestView | null>
  cases(): AsyncIterable<ShownCase>
}
