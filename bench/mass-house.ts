// A service with many agreements of the same parties, each with sources that hold one deposit, and the parties' keys: in this process.
import { join } from 'node:path'
import type { INestApplicationContext } from '@nestjs/common'
import { laptopConfig } from '../config/laptop.js'
import { parseConfig } from '../config/load.js'
import { makeReplicas, openAdapters } from '../src/adapters.module.js'
import { startApplication } from '../src/app.module.js'
import { createAgentFolder, createPartyFolder, type PartyFolder } from '../src/cli/party/party-folder.js'
import { SystemClock, SystemEntropy } from '../src/core/environment.js'
import { sha256Hex } from '../src/crypto/digest.js'
import { dealVault, type DealtVault } from '../src/crypto/holder/vault-shares.js'
import { sealBytes } from '../src/crypto/seal-envelope.js'
import type { SigningKey } from '../src/crypto/signature.js'
import { ArmVault } from '../src/escrow/agreement/arm-vault.js'
import { MirrorSource } from '../src/escrow/deposit/mirror-source.js'
import { PublishLog } from '../src/escrow/deposit/publish-log.js'
import { RegisterAgreement } from '../src/escrow/agreement/register-agreement.js'
import { remoteDigest } from '../src/format/agreement-annex.js'
import { Agreement, type AgreementAnnex, type Role } from '../src/format/agreement.js'
import { canonicalize } from '../src/format/canonical-json.js'
import { newId } from '../src/format/ids.js'
import { formatNoteKey, noteKey, signatureType } from '../src/format/note.js'
import type { SignedAgreement } from '../src/format/signed-agreement.js'
import { countersign, signDocument } from '../src/format/signed-document.js'
import { ShareAccept, Statement } from '../src/format/statement.js'

const origin = 'bench.example/1'
const dayMs = 86_400_000
export const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation'] as const
const countries = ['CH', 'DE', 'FR', 'NL', 'AT'] as const
const threshold = 3

/** One agreement with the shares of its vault, which only its custodians would have. */
export interface MassAgreement {
  readonly signed: SignedAgreement
  readonly vault: DealtVault
}

/** Made once for a bench; `close` it. */
export class MassHouse {
  readonly agreements: MassAgreement[] = []
  private readonly parties = new Map<string, PartyFolder>()

  private constructor(
    readonly app: INestApplicationContext,
    private readonly logKey: SigningKey,
  ) {}

  /** A service of the laptop footprint in a folder, and its parties. */
  static async open(folder: string): Promise<MassHouse> {
    const text = laptopConfig({ origin, country: 'CH', control: 'CH' })
    const config = parseConfig(text, { file: 'escrow.yaml', home: folder, environment: {} })
    await makeReplicas(config.replicas)
    const describe = (party: string, role: Role, country: string) => ({
      party,
      role,
      name: party,
      organisation: party,
      standing: { country, control: country, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 },
    })
    const entropy = new SystemEntropy()
    const agent = await createAgentFolder(config.keysFolder, describe('agent', 'agent', 'CH'), entropy)
    const house = new MassHouse(await startApplication(await openAdapters(config)), agent.logKey)
    house.parties.set('agent', agent.party)
    const others: [string, Role, string][] = [
      ['vendor', 'depositor', 'DE'],
      ['partner', 'beneficiary', 'DE'],
      ...custodians.map((party, place): [string, Role, string] => [party, 'custodian', countries[place] ?? 'CH']),
    ]
    for (const [party, role, country] of others) {
      house.parties.set(party, await createPartyFolder(join(folder, 'parties', party), describe(party, role, country), entropy))
    }
    return house
  }

  /** Register and arm one more agreement, and take a deposit of each of its sources. */
  async agree(sources: number, url: string): Promise<void> {
    const entropy = new SystemEntropy()
    const vault = dealVault({ threshold, custodians: custodians.length }, entropy)
    const reserve = dealVault({ threshold, custodians: custodians.length }, entropy)
    const { agreement, annex } = this.compose(sources, url, [vault, reserve])
    const first = signDocument({ body: agreement, schema: Agreement, key: this.party('vendor').signingKey })
    const document = countersign(first, this.party('partner').signingKey)
    const recipients = agreement.parties.flatMap((party) => (party.recipient === null ? [] : [party.recipient]))
    const sealed = sealBytes(canonicalize(annex), recipients, entropy)
    const signed = await this.app.get(RegisterAgreement).run({ document, annex: sealed, credentialFiles: new Map() })
    await this.app.get(ArmVault).run(this.acceptances(signed))
    for (const { source } of agreement.sources) {
      await this.app.get(MirrorSource).run({ agreementId: agreement.agreement, source }, { full: false })
    }
    await this.app.get(PublishLog).run()
    this.agreements.push({ signed, vault })
  }

