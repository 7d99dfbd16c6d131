// Which versions of agreements a party's own client will sign under. A version is added by that party's own signature and by nothing else.
import { join } from 'node:path'
import { z } from 'zod'
import { EscrowError } from '../../core/errors.js'
import { documentBytesMax } from '../../core/limits.js'
import { AgreementId, Sha256Hex } from '../../format/ids.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import { exists, readNamedFile, writeNamedFile } from '../files.js'
import { parseJson } from './party-folder.js'

const name = 'pinned.json'
const Pins = z.record(AgreementId, z.array(Sha256Hex).min(1))
type Pins = z.infer<typeof Pins>

/** Remember that a party has signed for a version. Idempotent. @param folder - the party's keys. @throws EscrowError `FORMAT_INVALID` */
export async function pinAgreement(
  folder: string,
  { agreement, digest }: { readonly agreement: AgreementId; readonly digest: string },
): Promise<void> {
  const pins = await readPins(folder)
  const known = pins[agreement] ?? []
  if (known.includes(digest)) return
  await writeNamedFile(join(folder, name), `${JSON.stringify({ ...pins, [agreement]: [...known, digest] }, undefined, 2)}\n`)
}

/**
 * Refuse a version that this party has never signed for, where it has signed for another one.
 *
 * @throws EscrowError `AGREEMENT_DIGEST`: whoever hands over another version shows different agreements to different parties
 */
export async function requirePinned(folder: string, { body, digest }: SignedAgreement): Promise<void> {
  const known = (await readPins(folder))[body.agreement]
  if (known === undefined || known.includes(digest)) return
  throw new EscrowError(
    'AGREEMENT_DIGEST',
    `expected a version of ${body.agreement} that you have signed for, ${known.at(-1) ?? ''}, got version ${body.version}, ${digest}`,
  )
}

async function readPins(folder: string): Promise<Pins> {
  const path = join(folder, name)
  if (!(await exists(path))) return {}
  const parsed = Pins.safeParse(parseJson((await readNamedFile(path, documentBytesMax)).toString('utf8'), path))
  if (parsed.success) return parsed.data
  throw new EscrowError('FORMAT_INVALID', `${path}: expected agreements with the digests that were signed for`)
}
