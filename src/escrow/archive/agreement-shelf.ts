import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { AgreementAnnex } from '../../format/agreement.js'
import { parseAnnex } from '../../format/agreement-annex.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../format/signed-agreement.js'
import { parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { AgentKeys } from '../agent-keys.js'
import {
  findAgreement,
  findVersion,
  findVersionByDigest,
  listAgreements,
  type AgreementRow,
  type AgreementVersionRow,
} from './agreement.table.js'
import { findObject } from './object.table.js'

/** An agreement that this service serves, with what only its parties and the agent know. */
export interface KnownAgreement {
  readonly row: AgreementRow
  readonly signed: SignedAgreement
  readonly annex: AgreementAnnex
}

const kept = 1000

/** The agreements in force: read from the store, verified, and kept in memory as long as their digest is the one in force. */
@Injectable()
export class AgreementShelf {
  private readonly opened = new Map<string, Omit<KnownAgreement, 'row'>>()

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
  ) {}

  /** One agreement. @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*` when no replica gives its documents */
  async get(agreementId: string): Promise<KnownAgreement> {
    return this.withDocuments(await this.row(agreementId))
  }

  /**
   * The version that a statement or manifest names by its digest, whichever is in force now.
   *
   * @throws EscrowError `AGREEMENT_DIGEST` when no agreement here has it; otherwise as `get`
   */
  async version(digest: string): Promise<KnownAgreement> {
    const before = this.opened.get(digest)
    if (before !== undefined) return { row: await this.row(before.signed.body.agreement), ...before }
    const version = await this.database.query((db) => findVersionByDigest(db, digest))
    if (version === null) throw new EscrowError('AGREEMENT_DIGEST', `no agreement here has the digest ${digest}`)
    const row = await this.row(version.agreementId)
    return { row, ...(await this.open(version)) }
  }

  /** A page of agreements by id. @param after - the last id of the page before; '' for the first. */
  async list(after: string, limit: number): Promise<readonly KnownAgreement[]> {
    const rows = await this.database.query((db) => listAgreements(db, after, limit))
    const found: KnownAgreement[] = []
    for (const row of rows) found.push(await this.withDocuments(row))
    return found
  }

  private async withDocuments(row: AgreementRow): Promise<KnownAgreement> {
    const before = this.opened.get(row.digest)
    if (before !== undefined) return { row, ...before }
    const version = await this.database.query((db) => findVersion(db, row.agreementId, row.version))
    if (version === null) throw new EscrowError('DATABASE_UNAVAILABLE', `the index has no version ${row.version} of ${row.agreementId}`)
    return { row, ...(await this.open(version)) }
  }

  private async row(agreementId: string): Promise<AgreementRow> {
    const row = await this.database.query((db) => findAgreement(db, agreementId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no agreement is named ${agreementId}`)
    return row
  }

  private async open(version: AgreementVersionRow): Promise<Omit<KnownAgreement, 'row'>> {
    const documents = await this.read(version)
    if (this.opened.size >= kept) this.opened.clear()
    this.opened.set(version.digest, documents)
    return documents
  }

  private async read(version: AgreementVersionRow): Promise<Omit<KnownAgreement, 'row'>> {
    const signed = openAgreement(await this.readRecorded(version.documentKey))
    if (signed.digest !== version.digest)
      throw new EscrowError('AGREEMENT_DIGEST', `expected the agreement ${version.digest}, got ${signed.digest}`)
    requireSignatures(signed, { agent: true })
    if (version.annexKey === null) throw new EscrowError('AGREEMENT_INVALID', 'expected an annex beside the agreement')
    const annex = parseAnnex(this.keys.openOwn(await this.readRecorded(version.annexKey)), signed.body)
    return { signed, annex }
  }

  private async readRecorded(key: string): Promise<Uint8Array> {
    const object = await this.database.query((db) => findObject(db, key))
    if (object === null) throw new EscrowError('DATABASE_UNAVAILABLE', `the index does not know ${key}`)
    return this.replicas.readVerified(parseObjectKey(key), { sha256: object.digest, sizeBytes: object.sizeBytes })
  }
}
