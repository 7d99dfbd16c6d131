// Sends one notice by e-mail: words for a person, and beside them the notice as a machine reads it, with its signature in the header.
import { createTransport } from 'nodemailer'
import { EscrowError } from '../core/errors.js'
import type { Notice } from '../format/notice.js'
import type { SentNotice } from './webhook.js'

/** An address that is only an address: no name, no list, nothing that could become a header. */
const addressPattern = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/

/** @throws EscrowError `CONTACT_INVALID` */
export function parseMailAddress(text: string): string {
  if (text.length <= 254 && addressPattern.test(text)) return text
  throw new EscrowError('CONTACT_INVALID', 'expected an e-mail address like name@host.example')
}

/** Where mail goes out. */
export interface MailRules {
  /** `smtp:` or `smtps:` with user and password; secret. */
  readonly url: string
  readonly from: string
  readonly timeoutMs: number
}

/**
 * Send a notice.
 *
 * @throws EscrowError `NOTICE_REFUSED` when the mail server does not take it; `NOTICE_UNDELIVERED` when it cannot be reached in time.
 */
export async function sendMail(address: string, notice: SentNotice, { url, from, timeoutMs }: MailRules): Promise<void> {
  const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs }
  const transport = createTransport({ url, ...timeouts, ...secrecyFor(url), disableFileAccess: true, disableUrlAccess: true })
  const { signed, body } = notice
  try {
    await transport.sendMail({
      from,
      to: parseMailAddress(address),
      subject: subjectOf(JSON.parse(body) as Notice),
      text: wordsOf(JSON.parse(body) as Notice),
      // Nobody should answer a notice with an absence note.
      headers: {
        'auto-submitted': 'auto-generated',
        'webhook-id': signed.id,
        'webhook-timestamp': signed.timestamp,
        'webhook-signature': signed.signature,
      },
      attachments: [{ filename: 'notice.json', contentType: 'application/json', content: body }],
    })
  } catch (cause) {
    const refused = cause instanceof Error && 'responseCode' in cause
    throw new EscrowError(
      refused ? 'NOTICE_REFUSED' : 'NOTICE_UNDELIVERED',
      refused ? 'the mail server refused the notice' : 'the mail server could not be reached',
      { cause },
    )
  } finally {
    transport.close()
  }
}

/** A password goes through TLS or not at all: whoever can strip the offer of STARTTLS from a greeting must not learn it. */
function secrecyFor(url: string): { readonly requireTLS: boolean } {
  return { requireTLS: new URL(url).password !== '' }
}

function subjectOf({ event, report, subject }: Notice): string {
  return `[escrow] ${report ?? event.replaceAll('-', ' ')}: ${subject}`
}

function wordsOf(notice: Notice): string {
  const facts = Object.entries(notice.facts).filter(([, value]) => value !== null)
  return [
    `What happened:  ${notice.event.replaceAll('-', ' ')}`,
    ...(notice.report === null ? [] : [`Report:         ${notice.report}`]),
    `About:          ${notice.subject}`,
    `Agreement:      ${notice.agreement}`,
    `When:           ${notice.at}`,
    ...facts.map(([name, value]) => `${`${name}:`.padEnd(15)} ${String(value)}`),
    '',
    `Notice ${notice.notice} of ${notice.origin}. Please acknowledge it at the service.`,
    'The attachment is the same for machines; docs/formats/notice.md says how to check its signature.',
    '',
  ].join('\n')
}
