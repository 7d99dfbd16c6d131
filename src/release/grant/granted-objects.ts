import { Inject, Injectable } from '@nestjs/common'
import { Database } from '../../db/database.js'
import type { AgreementRow } from '../../escrow/archive/agreement.table.js'
import { listChain, listExplanations, type DepositRow } from '../../escrow/archive/deposit.table.js'
import { placeOf } from '../../escrow/archive/deposit-place.js'
import { listAttachmentsOfDeposits } from '../../escrow/basis/attachment.table.js'
import { listObjectsOfDeposits, listObjectsUnder, listVaultStatements, type StoredObjectRow } from '../../escrow/archive/object.table.js'
import { AgreementId } from '../../format/ids.js'
import { objectKeys } from '../../store/object-key.js'
import type { GrantedDeposit } from './grant.table.js'

/** Deposits whose objects are looked up at once. */
const chainPage = 100

/**
 * Which stored objects a grant is about: those of the granted deposits, of the deposits that they rest on, and the documents they are
 * verified with. Nothing that an abandoned attempt left behind, and nothing of any other deposit.
 */
@Injectable()
export class GrantedObjects {
  constructor(@Inject(Database) private readonly database: Database) {}

  /** Everything that a granted deposit needs, its full deposit first. @returns empty when there is no such deposit. */
  chain(agreementId: string, { source, sequence }: GrantedDeposit): Promise<readonly DepositRow[]> {
    return this.database.query((db) => listChain(db, { agreementId, source }, sequence))
  }

  /** The objects of some deposits, as they were published. @param deposits - may be empty. */
  async of(deposits: readonly DepositRow[]): Promise<readonly StoredObjectRow[]> {
    const found: StoredObjectRow[] = []
    for (let at = 0; at < deposits.length; at += chainPage) found.push(...(await this.page(deposits.slice(at, at + chainPage))))
    return found
  }

  /** What says how to read an archive and with which keys: the agreement's versions, the acceptances of its vault, and the README. */
  documents(agreement: Pick<AgreementRow, 'agreementId' | 'version'>): Promise<readonly StoredObjectRow[]> {
    const id = AgreementId.parse(agreement.agreementId)
    const versions = Array.from({ length: agreement.version }, (_, before) => objectKeys.agreement(id, before + 1))
    return this.database.query(async (db) => [
      ...(await listObjectsUnder(db, [...versions, objectKeys.readme()])),
      ...(await listVaultStatements(db, id)),
    ])
  }

  /**
   * The object of a key, if a grant covers it.
   *
   * @param grant.key - attacker-controlled; it is looked for, never parsed.
   * @returns null when it does not, or when there is no such object: who asks cannot tell which.
   */
  async find(
    agreement: Pick<AgreementRow, 'agreementId' | 'version'>,
    grant: { readonly deposits: readonly GrantedDeposit[]; readonly key: string },
  ): Promise<StoredObjectRow | null> {
    for (const granted of grant.deposits) {
      const chain = await this.chain(agreement.agreementId, granted)
      const deposit = chain.find((row) => grant.key.startsWith(folderOf(row)))
      if (deposit !== undefined) return (await this.page([deposit])).find((object) => object.key === grant.key) ?? null
      const attachment = await this.attachment(chain, grant.key)
      if (attachment !== null) return attachment
    }
    return (await this.documents(agreement)).find((object) => object.key === grant.key) ?? null
  }

  /** Attachments lie beside the deposits, which may share them: one is granted with a deposit that names it, whichever brought it. */
  private async attachment(chain: readonly DepositRow[], key: string): Promise<StoredObjectRow | null> {
    if (!/\/attachments\/[^/]+$/.test(key)) return null
    const ids = chain.map((deposit) => deposit.depositId)
    const attachments = await this.database.query((db) => listAttachmentsOfDeposits(db, ids))
    return attachments.find((object) => object.key === key) ?? null
  }

  /** What the attempt wrote belongs to its deposit by number; what came later is found by its name. */
  private async page(deposits: readonly DepositRow[]): Promise<readonly StoredObjectRow[]> {
    const ids = deposits.map((deposit) => deposit.depositId)
    return this.database.query(async (db) => {
      const places = new Map(deposits.map((deposit) => [deposit.depositId, placeOf(deposit)]))
      const later = [...places.values()].flatMap((place) => [objectKeys.receipt(place), objectKeys.depositStatement(place)])
      for (const { depositId, digest } of await listExplanations(db, ids)) {
        const place = places.get(depositId)
        if (place !== undefined) later.push(objectKeys.explanation(place, digest))
      }
      const own = await listObjectsOfDeposits(db, ids)
      const objects = [...own, ...(await listAttachmentsOfDeposits(db, ids)), ...(await listObjectsUnder(db, later))]
      return [...new Map(objects.map((object) => [object.key, object])).values()]
    })
  }
}

function folderOf(deposit: DepositRow): string {
  const manifest = objectKeys.manifest(placeOf(deposit))
  return manifest.slice(0, manifest.lastIndexOf('/') + 1)
}
