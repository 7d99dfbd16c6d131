import { z } from 'zod'
import { SystemEntropy } from '../../core/environment.js'
import { ERROR_ADVICE, EscrowError, isEscrowError, type ErrorCode } from '../../core/errors.js'
import type { Arming } from '../../escrow/agreement/arm-vault.js'
import { AgreementSummary, AgreementView, SourceView } from '../../escrow/visible/escrow.views.js'
import type { Explained } from '../../escrow/deposit/record-explanation.js'
import { AgreementId } from '../../format/ids.js'
import { openAgreement, requireSignatures } from '../../format/signed-agreement.js'
import { readUnverified } from '../../format/signed-document.js'
import { ShareAccept } from '../../format/statement.js'
import { pageOf } from '../../http/page.js'
import { signedDocumentType } from '../../http/media-type.js'
import { LogView } from '../../log/log.views.js'
import * as views from '../../release/visible/release.views.js'
import { evidenceBeside, type StatementFile } from '../party/evidence-files.js'
import { orderFolder } from './order-folder.js'
import type { ServiceDoor, ShownAgreement, ShownCase, ShownLog, ShownReleases } from './service-door.js'
import { ServiceHttp, type ServiceAddress } from './service-http.js'

const Arming = z.object({ agreement: z.string(), armed: z.boolean(), accepted: z.array(z.number()), custodians: z.number() })
const AlarmList = z.object({ items: z.array(views.AlarmView) })
const SilenceList = z.object({ items: z.array(views.SilenceView) })

/** The door of a service behind HTTP. */
export function openHttpDoor(address: ServiceAddress, signal: AbortSignal): ServiceDoor {
  return new HttpDoor(new ServiceHttp(address, signal))
}

/** Send one signed statement, and the evidence beside its file. @throws EscrowError with the code of the refusal */
export async function sendStatement(address: ServiceAddress, signal: AbortSignal, one: StatementFile): Promise<views.SentView> {
  return postStatement(new ServiceHttp(address, signal), one)
}

async function postStatement(http: ServiceHttp, one: StatementFile): Promise<views.SentView> {
  const sent = await http.post('/v1/statements', { mediaType: signedDocumentType, body: one.bytes, key: freshKey() }, views.SentView)
  for await (const { statement, bytes: body } of evidenceBeside(one)) {
    const file = { mediaType: 'application/octet-stream', body, key: freshKey() }
    await http.post(`/v1/statements/${statement}/evidence`, file, views.KeptView)
  }
  return sent
}

/** A fresh idempotency key. */
function freshKey(): string {
  return Buffer.from(new SystemEntropy().bytes(24)).toString('base64url')
}

/** A service over the network: it shows what the token's party may see. */
class HttpDoor implements ServiceDoor {
  constructor(private readonly http: ServiceHttp) {}

  async agreements(agreementId: string | null): Promise<readonly ShownAgreement[]> {
    const ids =
      agreementId === null
        ? (await this.http.list('/v1/agreements', AgreementSummary, pageOf)).map((one) => one.agreement)
        : [parseId(agreementId)]
    const found: ShownAgreement[] = []
    for (const id of ids) found.push(await this.agreement(id))
    return found
  }

  /** The document is what counts: it must say what the service says of it. */
  private async agreement(id: string): Promise<ShownAgreement> {
    const { version, digest, state, epochs, accepted } = await this.http.get(`/v1/agreements/${id}`, AgreementView)
    const signed = openAgreement(await this.http.document(`/v1/agreements/${id}/versions/${version}/document`))
    requireSignatures(signed, { agent: true })
    if (signed.digest !== digest) throw new EscrowError('AGREEMENT_DIGEST', `expected the agreement ${digest}, got ${signed.digest}`)
    const sources = await this.http.list(`/v1/agreements/${id}/sources`, SourceView, pageOf)
    return { signed, state, epochs, accepted: accepted.length, sources }
  }

