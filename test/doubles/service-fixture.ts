import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { INestApplicationContext } from '@nestjs/common'
import { laptopConfig } from '../../config/laptop.js'
import { parseConfig } from '../../config/load.js'
import type { Config, ReplicaConfig } from '../../config/schema.js'
import { makeReplicas, openAdapters } from '../../src/adapters.module.js'
import { startApplication } from '../../src/app.module.js'
import { makeServer, type ServerWish } from '../../src/http-app.module.js'
import { pgliteQueue, type QueueConnection } from '../../src/jobs/queue-connection.js'
import { createPartyFolder, type PartyFolder } from '../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import type { DealtVault } from '../../src/crypto/holder/vault-shares.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { generateSigningSeed, signingKeyFromSeed } from '../../src/crypto/signature.js'
import { ArmVault } from '../../src/escrow/agreement/arm-vault.js'
import { MirrorSource } from '../../src/escrow/deposit/mirror-source.js'
import type { Database } from '../../src/db/database.js'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { RegisterAgreement } from '../../src/escrow/agreement/register-agreement.js'
import { StoreReadme } from '../../src/escrow/archive/store-readme.js'
import { Agreement, type AgreementAnnex, type Party, type Role } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import type { AgreementId } from '../../src/format/ids.js'
import { encodeSigningKeyFile, keyFileNames } from '../../src/format/key-file.js'
import { formatNoteKey, noteKey, signatureType } from '../../src/format/note.js'
import type { SignedAgreement } from '../../src/format/signed-agreement.js'
import { countersign, signDocument } from '../../src/format/signed-document.js'
import { writeNamedFile } from '../../src/cli/files.js'
import type { WitnessAddress } from '../../src/log/witness-client.js'
import { acceptancesOf, composeAgreement, custodians, origin, type SourceWish, type TermsWish } from './service-agreement.js'
import type { TestDatabase } from './test-database.js'
import { testDatabase } from './test-database.js'
import { TickingClock } from './ticking-clock.js'

const countries = ['CH', 'DE', 'FR', 'NL', 'AT'] as const

/** What a fixture is made of beside its defaults. */
export interface ServiceWish {
  /** Names of folders, or stores that are there. */
  readonly replicas?: readonly (string | ReplicaConfig)[]
  readonly remotes?: Partial<Config['remotes']>
  /** Starts a witness that watches the log of this verifier key; then one cosignature is demanded. */
  readonly witness?: (logKey: string) => Promise<WitnessAddress>
  /** A database that the fixture owns from then on; a borrowed one when left out. */
  readonly database?: Database
  readonly deposit?: Partial<Config['deposit']>
  readonly notices?: Config['notices']
  /** Parties beside depositor, beneficiary, custodians and agent: name, role, country. */
  readonly parties?: readonly (readonly [party: string, role: Role, country: string])[]
  /** What is written on the parties' cards, where a test wants it otherwise. */
  readonly cards?: (card: Party) => Party
  /** Where its clock begins: now, when a test also runs commands, whose clock is real. A fixed moment when left out. */
  readonly now?: Date
  /** With its HTTP server, which does not listen; `log` gets its lines. */
  readonly server?: {
    readonly log: (line: string) => void
    readonly http?: Partial<Config['http']>
    /** Also a worker, on a queue beside the database; it ticks when the test says so. */
    readonly jobs?: NonNullable<ServerWish['jobs']>
    /** With slow clients. */
    readonly patience?: NonNullable<ServerWish['patience']>
    /** The queue of a database that has none beside it. */
    readonly openQueue?: () => Promise<QueueConnection>
  }
}

/** An agreement that was registered and armed. */
export interface AgreedUpon {
  readonly signed: SignedAgreement
  readonly annex: AgreementAnnex
  readonly id: AgreementId
}

/** A whole service in this process: real replicas in folders, a real database in memory, real keys; only its clock is ours. */
export class ServiceFixture {
  app: INestApplicationContext = null as unknown as INestApplicationContext
  readonly parties = new Map<string, PartyFolder>()
  /** What was dealt for each vault of each agreement, by recipient. */
  readonly vaults = new Map<string, DealtVault>()

  private constructor(
    readonly home: string,
    public config: Config,
    public database: Database,
    private readonly server: ServiceWish['server'],
    readonly clock: TickingClock,
  ) {}

