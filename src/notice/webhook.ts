/**
 * Sends one notice to the URL that a party gave. The party is a stranger who would like to see our inner network: the host's addresses are
 * checked on the very socket that is opened, redirects are not followed, nothing of the answer but its status is read, and whoever is slow
 * is cut.
 */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { EscrowError, isEscrowError } from '../core/errors.js'
import type { NoticeSignature } from '../format/notice.js'
import { guardedLookup, type Resolver } from '../git/address-policy.js'
import { checkLiteralHost, parseRemoteUrl, type RemoteRules } from '../git/remote-url.js'

/** A notice on its way. */
export interface SentNotice {
  readonly body: string
  readonly signed: NoticeSignature
}

/** How it may travel. */
export interface WebhookRules {
  readonly rules: RemoteRules
  readonly timeoutMs: number
  readonly version: string
  /** The system's resolver when left out. */
  readonly resolver?: Resolver
}

/**
 * The URL of a receiver, if we would send there.
 *
 * @throws EscrowError `CONTACT_INVALID`; literal addresses are judged here, names when connecting.
 */
export function parseWebhookUrl(text: string, rules: RemoteRules): URL {
  const path = text.replace(/\?.*$/s, '')
  try {
    // A receiver may tell its customers apart by a query; everything else is as for remotes, but no local path.
    if (parseRemoteUrl(path, { ...rules, allowLocalPaths: false }).kind !== 'http' || text.length > 2048 || /[\s#]/.test(text))
      throw new Error('not a receiver')
    const url = new URL(text)
    checkLiteralHost(url, rules)
    return url
  } catch (cause) {
    const why = isEscrowError(cause) ? `: ${cause.message}` : ''
    throw new EscrowError('CONTACT_INVALID', `expected an https URL that we may reach${why}`, { cause })
  }
}

/**
 * Send a notice.
 *
 * @throws EscrowError `NOTICE_REFUSED` for any status but 2xx, with the status; `NOTICE_UNDELIVERED` when nobody answered in time;
 *   `REMOTE_ADDRESS_REFUSED` when the host is not one that we talk to.
 */
export async function sendWebhook(address: string, notice: SentNotice, how: WebhookRules, signal?: AbortSignal): Promise<void> {
  const url = parseWebhookUrl(address, how.rules)
  const limit = AbortSignal.timeout(how.timeoutMs)
  try {
    const status = await post(url, notice, how, signal === undefined ? limit : AbortSignal.any([limit, signal]))
    if (status < 200 || status > 299)
      throw new EscrowError('NOTICE_REFUSED', `expected the receiver to take the notice, got ${status}`, { details: { status } })
  } catch (error) {
    signal?.throwIfAborted()
    throw translated(error)
  }
}

function post(url: URL, { body, signed }: SentNotice, how: WebhookRules, signal: AbortSignal): Promise<number> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': `reduit/${how.version}`,
    'webhook-id': signed.id,
    'webhook-timestamp': signed.timestamp,
    'webhook-signature': signed.signature,
  }
  return new Promise((resolve, reject) => {
    // No agent: a kept connection would have been checked for somebody else's notice.
    const sent = request(url, {
      method: 'POST',
      headers,
      agent: false,
      signal,
      lookup: guardedLookup(how.rules.allowPrivateAddresses, how.resolver),
    })
    sent.once('error', reject)
    sent.once('response', (response) => {
      resolve(response.statusCode ?? 0)
      response.on('error', () => undefined)
      response.destroy()
    })
    sent.end(body)
  })
}

/** Our own refusals come wrapped by the socket that they stopped. */
function translated(error: unknown): EscrowError {
  if (isEscrowError(error)) return error
  const inner = error instanceof Error && isEscrowError(error.cause) ? error.cause : null
  return inner ?? new EscrowError('NOTICE_UNDELIVERED', 'the receiver could not be reached, or did not answer in time', { cause: error })
}
