// A service with a release policy and a deposit, its clock in the test's hand, and the parties' real keys: reads like minutes.
import type { INestApplicationContext } from '@nestjs/common'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../config/load.js'
import { openAdapters, type Adapters } from '../../src/adapters.module.js'
import { startApplication } from '../../src/app.module.js'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { EscrowError } from '../../src/core/errors.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { shareSigningKey } from '../../src/crypto/holder/vault-shares.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import type { SigningKey } from '../../src/crypto/signature.js'
import { Database } from '../../src/db/database.js'
import { AgreementShelf } from '../../src/escrow/archive/agreement-shelf.js'
import { shareHealthText } from '../../src/format/check-statement.js'
import { logTag } from '../../src/format/log-entry.js'
import { encodeReleasedShare, parseShare } from '../../src/format/share.js'
import { openAgreement, type SignedAgreement } from '../../src/format/signed-agreement.js'
import { signDocument } from '../../src/format/signed-document.js'
import { ShareHealth, Statement } from '../../src/format/statement.js'
import { listChain } from '../../src/log/log.table.js'
import { RecordStatement } from '../../src/release/record-statement.js'
import { tagSecretOf } from '../../src/release/record-turn.js'
import type { Outcome } from '../../src/release/order/register-order.js'
import { listHeldShares, listRequests, type RequestRow } from '../../src/release/release.table.js'
import { SignAsAgent } from '../../src/release/sweep/sign-as-agent.js'
import { SweepReleases } from '../../src/release/sweep/sweep-releases.js'
import { dayMs, hourMs } from './moments.js'
import { EscrowHome } from './escrow-home.js'
import { copyDatabase, dropDatabase } from './interpose.js'
import { GitFixture } from './git-fixture.js'
import { ManualClock } from './manual-clock.js'
import { releaseLines, releaseParties } from './release-terms.js'
import { insolvency, type Matter, type StatementName } from './statement-matter.js'

/** Everything of one agreement on disk, with one deposit; copied for each story. */
export class ReleaseTemplate {
  private constructor(
    readonly fixture: GitFixture,
    readonly home: EscrowHome,
  ) {}

  /**
   * @param release - lines of the draft's `release`.
   * @param others - sources beside `product` that deposit the same repository.
   */
  static async make(release: readonly string[] = releaseLines, others: readonly string[] = []): Promise<ReleaseTemplate> {
    const fixture = new GitFixture()
    fixture.addCommits('refs/heads/main', 3)
    const sources = ['product', ...others].flatMap((source) => [`  - source: ${source}`, `    url: ${fixture.path}`])
    const home = await EscrowHome.make(sources, { parties: releaseParties, release })
    await home.must('mirror')
    return new ReleaseTemplate(fixture, home)
  }

  async remove(): Promise<void> {
    await this.home.remove()
    this.fixture.remove()
  }
}

/** One story in a copy of the template. */
export class ReleaseHouse {
  app!: INestApplicationContext

  private constructor(
    readonly template: ReleaseTemplate,
    readonly folder: string,
    readonly clock: ManualClock,
    readonly agreement: SignedAgreement,
  ) {}

  /** @param wrap - puts faults around the adapters. */
  static async open(template: ReleaseTemplate, wrap: (adapters: Adapters) => Adapters = (adapters) => adapters): Promise<ReleaseHouse> {
    const folder = mkdtempSync(join(tmpdir(), 'reduit-release-'))
    cpSync(template.home.home, folder, { recursive: true, preserveTimestamps: true })
    await copyDatabase(join(template.home.home, 'db'), join(folder, 'db'))
    // A Monday morning after the deposit.
    const agreement = openAgreement(readFileSync(template.home.agreement))
    const house = new ReleaseHouse(template, folder, new ManualClock(new Date('2030-01-07T09:00:00.000Z')), agreement)
    const config = await loadConfig(folder)
    const adapters = await openAdapters(config, { clock: house.clock, entropy: new SystemEntropy() })
    house.app = await startApplication(wrap(adapters))
    return house
  }

