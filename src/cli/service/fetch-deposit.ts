import { z } from 'zod'
import { EscrowError, isEscrowError, type ErrorCode } from '../../core/errors.js'
import { DepositView, FindingView } from '../../escrow/visible/escrow.views.js'
import { FindingCode } from '../../format/manifest.js'
import { cursorAfter, pageOf } from '../../http/page.js'
import { ServiceHttp, type ServiceAddress } from './service-http.js'

/** The documents of a deposit as a service gives them; nothing of it is verified yet. */
export interface GivenDeposit {
  readonly sequence: number
  readonly kind: string
  readonly manifest: Uint8Array
  /** Null while it waits for the log. */
  readonly receipt: Uint8Array | null
  /** Sealed; null for a role that it is not sealed to. */
  readonly inventory: Uint8Array | null
  /** Codes of findings that somebody has explained, by the service's word. */
  readonly explained: readonly string[]
}

/**
 * Ask a service for the documents of one deposit.
 *
 * @param wish.sequence - null for the newest.
 * @throws EscrowError `NOT_FOUND`; `SERVICE_*`; what the service refuses with
 */
export async function fetchDeposit(
  service: ServiceAddress,
  wish: { readonly agreement: string; readonly source: string; readonly sequence: number | null },
  signal: AbortSignal,
): Promise<GivenDeposit> {
  const http = new ServiceHttp(service, signal)
  const found = await find(http, wish)
  if (found === undefined || (wish.sequence !== null && found.sequence !== wish.sequence))
    throw new EscrowError('NOT_FOUND', `the service has no deposit ${wish.sequence === null ? '' : `${wish.sequence} `}of ${wish.source}`)
  const of = `/v1/deposits/${found.deposit}`
  const { items } = await http.get(`${of}/findings`, z.object({ items: z.array(FindingView) }))
  return {
    sequence: found.sequence,
    kind: found.kind,
    manifest: await http.document(`${of}/manifest`),
    receipt: await orNull('NOT_FOUND', http.document(`${of}/receipt`)),
    inventory: await orNull('ROLE_REFUSED', http.document(`${of}/inventory`)),
    explained: items.filter(({ code, explanation }) => explanation !== null && FindingCode.safeParse(code).success).map(({ code }) => code),
  }
}

/**
 * Ask a service for the manifest of the newest deposit, as it was countersigned.
 *
 * @returns null when there is no deposit; nothing of it is verified yet.
 * @throws EscrowError `SERVICE_*`; what the service refuses with
 */
export async function fetchNewestManifest(
  service: ServiceAddress,
  wish: { readonly agreement: string; readonly source: string },
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const http = new ServiceHttp(service, signal)
  const found = await find(http, { ...wish, sequence: null })
  return found === undefined ? null : http.document(`/v1/deposits/${found.deposit}/manifest`)
}

async function find(
  http: ServiceHttp,
  wish: { readonly agreement: string; readonly source: string; readonly sequence: number | null },
): Promise<z.infer<typeof DepositView> | undefined> {
  const path = `/v1/agreements/${wish.agreement}/sources/${wish.source}/deposits`
  // A page begins below its cursor.
  const from = wish.sequence === null ? '' : `&cursor=${cursorAfter(String(wish.sequence + 1))}`
  return (await http.get(`${path}?limit=1${from}`, pageOf(DepositView))).items[0]
}

async function orNull(code: ErrorCode, document: Promise<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return await document
  } catch (error) {
    if (isEscrowError(error, code)) return null
    throw error
  }
}
