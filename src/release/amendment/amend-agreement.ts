import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { Agent } from '../../escrow/agent.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { listEpochs, type VaultEpochRow } from '../../escrow/archive/agreement.table.js'
import { requireOwnAgreement, requireOwnRemotes } from '../../escrow/agreement/own-agreement.js'
import { verifyAcceptance, type Acceptance } from '../../escrow/agreement/share-acceptance.js'
import type { AgreementAnnex } from '../../format/agreement.js'
import { parseAnnex } from '../../format/agreement-annex.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../format/signed-agreement.js'
import { countersign } from '../../format/signed-document.js'
import { signedByAllOf } from '../../store/archive-agreement.js'
import { listKeyChanges } from '../custody/custody.table.js'
import { judgeAmendment, type AmendmentVerdict } from '../rules/amendment.js'
import { judgeAgreement } from './judge-agreement.js'
import { PutInForce, type Amendment } from './put-in-force.js'
import { againOnConflict } from '../request/release-desk.js'
import { ReleaseFiles } from '../release-files.js'
import { peekStatement, verifierOf } from '../rules/statement-verifier.js'

/** What is brought to amend an agreement. All of it is attacker-controlled. */
export interface AmendmentDocuments {
  /** The next version, signed by depositor and beneficiaries. */
  readonly document: Uint8Array
  readonly annex: Uint8Array
  /** Signed `agreement-amendment`, `key-change` and `share-accept` statements, in any order. Key changes that are recorded need not be brought. */
  readonly statements: readonly Uint8Array[]
  readonly credentialFiles: ReadonlyMap<string, string>
}