  async close(): Promise<void> {
    await this.app.close()
    await dropDatabase(join(this.folder, 'db'))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A statement as a party signs it now. */
  async sign<Name extends StatementName>(
    name: Name,
    party: string,
    matter: Matter<Name>,
    how: {
      readonly as?: string
      readonly key?: SigningKey
      readonly lifeDays?: number
      readonly epoch?: number
      readonly agreement?: string
    } = {},
  ): Promise<Uint8Array> {
    const key = how.key ?? (await openPartyFolder(this.template.home.party(how.as ?? party))).signingKey
    const at = this.clock.now()
    const body = Statement.parse({
      type: `escrow/statement/${name}/v1`,
      origin: this.agreement.body.origin,
      agreement: how.agreement ?? this.agreement.digest,
      epoch: how.epoch ?? 1,
      party,
      nonce: Buffer.from(new SystemEntropy().bytes(16)).toString('hex'),
      issuedAt: at.toISOString(),
      expiresAt: new Date(at.getTime() + (how.lifeDays ?? 300) * dayMs).toISOString(),
      ...matter,
    })
    return signDocument({ body, schema: Statement, key })
  }

  record(bytes: Uint8Array): Promise<readonly Outcome[]> {
    return this.app.get(RecordStatement).run(bytes)
  }

  tick(): Promise<readonly Outcome[]> {
    return this.app.get(SweepReleases).run()
  }

  /** Let time pass, then let the service look at its clocks. */
  async wait(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.tick()
  }

  async requests(): Promise<readonly RequestRow[]> {
    return this.app.get(Database).query((db) => listRequests(db, null, 100))
  }

  /** The types of the events of a subject (default: the agreement), in their order. */
  async eventsOf(subject: string = this.agreement.body.agreement): Promise<readonly string[]> {
    const known = await this.app.get(AgreementShelf).get(this.agreement.body.agreement)
    const tag = Buffer.from(logTag(tagSecretOf(known), subject)).toString('hex')
    const entries = await this.app.get(Database).query((db) => listChain(db, tag, 0, 1000))
    return entries.map((entry) => entry.eventType.split('/')[2] ?? '')
  }

  /** The only request there is. */
  async request(): Promise<RequestRow> {
    const [row] = await this.requests()
    if (row === undefined) throw new Error('there is no request')
    return row
  }

  async state(): Promise<string> {
    return (await this.request()).state
  }

  async heldShares(): Promise<number> {
    const { requestId } = await this.request()
    return (await this.app.get(Database).query((db) => listHeldShares(db, requestId))).length
  }

  recipientOf(party: string): string {
    return this.agreement.body.parties.find((one) => one.party === party)?.recipient ?? ''
  }

  async ask(
    change: Partial<Matter<'release-request'>> = {},
    how: { readonly as?: string; readonly lifeDays?: number; readonly agreement?: string } = {},
  ): Promise<Uint8Array> {
    return this.sign('release-request', 'partner', insolvency(this.recipientOf('partner'), change), how)
  }

  /** From submission to approval: nobody objects. */
  async reachApproval(): Promise<RequestRow> {
    await this.record(await this.ask())
    for (let days = 0; days < 60 && (await this.state()) !== 'approval'; days += 1) await this.wait(dayMs)
    return this.request()
  }

  async approve(party: string, reason = 'The evidence is complete.'): Promise<readonly Outcome[]> {
    const row = await this.request()
    const cover = {
      requestDigest: row.requestDigest,
      agreement: row.agreementDigest,
      epoch: row.epoch,
      recipients: [this.recipientOf('partner')],
    }
    return this.record(await this.sign('approval', party, { covers: [cover], reason }))
  }

  async refuse(party: string): Promise<readonly Outcome[]> {
    const row = await this.request()
    const cover = { requestDigest: row.requestDigest, agreement: row.agreementDigest }
    return this.record(await this.sign('refusal', party, { covers: [cover], reason: 'I am not convinced.' }))
  }

  async reachReleasing(): Promise<RequestRow> {
    await this.reachApproval()
    for (const party of ['notary', 'university', 'chamber']) await this.approve(party)
    await this.wait(25 * hourMs)
    return this.request()
  }

  /** A custodian's real share, sealed anew to the partner. */
  async shareOf(party: string, change: Partial<Matter<'share-release'>> = {}): Promise<Uint8Array> {
    const keys = await openPartyFolder(this.template.home.party(party))
    const share = parseShare(openBytes(readFileSync(this.template.home.share(party)), keys.identity))
    const recipient = this.recipientOf('partner')
    const file = Buffer.from(sealBytes(encodeReleasedShare(share), [recipient], new SystemEntropy())).toString('base64')
    const { requestDigest } = await this.request()
    return this.sign('share-release', party, { requestDigest, index: share.index, sealedShares: [{ recipient, file }], ...change })
  }

  /** A custodian's proof that it holds its share, made with the share of somebody else where a test wants it so. */
  async provenShare(party: string, epoch: number, shareOf = party): Promise<Uint8Array> {
    const keys = await openPartyFolder(this.template.home.party(party))
    const { identity } = await openPartyFolder(this.template.home.party(shareOf))
    const share = parseShare(openBytes(readFileSync(this.template.home.share(shareOf, epoch)), identity))
    const now = this.clock.now()
    const { body, digest } = this.agreement
    const unproved = {
      type: 'escrow/statement/share-health/v1' as const,
      origin: body.origin,
      agreement: digest,
      epoch,
      party,
      nonce: 'ab'.repeat(16),
      issuedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + 30 * dayMs).toISOString(),
      index: body.vault.custodians.find((seat) => seat.party === party)?.index ?? 0,
      recipient: share.vault,
    }
    const signed = { ...unproved, proof: Buffer.from(shareSigningKey(share).sign(shareHealthText(unproved))).toString('base64') }
    return signDocument({ body: signed, schema: ShareHealth, key: keys.signingKey })
  }

