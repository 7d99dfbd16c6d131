// A service behind HTTP with one agreement, one deposit and its parties' real keys; windows of no length, so that a release takes no days.
import type { OpenAPIObject } from '@nestjs/swagger'
import { SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import type { SigningKey } from '../../src/crypto/signature.js'
import { encodeReleasedShare } from '../../src/format/share.js'
import { signDocument } from '../../src/format/signed-document.js'
import { Statement } from '../../src/format/statement.js'
import { SweepReleases } from '../../src/release/sweep/sweep-releases.js'
import { GitFixture } from './git-fixture.js'
import { HttpCaller } from './http-caller.js'
import { insolvency, type Matter, type StatementName } from './statement-matter.js'
import { ServiceFixture, type AgreedUpon, type ServiceWish } from './service-fixture.js'
import { type SourceWish, type TermsWish } from './service-agreement.js'
import { dayMs } from './moments.js'

const noWindows = { formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0, coolingOffHours: 0 }
/** A release policy as an agreement holds it. */
export const releasePolicy = {
  type: 'escrow/release-policy/v1',
  calendars: [{ calendar: 'zurich', timeZone: 'Europe/Zurich' }],
  calendar: 'zurich',
  conditions: [
    { condition: 'order', kind: 'shutdown-order', evidence: ['order'] },
    { condition: 'insolvent', kind: 'insolvency', clocks: noWindows },
  ],
  guardians: ['ministry'],
  holdSigners: ['ministry'],
  licence: { scope: 'maintain and operate', returnOrDestroyDays: 365 },
  title: { basis: 'fiduciary-ownership' },
}

const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation']
const statesMax = 20

/** What a house is made of beside its defaults. */
export interface HouseWish
  extends Pick<ServiceWish, 'now' | 'parties' | 'cards' | 'replicas' | 'database'>, Pick<TermsWish, 'jurisdiction'> {
  /** Beside `product`. */
  readonly sources?: readonly SourceWish[]
  /** A worker beside the server. */
  readonly server?: Pick<NonNullable<ServiceWish['server']>, 'jobs' | 'openQueue' | 'patience'>
}

/** Everything at the door of one service. */
export class HttpHouse {
  /** What a shutdown order names as its document. */
  readonly document = Buffer.from('the order')
  private readonly callers = new Map<string, Promise<HttpCaller>>()

  private constructor(
    readonly service: ServiceFixture,
    readonly git: GitFixture,
    readonly agreed: AgreedUpon,
    /** What the service logged. */
    readonly lines: readonly string[],
  ) {}

  static async open({ sources = [], server, jurisdiction = {}, ...wish }: HouseWish = {}): Promise<HttpHouse> {
    const lines: string[] = []
    const git = new GitFixture()
    git.addCommits('refs/heads/main', 3)
    const parties = [['arbiter', 'arbiter', 'CH'], ['ministry', 'supervisor', 'CH'], ...(wish.parties ?? [])] as const
    const service = await ServiceFixture.open({
      ...wish,
      parties,
      server: { ...server, log: (line) => void lines.push(line), http: { port: 0, requestsPerMinute: 100_000 } },
    })
    const agreed = await service.agree([{ source: 'product', url: git.path }, ...sources], { release: releasePolicy, jurisdiction })
    await service.mirror(agreed, 'product')
    await service.publish()
    return new HttpHouse(service, git, agreed, lines)
  }

  async close(): Promise<void> {
    await this.service.close()
    this.git.remove()
  }

  /** A party with a token of its own. */
  as(party: string): Promise<HttpCaller> {
    const known = this.callers.get(party) ?? HttpCaller.as(this.service.app, this.service.party(party).card)
    this.callers.set(party, known)
    return known
  }

  get nobody(): HttpCaller {
    return new HttpCaller(this.service.app, null)
  }

  async paths(): Promise<OpenAPIObject['paths']> {
    return (await this.nobody.json<OpenAPIObject>('/docs/openapi.json')).paths
  }

  recipientOf(party: string): string {
    return this.service.party(party).card.recipient ?? ''
  }

  /** A statement as a party signs it now. @param how.key - which key signs, or whose, when not the party's. */
  sign<Name extends StatementName>(
    name: Name,
    party: string,
    matter: Matter<Name>,
    how: { readonly key?: string | SigningKey; readonly lifeDays?: number; readonly agreement?: string; readonly epoch?: number } = {},
  ): Uint8Array {
    const { body, digest } = this.agreed.signed
    const at = this.service.clock.now()
    const statement = Statement.parse({
      type: `escrow/statement/${name}/v1`,
      origin: body.origin,
      agreement: how.agreement ?? digest,
      epoch: how.epoch ?? 1,
      party,
      nonce: Buffer.from(new SystemEntropy().bytes(16)).toString('hex'),
      issuedAt: at.toISOString(),
      expiresAt: new Date(at.getTime() + (how.lifeDays ?? 300) * dayMs).toISOString(),
      ...matter,
    })
    const key = typeof how.key === 'object' ? how.key : this.service.party(how.key ?? party).signingKey
    return signDocument({ body: statement, schema: Statement, key })
  }

  /** A request for the product, as the partner signs it. */
  ask(epoch = 1): Uint8Array {
    return this.sign('release-request', 'partner', insolvency(this.recipientOf('partner')), { epoch })
  }

  order(): Uint8Array {
    const document = { title: 'order', sha256: sha256Hex(this.document), sizeBytes: this.document.length, mediaType: 'application/pdf' }
    return this.sign('shutdown-order', 'vendor', {
      issuer: 'Federal Court',
      jurisdiction: 'US',
      reference: 'No. 1',
      documents: [document],
      scope: { kind: 'agreements', agreements: [this.agreed.signed.digest] },
      effectiveAt: new Date(this.service.clock.now().getTime() + 900 * dayMs).toISOString(),
    })
  }

  approval(party: string, requestDigest: string, how: { readonly key?: SigningKey; readonly epoch?: number } = {}): Uint8Array {
    const { epoch = 1 } = how
    const cover = { requestDigest, agreement: this.agreed.signed.digest, epoch, recipients: [this.recipientOf('partner')] }
    return this.sign('approval', party, { covers: [cover], reason: 'The evidence is complete.' }, { ...how, epoch })
  }

  /** A custodian's real share, sealed anew to the partner. */
  share(party: string, requestDigest: string, how: { readonly key?: string | SigningKey } = {}): Uint8Array {
    const [epoch] = this.agreed.signed.body.vault.epochs
    const dealt = this.service.vaults.get(epoch?.recipient ?? '')
    const share = dealt?.shares.find(({ index }) => index === custodians.indexOf(party) + 1)
    if (share === undefined) throw new Error(`${party} holds no share`)
    const recipient = this.recipientOf('partner')
    const file = Buffer.from(sealBytes(encodeReleasedShare(share), [recipient], new SystemEntropy())).toString('base64')
    return this.sign('share-release', party, { requestDigest, index: share.index, sealedShares: [{ recipient, file }] }, how)
  }

  /** Post a statement as its party that must be taken. */
  async send(party: string, bytes: Uint8Array): Promise<SentBody> {
    const answer = await (await this.as(party)).document('/v1/statements', bytes)
    if (answer.status !== 200) throw new Error(`statement of ${party}: ${answer.status} ${answer.text}`)
    return answer.body as SentBody
  }

  /** Let time pass until a request is in a state. */
  async until(request: string, state: string): Promise<void> {
    for (let step = 0; step < statesMax; step += 1) {
      const found = await (await this.as('partner')).json<{ readonly state: string }>(`/v1/release-requests/${request}`)
      if (found.state === state) return
      this.service.clock.advance(3_600_000)
      await this.service.get(SweepReleases).run()
    }
    throw new Error(`the request never was ${state}`)
  }

  /** From a request to a grant, all of it over HTTP. @returns the request. */
  async release(): Promise<{ readonly request: string; readonly digest: string }> {
    const { outcomes } = await this.send('partner', this.ask())
    const request = outcomes[0]?.subject ?? ''
    const { digest } = await (await this.as('partner')).json<{ readonly digest: string }>(`/v1/release-requests/${request}`)
    await this.until(request, 'approval')
    for (const party of custodians.slice(0, 3)) await this.send(party, this.approval(party, digest))
    await this.until(request, 'releasing')
    for (const party of custodians.slice(0, 3)) await this.send(party, this.share(party, digest))
    await this.service.get(SweepReleases).run()
    await this.service.publish()
    return { request, digest }
  }
}

/** What the service says of a statement that it took. */
export interface SentBody {
  readonly outcomes: readonly {
    readonly agreement: string
    readonly subject: string
    readonly state: string | null
    readonly code: string | null
  }[]
  readonly explained: { readonly source: string; readonly sequence: number; readonly settled: boolean } | null
}