  /** A statement under the first agreement, or another. */
  sign(name: string, party: string, matter: object, under: SignedAgreement | undefined = this.agreements[0]?.signed): Uint8Array {
    const now = new SystemClock().now()
    const body = Statement.parse({
      type: `escrow/statement/${name}/v1`,
      origin,
      agreement: under?.digest,
      epoch: 1,
      party,
      nonce: Buffer.from(new SystemEntropy().bytes(16)).toString('hex'),
      issuedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + 30 * dayMs).toISOString(),
      ...matter,
    })
    return signDocument({ body, schema: Statement, key: this.party(party).signingKey })
  }

  party(name: string): PartyFolder {
    const found = this.parties.get(name)
    if (found === undefined) throw new Error(`no party ${name}`)
    return found
  }

  private acceptances({ body, digest }: SignedAgreement): readonly Uint8Array[] {
    const now = new SystemClock().now()
    const times = { issuedAt: now.toISOString(), expiresAt: new Date(now.getTime() + 30 * dayMs).toISOString() }
    return body.vault.custodians.flatMap(({ index, party }) =>
      body.vault.epochs.map(({ epoch, recipient }) => {
        const nonce = Buffer.from(new SystemEntropy().bytes(16)).toString('hex')
        const statement = { type: 'escrow/statement/share-accept/v1' as const, origin, agreement: digest, epoch, party, nonce, ...times }
        return signDocument({ body: { ...statement, index, recipient }, schema: ShareAccept, key: this.party(party).signingKey })
      }),
    )
  }

  private compose(
    count: number,
    url: string,
    vaults: readonly DealtVault[],
  ): { readonly agreement: Agreement; readonly annex: AgreementAnnex } {
    const entropy = new SystemEntropy()
    const now = new SystemClock().now()
    const secret = Buffer.from(entropy.bytes(32))
    const id = newId('agr', entropy)
    const remotes = Array.from({ length: count }, (_, place) => ({
      source: `source-${place}`,
      url,
      salt: Buffer.from(entropy.bytes(32)).toString('hex'),
    }))
    const clocks = { formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0, coolingOffHours: 0 }
    const agreement = Agreement.parse({
      type: 'escrow/agreement/v1',
      agreement: id,
      version: 1,
      previous: null,
      title: 'One of many',
      origin,
      createdAt: now.toISOString(),
      endsAt: '2090-01-01T00:00:00.000Z',
      retentionDays: 30,
      parties: [...this.parties.values()].map(({ card }) => card),
      vault: {
        suite: 'x25519-rfc9591',
        threshold,
        custodians: custodians.map((party, place) => ({ index: place + 1, party })),
        epochs: vaults.map(({ recipient, commitments }, place) => ({ epoch: place + 1, recipient, commitments: [...commitments] })),
      },
      sources: remotes.map((remote) => ({
        source: remote.source,
        mode: 'pull',
        remoteDigest: remoteDigest(remote),
        schedule: { startsAt: now.toISOString(), everyHours: 24, graceHours: 12 },
        fullEveryDays: 30,
        chainLengthMax: 120,
      })),
      jurisdiction: {
        storeCountries: ['CH'],
        storeControlExcluded: [],
        custodianCountriesMin: 2,
        custodianOrganisationsMin: 2,
        approverCountries: [...countries],
      },
      log: { origin, key: formatNoteKey(noteKey(origin, signatureType.ed25519, this.logKey.publicKey)), witnessQuorum: 0, witnesses: [] },
      tagSecretDigest: sha256Hex(secret),
      release: {
        type: 'escrow/release-policy/v1',
        calendars: [{ calendar: 'zurich', timeZone: 'Europe/Zurich' }],
        calendar: 'zurich',
        clocks,
        conditions: [{ condition: 'order', kind: 'shutdown-order' }],
        licence: { scope: 'maintain and operate' },
        title: { basis: 'fiduciary-ownership' },
      },
    })
    const annex: AgreementAnnex = {
      type: 'escrow/agreement-annex/v1',
      agreement: id,
      version: 1,
      tagSecret: secret.toString('hex'),
      remotes,
    }
    return { agreement, annex }
  }
}
