import { EscrowError } from '../../core/errors.js'
import { openAgreement, type SignedAgreement } from '../../format/signed-agreement.js'
import { ServiceHttp, type ServiceAddress } from './service-http.js'

/**
 * The version of an agreement that has a digest: the one at hand, or an older one as the service gives it.
 *
 * Each version names the digest of the one before it. Who trusts the one at hand therefore trusts all before it, whoever hands them over.
 *
 * @param newest - trusted by the caller.
 * @param digest - attacker-controlled.
 * @throws EscrowError `AGREEMENT_DIGEST` when no version up to `newest` has it, or the service gives another document; `SERVICE_*`; what the
 *   service refuses with
 */
export async function fetchVersion(
  service: ServiceAddress,
  { newest, digest }: { readonly newest: SignedAgreement; readonly digest: string },
  signal: AbortSignal,
): Promise<SignedAgreement> {
  const http = new ServiceHttp(service, signal)
  let signed = newest
  while (signed.digest !== digest) {
    if (signed.body.previous === null) throw unknown(newest, digest)
    signed = await before(http, signed)
  }
  return signed
}

async function before(http: ServiceHttp, { body: { agreement, version, previous } }: SignedAgreement): Promise<SignedAgreement> {
  const older = openAgreement(await http.document(`/v1/agreements/${agreement}/versions/${version - 1}/document`))
  // The number goes down with each step: a chain has an end.
  if (older.digest === previous && older.body.version === version - 1) return older
  throw new EscrowError('AGREEMENT_DIGEST', `expected version ${version - 1} of ${agreement} to be ${previous}, got ${older.digest}`)
}

function unknown({ body: { agreement, version } }: SignedAgreement, digest: string): EscrowError {
  return new EscrowError('AGREEMENT_DIGEST', `expected a version of ${agreement} up to ${version}, got ${digest}`)
}