  /** A statement of the agent, as the service signs it now. */
  async signAsAgent<Name extends 'legal-order' | 'legal-order-step'>(name: Name, matter: Matter<Name>): Promise<Uint8Array> {
    const { signed } = await this.app.get(AgreementShelf).get(this.agreement.body.agreement)
    return this.app.get(SignAsAgent).run(signed, { name, epoch: 1 }, matter)
  }

  /** An order against the agent. */
  async legalOrder(fields: Partial<Matter<'legal-order'>> = {}): Promise<Uint8Array> {
    return this.signAsAgent('legal-order', {
      kind: 'disclosure',
      issuer: 'Office of the quiet canary',
      jurisdiction: 'US',
      reference: 'L 7',
      documents: [],
      receivedAt: this.clock.now().toISOString(),
      contestUntil: null,
      noticeForbidden: false,
      noticeForbiddenUntil: null,
      ...fields,
    })
  }

  async order(by: string, effectiveAt?: Date): Promise<Uint8Array> {
    const document = { title: 'order', sha256: sha256Hex(Buffer.from('the order')), sizeBytes: 9, mediaType: 'application/pdf' }
    return this.sign('shutdown-order', by, {
      issuer: 'Federal Court',
      jurisdiction: 'US',
      reference: 'No. 1',
      documents: [document],
      scope: { kind: 'agreements', agreements: [this.agreement.digest] },
      effectiveAt: (effectiveAt ?? new Date('2030-01-01T00:00:00.000Z')).toISOString(),
    })
  }
}

/** The code with which a promise is refused; null when it is not. */
export async function refusal(work: Promise<unknown>): Promise<string | null> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof EscrowError) return error.code
    throw error
  }
}