/** How far an amendment is. */
export interface AmendmentStanding {
  /** With the agent's signature once every body has agreed. */
  readonly signed: SignedAgreement
  readonly inForce: boolean
  readonly verdict: AmendmentVerdict
  /** Custodians whose acceptances of the shares dealt anew are still to come; empty where none were dealt. */
  readonly unaccepted: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Puts another version of an agreement into force, when those who may decide a release have agreed to it and every custodian has accepted
 * the shares of a vault that was dealt anew. Until everything is there nothing is kept: whoever brings it brings it whole.
 */
@Injectable()
export class AmendAgreement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(PutInForce) private readonly force: PutInForce,
    @Inject(Agent) private readonly agent: Agent,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
  ) {}

  /**
   * Amend an agreement. Idempotent.
   *
   * @returns whether it is in force, and what is missing if it is not; requests under way stay with the version they were submitted under.
   * @throws EscrowError `AGREEMENT_INVALID`, `AGREEMENT_DIGEST`, `SIGNATURE_INVALID`, `STATEMENT_*`, `SHARE_INVALID`, `VAULT_INVALID`,
   *   `REPLICA_POLICY`, `STORE_*`
   */
  async run(brought: AmendmentDocuments, signal?: AbortSignal): Promise<AmendmentStanding> {
    return againOnConflict(async () => {
      const received = openAgreement(brought.document)
      const known = await this.agreements.get(received.body.agreement)
      if (known.row.digest === received.digest) return inForceAlready(known)
      const { annex, warnings } = this.check(known, received, brought)
      const recorded = await this.keyChanges(known, signal)
      const verdict = this.judge(known, received, new Map([...recorded, ...byDigest(amending(brought))]))
      if (verdict.missing.length + verdict.unaskedKeys.length > 0)
        return { signed: received, inForce: false, verdict, unaccepted: [], warnings }
      const signed = this.sign(known, brought)
      const epochs = await this.database.query((db) => listEpochs(db, known.row.agreementId))
      const dealt = known.row.state === 'armed' && signed.body.vault.epochs.some((one) => isNew(one.epoch, epochs))
      const acceptances = dealt ? this.acceptances(signed, brought) : []
      const unaccepted = dealt ? missingCustodians(signed, acceptances) : []
      if (unaccepted.length > 0) return { signed, inForce: false, verdict, unaccepted, warnings }
      const statements = [...byDigest(amending(brought))].flatMap(([digest, bytes]) => (recorded.has(digest) ? [] : [bytes]))
      const amendment: Amendment = { ...brought, known, signed, annex, acceptances, epochs, statements }
      await this.force.run({ ...amendment, sealedAnnex: brought.annex }, signal)
      return { signed, inForce: true, verdict, unaccepted, warnings }
    })
  }

  /** Everything about the next version that needs nobody's consent. */
  private check(
    known: KnownAgreement,
    { body }: SignedAgreement,
    brought: AmendmentDocuments,
  ): { readonly annex: AgreementAnnex; readonly warnings: readonly string[] } {
    requireOwnAgreement(body, this.agent)
    const annex = parseAnnex(this.agent.keys.openOwn(brought.annex), body)
    // The names of its chains in the log are made from it: with another secret nobody could find the events of before.
    if (annex.tagSecret !== known.annex.tagSecret) throw new EscrowError('AGREEMENT_INVALID', 'expected an annex with the same tag secret')
    requireOwnRemotes(annex, this.agent)
    this.force.requireJurisdiction(body)
    return { annex, warnings: judgeAgreement(body) }
  }

  /** What was recorded under earlier versions was taken up by the next one, or lapsed with them. */
  private async keyChanges(known: KnownAgreement, signal?: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
    const { agreementId } = known.row
    const documents = await this.files.of(await this.database.query((db) => listKeyChanges(db, agreementId, rowsMax)), signal)
    return new Map([...documents].filter(([, bytes]) => peekStatement(bytes).statement.agreement === known.signed.digest))
  }

  private judge(known: KnownAgreement, received: SignedAgreement, statements: ReadonlyMap<string, Uint8Array>): AmendmentVerdict {
    const old = { agreement: known.signed.body, digest: known.signed.digest }
    const change = { next: received.body, nextDigest: received.digest, statements: [...statements.keys()] }
    return judgeAmendment(old, change, { now: this.agent.clock.now(), verify: verifierOf(known.signed, statements) })
  }

  /** Our signature says that every body has agreed; so it comes last. Depositor and beneficiaries sign with the keys they had before. */
  private sign(known: KnownAgreement, brought: AmendmentDocuments): SignedAgreement {
    const signed = openAgreement(countersign(brought.document, this.agent.keys.signingKey))
    requireSignatures(signed, { agent: true })
    if (signedByAllOf(signed, known.signed)) return signed
    throw new EscrowError(
      'SIGNATURE_INVALID',
      'expected the next version to be signed by the depositor and beneficiaries of the one in force',
    )
  }

  private acceptances(signed: SignedAgreement, { statements }: AmendmentDocuments): readonly Acceptance[] {
    return statements
      .filter((bytes) => peekStatement(bytes).statement.type === 'escrow/statement/share-accept/v1')
      .map((bytes) => verifyAcceptance(signed, bytes, this.agent.clock.now()))
  }
}

/** What counts for the verdict: consent, and other keys. */
function amending({ statements }: AmendmentDocuments): readonly Uint8Array[] {
  const types: readonly string[] = ['escrow/statement/agreement-amendment/v1', 'escrow/statement/key-change/v1']
  return statements.filter((bytes) => types.includes(peekStatement(bytes).statement.type))
}

function byDigest(statements: readonly Uint8Array[]): ReadonlyMap<string, Uint8Array> {
  return new Map(statements.map((bytes) => [peekStatement(bytes).digest, bytes]))
}

function inForceAlready({ signed }: KnownAgreement): AmendmentStanding {
  const verdict = { touched: [], newCustodians: [], leavingCustodians: [], missing: [], changedKeys: [], unaskedKeys: [] }
  return { signed, inForce: true, verdict, unaccepted: [], warnings: [] }
}

function isNew(epoch: number, rows: readonly VaultEpochRow[]): boolean {
  return !rows.some((row) => row.epoch === epoch)
}

/** Who has not accepted its share of every epoch. */
function missingCustodians({ body }: SignedAgreement, acceptances: readonly Acceptance[]): readonly string[] {
  const { custodians, epochs } = body.vault
  const accepted = (index: number) =>
    epochs.every(({ epoch }) => acceptances.some((one) => one.body.index === index && one.body.epoch === epoch))
  return custodians.filter(({ index }) => !accepted(index)).map(({ party }) => party)
}
