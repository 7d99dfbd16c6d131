// The next version of an agreement, as its parties bring it: for stories about amendments.
import { readFileSync } from 'node:fs'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import type { SigningKey } from '../../src/crypto/signature.js'
import { Agreement, AgreementAnnex } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { countersign, digestOf, signDocument } from '../../src/format/signed-document.js'
import { AmendAgreement, type AmendmentStanding } from '../../src/release/amendment/amend-agreement.js'
import type { ReleaseHouse } from './release-house.js'

export interface BroughtVersion {
  readonly body: Agreement
  readonly document: Uint8Array
  readonly annex: Uint8Array
}

/** Depositor, beneficiary, and a quorum of custodians. */
export const everybody = ['vendor', 'partner', 'notary', 'university', 'chamber']

export const keyOf = async (house: ReleaseHouse, party: string): Promise<SigningKey> =>
  (await openPartyFolder(house.template.home.party(party))).signingKey

/**
 * The next version with an annex that fits.
 *
 * @param how.signers - depositor and beneficiary where a test says nothing.
 */
export async function nextVersion(
  house: ReleaseHouse,
  fields: Partial<Agreement>,
  how: { readonly tagSecret?: string; readonly signers?: readonly SigningKey[] } = {},
): Promise<BroughtVersion> {
  const { home } = house.template
  const { identity } = await openPartyFolder(home.party('vendor'))
  const before = AgreementAnnex.parse(
    JSON.parse(Buffer.from(openBytes(readFileSync(home.at('agreement', 'annex.age')), identity)).toString()),
  )
  const body = Agreement.parse({ ...house.agreement.body, version: 2, previous: house.agreement.digest, ...fields })
  const recipients = body.parties.flatMap(({ recipient }) => (recipient === null ? [] : [recipient]))
  const { tagSecret } = { tagSecret: before.tagSecret, ...how }
  const annex = sealBytes(canonicalize({ ...before, version: body.version, tagSecret }), recipients, new SystemEntropy())
  const [first, ...rest] = how.signers ?? [await keyOf(house, 'vendor'), await keyOf(house, 'partner')]
  const document = rest.reduce(countersign, signDocument({ body, schema: Agreement, key: first! }))
  return { body, document, annex }
}

/** Bring a version with the consent of some parties. */
export async function amend(
  house: ReleaseHouse,
  next: BroughtVersion,
  parties: readonly string[],
  how: Parameters<ReleaseHouse['sign']>[3] = {},
): Promise<AmendmentStanding> {
  const matter = { next: digestOf(next.body), nextVersion: 2, reason: 'Agreed.' }
  const statements = await Promise.all(parties.map((party) => house.sign('agreement-amendment', party, matter, how)))
  return house.app.get(AmendAgreement).run({ ...next, statements, credentialFiles: new Map() })
}
