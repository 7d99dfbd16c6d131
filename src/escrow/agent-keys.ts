import { openOwnBytes } from '../crypto/open-own-bytes.js'
import { identityToRecipient } from '../crypto/recipient.js'
import { signingKeyFromSeed, type SigningKey } from '../crypto/signature.js'
import { knownObjectsKeyOf, type KnownObjectsKey } from '../format/known-objects.js'
import { parseIdentityFile, parseSecretFile, parseSigningKeyFile } from '../format/key-file.js'

/** The texts of the agent's key files, as `config/` reads them. Secret. */
export interface AgentKeyTexts {
  readonly signing: string
  readonly identity: string
  readonly knownObjects: string
  readonly log: string
}

/**
 * The agent's own keys (docs/THREAT_MODEL.md says what a thief could do with each). None of them opens a deposit: the identity is a
 * recipient of inventories and annexes only.
 */
export class AgentKeys {
  /** Signs manifests and receipts. */
  readonly signingKey: SigningKey
  /** Signs checkpoints. */
  readonly logKey: SigningKey
  /** What inventories and annexes are sealed to, beside the parties. */
  readonly recipient: string
  readonly #identity: string
  readonly #knownObjectsSecret: Uint8Array

  /** @throws EscrowError `KEY_INVALID` */
  constructor(texts: AgentKeyTexts) {
    this.signingKey = signingKeyFromSeed(parseSigningKeyFile(texts.signing))
    this.logKey = signingKeyFromSeed(parseSigningKeyFile(texts.log))
    this.#identity = parseIdentityFile(texts.identity)
    this.recipient = identityToRecipient(this.#identity)
    this.#knownObjectsSecret = parseSecretFile(texts.knownObjects)
  }

  /**
   * The plaintext of an inventory or annex that was sealed to the agent too.
   *
   * @throws EscrowError `ENVELOPE_RECIPIENT`, `ENVELOPE_HEADER`, `ENVELOPE_PAYLOAD`
   */
  openOwn(envelope: Uint8Array): Uint8Array {
    return openOwnBytes(envelope, this.#identity)
  }

  /** The key with which the known objects of one source are recognised. One secret file serves all sources. */
  knownObjectsKey(agreement: string, source: string): KnownObjectsKey {
    return knownObjectsKeyOf(this.#knownObjectsSecret, agreement, source)
  }
}
