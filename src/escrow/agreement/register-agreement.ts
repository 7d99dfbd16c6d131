import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { keyidOf } from '../../crypto/dsse.js'
import { sha256Hex } from '../../crypto/digest.js'
import { Database, type Tx } from '../../db/database.js'
import type { Agreement, AgreementAnnex, Source } from '../../format/agreement.js'
import { parseAnnex } from '../../format/agreement-annex.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../format/signed-agreement.js'
import { countersign } from '../../format/signed-document.js'
import { EventLog } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { Agent } from '../agent.js'
import { findAgreement, insertAgreement, insertAgreementVersion, insertEpochs, insertParties } from '../archive/agreement.table.js'
import { requireOwnAgreement, requireOwnRemotes } from './own-agreement.js'
import { requireJurisdiction } from '../require-jurisdiction.js'
import { documentRetainUntil } from '../retention.js'
import { firstPeriod, rhythmOf } from '../source/schedule.js'
import { insertSources } from '../archive/source.table.js'
import { StoreDocument } from '../archive/store-document.js'

/** What is registered. */
export interface Registration {
  /** Signed by depositor and beneficiaries. */
  readonly document: Uint8Array
  /** The sealed annex. */
  readonly annex: Uint8Array
  /** Files with the credentials of sources, by source. */
  readonly credentialFiles: ReadonlyMap<string, string>
}

/** Countersigns an agreement, stores it with its annex, and knows its sources from then on. */
@Injectable()
export class RegisterAgreement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Register an agreement. Idempotent for the same agreement; nothing is visible before everything is stored.
   *
   * @returns the agreement with the agent's signature.
   * @throws EscrowError `AGREEMENT_INVALID`, `AGREEMENT_DIGEST`, `SIGNATURE_INVALID`, `REMOTE_URL`, `STORE_*`
   */
  async run(registration: Registration, signal?: AbortSignal): Promise<SignedAgreement> {
    const received = openAgreement(registration.document)
    requireSignatures(received, { agent: false })
    if (received.body.version !== 1) {
      throw new EscrowError('AGREEMENT_INVALID', `expected version 1 of a new agreement, got ${received.body.version}`)
    }
    requireOwnAgreement(received.body, this.agent)
    requireJurisdiction(received.body, this.replicas.replicas)
    const annex = parseAnnex(this.agent.keys.openOwn(registration.annex), received.body)
    requireOwnRemotes(annex, this.agent)
    const signed = openAgreement(countersign(registration.document, this.agent.keys.signingKey))
    requireSignatures(signed, { agent: true })
    const before = await this.database.query((db) => findAgreement(db, signed.body.agreement))
    if (before?.digest === signed.digest) return signed
    if (before !== null)
      throw new EscrowError('AGREEMENT_STATE', `${signed.body.agreement} is registered with another digest; amend it instead`)
    await this.storeDocuments(signed, registration.annex, signal)
    const { body } = signed
    const subject = { agreement: body.agreement, subject: body.agreement }
    const draft = { type: 'escrow/event/agreement-registered/v1' as const, ...subject, version: body.version, digest: signed.digest }
    const tagSecret = Buffer.from(annex.tagSecret, 'hex')
    const { credentialFiles } = registration
    await this.log.record(
      { draft, tagSecret },
      (tx, { event }) => this.insert(tx, { signed, annex, credentialFiles, createdAt: new Date(event.at) }),
      signal,
    )
    return signed
  }

  private async storeDocuments(signed: SignedAgreement, annex: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { body } = signed
    const kept = { agreementId: body.agreement, attemptId: null, retainUntil: documentRetainUntil(body) }
    const document = { key: objectKeys.agreement(body.agreement, body.version), bytes: signed.bytes, purpose: 'agreement' as const }
    const sealed = { key: objectKeys.annex(body.agreement, body.version), bytes: annex, purpose: 'annex' as const }
    await this.store.run({ ...document, ...kept }, signal)
    await this.store.run({ ...sealed, ...kept }, signal)
  }

  private async insert(
    tx: Tx,
    what: {
      readonly signed: SignedAgreement
      readonly annex: AgreementAnnex
      readonly credentialFiles: ReadonlyMap<string, string>
      readonly createdAt: Date
    },
  ): Promise<void> {
    const { body, digest } = what.signed
    const agreementId = body.agreement
    await insertAgreement(tx, agreementRow(body, digest))
    const documentKey = objectKeys.agreement(agreementId, body.version)
    await insertAgreementVersion(tx, {
      agreementId,
      version: body.version,
      digest,
      documentKey,
      annexKey: objectKeys.annex(agreementId, body.version),
      createdAt: what.createdAt,
    })
    await insertParties(tx, partyRows(body))
    await insertEpochs(
      tx,
      body.vault.epochs.map(({ epoch, recipient }) => ({ agreementId, epoch, recipient, state: 'dealt' as const })),
    )
    const rows = body.sources.map((source) => sourceRow(agreementId, source, what.annex, what.credentialFiles.get(source.source) ?? null))
    for (let first = 0; first < rows.length; first += 1000) await insertSources(tx, rows.slice(first, first + 1000))
  }
}

/** The row of an agreement that is registered and not armed. */
export function agreementRow(body: Agreement, digest: string): Parameters<typeof insertAgreement>[1] {
  return {
    agreementId: body.agreement,
    version: body.version,
    digest,
    state: 'registered',
    title: body.title,
    origin: body.origin,
    threshold: body.vault.threshold,
    custodianCount: body.vault.custodians.length,
    retentionDays: body.retentionDays,
    createdAt: new Date(body.createdAt),
    endsAt: new Date(body.endsAt),
  }
}

/** One row for each key of each party. */
export function partyRows(body: Agreement): Parameters<typeof insertParties>[1] {
  return body.parties.flatMap(({ party, role, keys }) =>
    keys.map((key) => ({ agreementId: body.agreement, party, role, fingerprint: sha256Hex(Buffer.from(keyidOf(key))) })),
  )
}

/** The row of a source whose vault is not armed. */
export function sourceRow(
  agreementId: string,
  source: Source,
  annex: AgreementAnnex,
  credentialFile: string | null,
): Parameters<typeof insertSources>[1][number] {
  const rhythm = rhythmOf(source.schedule)
  const { periodAt, deadlineAt } = firstPeriod(rhythm)
  return {
    agreementId,
    source: source.source,
    state: 'waiting',
    mode: source.mode,
    url: annex.remotes.find((remote) => remote.source === source.source)?.url ?? null,
    credentialFile,
    ...rhythm,
    fullEveryDays: source.fullEveryDays,
    chainLengthMax: source.chainLengthMax,
    periodAt,
    deadlineAt,
    dueAt: periodAt,
    lookAt: periodAt,
  }
}
