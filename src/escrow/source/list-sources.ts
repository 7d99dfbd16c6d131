import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { listAgreements } from '../archive/agreement.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { listSources, type SourceRow } from '../archive/source.table.js'

const pageSize = 500

/** Finds sources by what a person names. */
@Injectable()
export class ListSources {
  constructor(@Inject(Database) private readonly database: Database) {}

  /**
   * The pulled sources that a person means, in order of agreement and name.
   *
   * @param wanted - null for all.
   * @throws EscrowError `VAULT_NOT_ARMED` when the only ones found still wait for their vault
   */
  async pulled(wanted: { readonly agreement: string | null; readonly source: string | null }): Promise<readonly SourceKey[]> {
    const rows = await this.find(wanted)
    const pulled = rows.filter((row) => row.url !== null)
    const active = pulled.filter((row) => row.state === 'active')
    if (active.length === 0 && pulled.some((row) => row.state === 'waiting')) {
      throw new EscrowError('VAULT_NOT_ARMED', 'the vault of these sources is not armed yet')
    }
    return active.map(({ agreementId, source }) => ({ agreementId, source }))
  }

  /** The sources that a person names, pulled or not, in order of agreement and name. @param wanted - null for all. */
  async named(wanted: { readonly agreement: string | null; readonly source: string | null }): Promise<readonly SourceKey[]> {
    return (await this.find(wanted)).map(({ agreementId, source }) => ({ agreementId, source }))
  }

  private async find(wanted: { readonly agreement: string | null; readonly source: string | null }): Promise<readonly SourceRow[]> {
    const found: SourceRow[] = []
    for (const agreementId of wanted.agreement === null ? await this.agreementIds() : [wanted.agreement]) {
      for (let after = ''; ;) {
        const page = await this.database.query((db) => listSources(db, agreementId, after, pageSize))
        found.push(...page.filter((row) => wanted.source === null || row.source === wanted.source))
        const last = page.at(-1)
        if (last === undefined) break
        after = last.source
      }
    }
    return found
  }

  private async agreementIds(): Promise<readonly string[]> {
    const ids: string[] = []
    for (let after = ''; ;) {
      const page = await this.database.query((db) => listAgreements(db, after, pageSize))
      ids.push(...page.map((row) => row.agreementId))
      const last = ids.at(-1)
      if (page.length === 0 || last === undefined) return ids
      after = last
    }
  }
}