  async acceptances(documents: readonly Uint8Array[]): Promise<Arming> {
    const [first] = documents
    if (first === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected at least one acceptance')
    const { agreement: digest } = readUnverified(first, ShareAccept, 'share acceptance')
    const known = (await this.http.list('/v1/agreements', AgreementSummary, pageOf)).find((one) => one.digest === digest)
    if (known === undefined) throw new EscrowError('AGREEMENT_DIGEST', `no agreement here has the digest ${digest}`)
    const body = Buffer.from(JSON.stringify({ documents: documents.map((bytes) => Buffer.from(bytes).toString('base64')) }))
    return this.http.post(`/v1/agreements/${known.agreement}/acceptances`, { mediaType: 'application/json', body, key: freshKey() }, Arming)
  }

  async log(): Promise<ShownLog> {
    const { checkpointAt, witnesses, ...state } = await this.http.get('/v1/log', LogView)
    return {
      ...state,
      receipts: 0,
      checkpointAt: dateOf(checkpointAt),
      witnesses: witnesses.map(({ name, size, cosignedAt, failure }) => ({
        name,
        size,
        cosignedAt: dateOf(cosignedAt),
        failure:
          failure === null
            ? null
            : { code: codeOf(failure.code), words: 'it did not cosign', at: dateOf(failure.at), times: failure.times },
      })),
    }
  }

  async explanations(documents: readonly Uint8Array[]): Promise<readonly Explained[]> {
    const explained: Explained[] = []
    for (const bytes of documents) {
      const sent = await postStatement(this.http, { bytes, file: '' })
      if (sent.explained === null) throw new EscrowError('STATEMENT_INVALID', 'expected an explanation of findings')
      explained.push(sent.explained)
    }
    return explained
  }

  async statements(files: readonly StatementFile[]): Promise<readonly views.OutcomeView[]> {
    const outcomes: views.OutcomeView[] = []
    for (const one of files) outcomes.push(...(await postStatement(this.http, one)).outcomes)
    return outcomes
  }

  async releases(): Promise<ShownReleases> {
    return {
      alarms: (await this.http.get('/v1/alarms', AlarmList)).items,
      silences: (await this.http.get('/v1/silences', SilenceList)).items,
      orders: await this.http.list('/v1/orders', views.OrderView, pageOf),
      requests: await this.http.list('/v1/release-requests', views.RequestSummary, pageOf),
    }
  }

  async request(requestId: string): Promise<views.RequestView | null> {
    try {
      return await this.http.get(`/v1/release-requests/${encodeURIComponent(requestId)}`, views.RequestView)
    } catch (error) {
      if (isEscrowError(error, 'NOT_FOUND') || isEscrowError(error, 'BODY_INVALID')) return null
      throw error
    }
  }

  async *cases(): AsyncIterable<ShownCase> {
    const { requests, orders } = await this.releases()
    for (const { request } of requests) yield { folder: request, files: await this.files(`/v1/release-requests/${request}/case`) }
    for (const { order, agreement } of orders) {
      yield { folder: orderFolder(order, agreement), files: await this.files(`/v1/orders/${order}/agreements/${agreement}/case`) }
    }
  }

  private async files(path: string): Promise<ShownCase['files']> {
    const { items } = await this.http.get(path, views.CaseView)
    return items.map((file) => ({ path: file.path, bytes: Buffer.from(file.base64, 'base64') }))
  }
}

function parseId(text: string): string {
  const parsed = AgreementId.safeParse(text)
  if (!parsed.success) throw new EscrowError('NOT_FOUND', `no agreement is named ${text.slice(0, 100)}`)
  return parsed.data
}

/** A code of a newer service is none of ours. */
function codeOf(text: string | null): ErrorCode | null {
  return text !== null && Object.hasOwn(ERROR_ADVICE, text) ? (text as ErrorCode) : null
}

function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(text)
}
