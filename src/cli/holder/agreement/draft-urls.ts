import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { parseRemoteUrl } from '../../../git/remote-url.js'
import type { AgreementDraft } from '../../party/agreement-draft.js'

/** What some service may allow: which of these ours does is asked when it registers the agreement. */
const everything = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: true }

/**
 * Refuse what no service would ever fetch, before it is sealed to anybody: the annex goes to every party, and a password in a URL could not be
 * taken back from them.
 *
 * @param path - of the draft, for the message, which never quotes a URL.
 * @throws EscrowError `AGREEMENT_INVALID`
 */
export function requireRemoteUrls(sources: AgreementDraft['sources'], path: string): void {
  for (const { source, url } of sources) {
    if (url === undefined) continue
    try {
      parseRemoteUrl(url, everything)
    } catch (error) {
      if (!isEscrowError(error)) throw error
      throw new EscrowError('AGREEMENT_INVALID', `${path}: the URL of ${source}: ${error.message}`, { cause: error })
    }
  }
}
