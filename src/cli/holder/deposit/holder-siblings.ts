import { signedDocumentBytesMax } from '../../../core/limits.js'
import { openOwnBytes } from '../../../crypto/open-own-bytes.js'
import type { Siblings } from '../../../deposit/match-submodules.js'
import { parseAnnex } from '../../../format/agreement-annex.js'
import type { SignedAgreement } from '../../../format/signed-agreement.js'
import { readNamedFile } from '../../files.js'
import type { PartyFolder } from '../../party/party-folder.js'

/**
 * What a depositor knows of the other sources of its agreement, for matching submodules: their addresses, from the annex. What the archive holds of
 * them only the agent could tell.
 *
 * @param annex - the file; left out: nothing is known.
 * @throws EscrowError `FILE_UNREADABLE`, `ENVELOPE_*`; `AGREEMENT_DIGEST` when it is the annex of another version
 */
export async function siblingsIn(
  annex: string | undefined,
  { agreement, party }: { readonly agreement: SignedAgreement; readonly party: PartyFolder },
): Promise<{ readonly siblings?: Siblings }> {
  if (annex === undefined) return {}
  const sealed = await readNamedFile(annex, signedDocumentBytesMax)
  const { remotes } = parseAnnex(openOwnBytes(sealed, party.identity), agreement.body)
  const urls = new Map(remotes.map(({ source, url }) => [source, url]))
  const known = agreement.body.sources.map(({ source }) => ({ source, url: urls.get(source) ?? null }))
  return { siblings: { list: () => Promise.resolve(known), holds: () => Promise.resolve(null) } }
}
