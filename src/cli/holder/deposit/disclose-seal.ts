import { join } from 'node:path'
import { SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import type { SealSecrets } from '../../../deposit/deposit-request.js'
import type { Manifest } from '../../../format/manifest.js'
import { encodeSealDisclosure } from '../../../format/seal-disclosure.js'
import { digestOf } from '../../../format/signed-document.js'
import { writeNamedFile } from '../../files.js'
import { readPartyCard } from '../../party/party-folder.js'

/** Holds the secrets of a seal while a deposit is made, and gives them to one verifier. */
export class SealDiscloser {
  private held: SealSecrets | null = null

  private constructor(
    private readonly recipient: string,
    private readonly state: string,
  ) {}

  /** For the verifier of a card. @throws EscrowError `ARGUMENT_INVALID` when the card has no recipient; `FORMAT_INVALID`, `FILE_UNREADABLE` */
  static async open(card: string, state: string): Promise<SealDiscloser> {
    const { recipient, party } = await readPartyCard(card)
    if (recipient === null) throw new EscrowError('ARGUMENT_INVALID', `expected a verifier with an age recipient, ${party} has none`)
    return new SealDiscloser(recipient, state)
  }

  /** Keep these in the place of earlier ones: an attempt may begin again. */
  hold(secrets: SealSecrets): void {
    this.wipe()
    this.held = secrets
  }

  /** Write what was held, sealed to the verifier, and wipe it. @returns the file, named after the manifest. */
  async disclose(manifest: Manifest): Promise<string> {
    const digest = digestOf(manifest)
    const path = join(this.state, 'disclosed', `${digest}.age`)
    const { fileKey, ephemeralScalar } = this.held ?? { fileKey: new Uint8Array(), ephemeralScalar: new Uint8Array() }
    const { source, sequence } = manifest
    const secrets = { fileKey: Buffer.from(fileKey).toString('hex'), ephemeralScalar: Buffer.from(ephemeralScalar).toString('hex') }
    const plain = encodeSealDisclosure({ type: 'escrow/seal-disclosure/v1', source, sequence, manifest: digest, ...secrets })
    await writeNamedFile(path, sealBytes(plain, [this.recipient], new SystemEntropy()), { secret: true })
    plain.fill(0)
    this.wipe()
    return path
  }

  /** Overwrite what is held; idempotent. */
  wipe(): void {
    this.held?.fileKey.fill(0)
    this.held?.ephemeralScalar.fill(0)
    this.held = null
  }
}
