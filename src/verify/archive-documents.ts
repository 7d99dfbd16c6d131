import { EscrowError, isEscrowError } from '../core/errors.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import { sha256Hex } from '../crypto/digest.js'
import { parseSignedDocument } from '../crypto/dsse.js'
import type { AgentKeys } from '../escrow/agent-keys.js'
import { manifestKeysOf } from '../escrow/archive/manifest-keys.js'
import type { AgreementAnnex } from '../format/agreement.js'
import { parseAnnex } from '../format/agreement-annex.js'
import type { AgreementId } from '../format/ids.js'
import { Manifest } from '../format/manifest.js'
import { checkReceipt, Receipt } from '../format/receipt.js'
import { openAgreement, partyOf, requireSignatures, type SignedAgreement } from '../format/signed-agreement.js'
import { openDocument, type OpenedDocument } from '../format/signed-document.js'
import { FindingExplanation, ShareAccept, type StatementOf } from '../format/statement.js'
import { objectKeys, type DepositPlace, type ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { faultOfAll, type Replica, type ReplicaFault } from '../store/replica.js'

/** A document with the bytes that were found for it. */
export type Found<T> = T & { readonly bytes: Uint8Array; readonly key: ObjectKey }

/** An agreement's version with what only its parties and the agent know. */
export interface ArchivedAgreement {
  readonly signed: SignedAgreement
  readonly annex: AgreementAnnex
  readonly documents: { readonly agreement: Found<object>; readonly annex: Found<object> }
}

/**
 * Reads documents that no index knows. No replica is believed: a document counts when its signatures, or the digest in something already
 * believed, say that it is the one; the next version and the next replica are tried otherwise.
 */
export class ArchiveDocuments {
  constructor(
    private readonly replicas: ReplicaSet,
    private readonly keys: AgentKeys,
  ) {}

  /** The version that an event names. @throws EscrowError when no replica gives it; see `find` */
  async agreement(agreement: AgreementId, version: number, digest: string, signal?: AbortSignal): Promise<ArchivedAgreement> {
    const document = await this.find(
      objectKeys.agreement(agreement, version),
      (bytes) => {
        const signed = openAgreement(bytes)
        if (signed.digest !== digest) throw new EscrowError('AGREEMENT_DIGEST', `expected the agreement ${digest}, got ${signed.digest}`)
        requireSignatures(signed, { agent: true })
        return { signed }
      },
      signal,
    )
    const { signed } = document
    const sealed = await this.find(
      objectKeys.annex(agreement, version),
      (bytes) => ({ annex: parseAnnex(this.keys.openOwn(bytes), signed.body) }),
      signal,
    )
    return { signed, annex: sealed.annex, documents: { agreement: document, annex: sealed } }
  }

  /** A manifest by the digest that its event names. @throws as `agreement` */
  manifest(key: ObjectKey, digest: string, agreement: SignedAgreement, signal?: AbortSignal): Promise<Found<OpenedDocument<Manifest>>> {
    return this.find(
      key,
      (bytes) => {
        const opened = openDocument(bytes, { schema: Manifest, keys: manifestKeysOf(agreement.body), what: 'manifest' })
        if (opened.digest === digest) return opened
        throw new EscrowError('DIGEST_MISMATCH', `expected the manifest ${digest}, got ${opened.digest}`)
      },
      signal,
    )
  }

  /** A manifest that we have signed for this very place. @returns null when no replica has one */
  unlogged(place: DepositPlace, signal?: AbortSignal): Promise<Found<OpenedDocument<Manifest>> | null> {
    const keys = this.ownKeys
    const open = (bytes: Uint8Array) => {
      const opened = openDocument(bytes, { schema: Manifest, keys, what: 'manifest' })
      const { source, sequence, kind } = opened.body
      if (source === place.source && sequence === place.sequence && kind === place.kind) return opened
      throw new EscrowError('OBJECT_CORRUPT', `expected the manifest of another deposit than ${sequence} of ${source}`)
    }
    return this.orNull(this.find(objectKeys.manifest(place), open, signal))
  }

  /** The receipt of a deposit. @returns null when no replica has a good one: it was not issued yet, and will be. */
  async receipt(
    place: DepositPlace,
    manifest: OpenedDocument<Manifest>,
    signal?: AbortSignal,
  ): Promise<Found<OpenedDocument<Receipt>> | null> {
    const key = objectKeys.receipt(place)
    const keys = this.ownKeys
    const open = (bytes: Uint8Array) => {
      const opened = openDocument(bytes, { schema: Receipt, keys, what: 'receipt' })
      checkReceipt(opened.body, manifest.body, manifest.digest)
      return opened
    }
    return this.orNull(this.find(key, open, signal))
  }

  private get ownKeys() {
    return [{ kind: 'ed25519', publicKey: this.keys.signingKey.publicKey }] as const
  }

  /** Every valid acceptance of a share that is stored beside a version of an agreement. */
  async acceptances(
    agreement: SignedAgreement,
    signal?: AbortSignal,
  ): Promise<readonly Found<OpenedDocument<StatementOf<'share-accept'>>>[]> {
    const { body, digest } = agreement
    const found: Found<OpenedDocument<StatementOf<'share-accept'>>>[] = []
    for (const key of await this.listed(objectKeys.vaultStatement(body.agreement, body.version, 'share-accept-'), signal)) {
      const open = (bytes: Uint8Array) => {
        const keys = (statement: StatementOf<'share-accept'>) => partyOf(body, statement.party).keys
        const opened = openDocument(bytes, { schema: ShareAccept, keys, what: 'share acceptance' })
        if (opened.body.agreement === digest) return opened
        throw new EscrowError('AGREEMENT_DIGEST', 'expected an acceptance under this agreement')
      }
      const one = await this.orNull(this.find(key, open, signal))
      if (one !== null) found.push(one)
    }
    return found
  }

  /** A depositor's explanation by the digest that its event names. @throws as `agreement` */
  explanation(
    key: ObjectKey,
    digest: string,
    agreement: SignedAgreement,
    signal?: AbortSignal,
  ): Promise<Found<OpenedDocument<StatementOf<'finding-explanation'>>>> {
    return this.find(
      key,
      (bytes) => {
        const keys = (statement: StatementOf<'finding-explanation'>) => partyOf(agreement.body, statement.party).keys
        const opened = openDocument(bytes, { schema: FindingExplanation, keys, what: 'explanation' })
        if (opened.digest === digest) return opened
        throw new EscrowError('DIGEST_MISMATCH', `expected the statement ${digest}, got ${opened.digest}`)
      },
      signal,
    )
  }

  /** A statement by the digest that its event names; its signature is verified when it counts. @throws as `agreement` */
  statement(key: ObjectKey, digest: string, signal?: AbortSignal): Promise<Found<object>> {
    return this.find(key, (bytes) => documentOf(bytes, digest), signal)
  }

  /**
   * A statement that is sealed to the agent, by the digest that its event names. Its key tells nothing, so all of them are opened.
   *
   * @throws EscrowError `OBJECT_MISSING` when none is the one; `STORE_*`
   */
  async sealedRecord(agreement: AgreementId, digest: string, signal?: AbortSignal): Promise<Found<object>> {
    for (const key of await this.listed(objectKeys.sealedRecords(agreement), signal)) {
      const found = await this.orNull(this.find(key, (bytes) => documentOf(this.keys.openOwn(bytes), digest), signal))
      if (found !== null) return found
    }
    throw new EscrowError('OBJECT_MISSING', `expected the sealed statement ${digest.slice(0, 16)} at a replica, found it at none`)
  }

  /** Bytes that nothing vouches for: the README. @returns null when no replica has any */
  unsigned(key: ObjectKey, signal?: AbortSignal): Promise<Found<object> | null> {
    return this.orNull(this.find(key, () => ({}), signal))
  }

  /** Keys under a prefix at any replica: one that hides a file does not hide it from us. */
  private async listed(prefix: string, signal?: AbortSignal): Promise<readonly ObjectKey[]> {
    const keys = new Set<ObjectKey>()
    const faults: ReplicaFault[] = []
    for (const { name, store } of this.replicas.replicas) {
      try {
        for await (const object of store.list(prefix, signal)) keys.add(object.key)
      } catch (error) {
        if (!isEscrowError(error)) throw error
        faults.push({ replica: name, error })
      }
    }
    if (faults.length === this.replicas.replicas.length) throw faultOfAll(faults)
    return [...keys].sort()
  }

  /**
   * The first document under a key that passes.
   *
   * @param open - throws an EscrowError when these bytes are not the document.
   * @throws EscrowError one that stands for all replicas
   */
  private async find<T extends object>(key: ObjectKey, open: (bytes: Uint8Array) => T, signal?: AbortSignal): Promise<Found<T>> {
    const faults: ReplicaFault[] = []
    for await (const { replica, read } of this.versions(key, faults, signal)) {
      try {
        const bytes = await read()
        return { ...open(bytes), bytes, key }
      } catch (error) {
        signal?.throwIfAborted()
        if (!isEscrowError(error)) throw error
        const code = error.code.startsWith('STORE_') || error.code === 'OBJECT_MISSING' ? error.code : 'OBJECT_CORRUPT'
        faults.push({ replica, error: new EscrowError(code, `${key}: ${error.message}`, { cause: error }) })
      }
    }
    throw faultOfAll(faults)
  }

  /** Newest versions first at every replica, then the older ones: a bad version may lie over a good one, which is locked. */
  private async *versions(key: ObjectKey, faults: ReplicaFault[], signal?: AbortSignal) {
    for (const replica of this.replicas.replicas) yield { replica: replica.name, read: () => readBounded(replica, key, undefined, signal) }
    for (const replica of this.replicas.replicas) {
      try {
        const [, ...older] = await replica.store.versions(key, signal)
        for (const { versionId } of older) yield { replica: replica.name, read: () => readBounded(replica, key, versionId, signal) }
      } catch (error) {
        if (!isEscrowError(error)) throw error
        faults.push({ replica: replica.name, error })
      }
    }
  }

  private async orNull<T>(found: Promise<T>): Promise<T | null> {
    try {
      return await found
    } catch (error) {
      if (isEscrowError(error, 'OBJECT_MISSING') || isEscrowError(error, 'OBJECT_CORRUPT')) return null
      throw error
    }
  }
}

function documentOf(bytes: Uint8Array, digest: string): object {
  const got = sha256Hex(parseSignedDocument(bytes).payload)
  if (got === digest) return {}
  throw new EscrowError('DIGEST_MISMATCH', `expected the statement ${digest}, got ${got}`)
}

async function readBounded({ store }: Replica, key: ObjectKey, versionId: string | undefined, signal?: AbortSignal): Promise<Uint8Array> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of store.get(key, versionId === undefined ? {} : { versionId }, signal)) {
    sizeBytes += block.length
    if (sizeBytes > signedDocumentBytesMax) throw new EscrowError('OBJECT_CORRUPT', `expected at most ${signedDocumentBytesMax} bytes`)
    blocks.push(block)
  }
  return Buffer.concat(blocks)
}