  static async open(wish: ServiceWish = {}): Promise<ServiceFixture> {
    const home = await mkdtemp(join(tmpdir(), 'reduit-service-'))
    const text = laptopConfig({ origin, country: 'CH', control: 'CH' })
    const parsed = parseConfig(text, { file: 'escrow.yaml', home, environment: {} })
    const [first] = parsed.replicas
    const replicas = (wish.replicas ?? ['a', 'b']).map((one) =>
      typeof one === 'string' ? { ...first!, name: one, path: join(home, 'replicas', one) } : one,
    ) as Config['replicas']
    const fixture = new ServiceFixture(
      home,
      {
        ...parsed,
        replicas,
        remotes: { ...parsed.remotes, ...wish.remotes },
        http: { ...parsed.http, ...wish.server?.http },
        deposit: { ...parsed.deposit, ...wish.deposit },
        notices: wish.notices ?? parsed.notices,
      },
      wish.database ?? (await testDatabase()),
      wish.server,
      new TickingClock(wish.now),
    )
    await makeReplicas(replicas)
    await fixture.makeKeys(wish.parties ?? [])
    for (const [name, folder] of fixture.parties) fixture.parties.set(name, { ...folder, card: wish.cards?.(folder.card) ?? folder.card })
    if (wish.witness !== undefined) {
      const { url, key } = await wish.witness(await fixture.logKey)
      fixture.config = { ...fixture.config, log: { ...parsed.log, witnesses: [{ url, key: formatNoteKey(key) }], witnessQuorum: 1 } }
    }
    await fixture.start()
    await fixture.get(StoreReadme).run()
    return fixture
  }

  /** A provider of the application. */
  get<T>(type: new (...args: never[]) => T): T {
    return this.app.get<T>(type)
  }

  /** Start the application on whatever `database` is now. */
  async start(config = this.config): Promise<void> {
    const { clock, database, server } = this
    const openQueue = server?.openQueue ?? (() => pgliteQueue((database as TestDatabase).session))
    const adapters = await openAdapters(config, { clock, entropy: new SystemEntropy(), database, openQueue })
    if (server === undefined) this.app = await startApplication(adapters)
    else {
      const jobs = server.jobs === undefined ? {} : { role: 'all' as const, jobs: { ticking: false, ...server.jobs } }
      const patience = server.patience === undefined ? {} : { patience: server.patience }
      this.app = await makeServer(adapters, { logTo: { write: server.log }, ...patience, ...jobs })
    }
  }

  /** Lose the index and start on an empty one. */
  async loseDatabase(): Promise<void> {
    await this.app.close()
    this.database = await testDatabase()
    await this.start()
  }

  /** Register and arm an agreement over sources. */
  async agree(sources: readonly SourceWish[], terms: TermsWish = {}): Promise<AgreedUpon> {
    const cards = [...this.parties.values()].map(({ card }) => card)
    const service = { now: this.clock.now(), cards, logKey: await this.logKey, log: this.config.log }
    const { agreement, annex, dealt } = composeAgreement(service, sources, terms)
    for (const vault of dealt) this.vaults.set(vault.recipient, vault)
    const [vendor, partner] = [this.party('vendor'), this.party('partner')]
    const first = signDocument({ body: agreement, schema: Agreement, key: vendor.signingKey })
    const document = countersign(first, partner.signingKey)
    const recipients = agreement.parties.flatMap((party) => (party.recipient === null ? [] : [party.recipient]))
    const sealed = sealBytes(canonicalize(annex), recipients, new SystemEntropy())
    const signed = await this.get(RegisterAgreement).run({ document, annex: sealed, credentialFiles: new Map() })
    await this.get(ArmVault).run(acceptancesOf(signed, this.clock.now(), (party) => this.party(party).signingKey))
    return { signed, annex, id: agreement.agreement }
  }

  /** Mirror one source. */
  mirror(agreement: AgreedUpon, source: string): ReturnType<MirrorSource['run']> {
    return this.get(MirrorSource).run({ agreementId: agreement.id, source }, { full: false })
  }

  publish(): Promise<unknown> {
    return this.get(PublishLog).run()
  }

  party(name: string): PartyFolder {
    return this.parties.get(name)!
  }

  /** The folder of a replica's objects or of its log head. */
  replica(name: string, what: 'objects' | 'heads' = 'objects'): string {
    return join(this.home, 'replicas', name, what)
  }

  get logKey(): Promise<string> {
    return readFile(join(this.home, 'log.vkey'), 'utf8')
  }

  async close(): Promise<void> {
    await this.app.close()
    await rm(this.home, { recursive: true, force: true })
  }

  private async makeKeys(others: NonNullable<ServiceWish['parties']>): Promise<void> {
    const entropy = new SystemEntropy()
    const make = async (party: string, role: Role, country: string, path: string) => {
      const standing = { country, control: country, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 }
      this.parties.set(party, await createPartyFolder(path, { party, role, name: party, organisation: party, standing }, entropy))
    }
    await make('agent', 'agent', 'CH', this.config.keysFolder)
    await make('vendor', 'depositor', 'US', join(this.home, 'parties', 'vendor'))
    await make('partner', 'beneficiary', 'DE', join(this.home, 'parties', 'partner'))
    for (const [place, party] of custodians.entries()) await make(party, 'custodian', countries[place]!, join(this.home, 'parties', party))
    for (const [party, role, country] of others) await make(party, role, country, join(this.home, 'parties', party))
    const seed = generateSigningSeed(entropy)
    await writeNamedFile(join(this.config.keysFolder, keyFileNames.log), encodeSigningKeyFile(seed), { secret: true })
    await writeNamedFile(
      join(this.home, 'log.vkey'),
      formatNoteKey(noteKey(origin, signatureType.ed25519, signingKeyFromSeed(seed).publicKey)),
    )
  }
}
