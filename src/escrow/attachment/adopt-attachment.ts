import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { partBytes } from '../../core/limits.js'
import { PartsDigester, type PartsDigest } from '../../crypto/digest.js'
import { parseHeader, splitEnvelope } from '../../crypto/envelope-header.js'
import { Database } from '../../db/database.js'
import { translateFull, withScratch } from '../../deposit/scratch.js'
import { GrowingFile } from '../../store/growing-file.js'
import type { ObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { requireEvery } from '../../store/replica.js'
import { Agent } from '../agent.js'
import type { AdoptedFile } from '../basis/attachment-keeper.js'
import { CompleteCopies } from '../archive/complete-copies.js'
import { listCopies } from '../archive/copy.table.js'
import { findObject, recordObject } from '../archive/object.table.js'
import { objectDigests, recordPlacement } from '../archive/store-document.js'

const dayMs = 86_400_000

/** An age file that a depositor has sealed. */
export interface FileToAdopt {
  /** Names the digest, and whose it is. */
  readonly key: ObjectKey
  readonly sha256: string
  readonly agreementId: string
  /** Whose try it belongs to. */
  readonly attemptId: string
  /** Attacker-controlled; begun only when the store does not hold it. */
  readonly open: () => AsyncIterable<Uint8Array>
}

/** Stores an age file that its depositor has sealed. Nobody here can open it: that it is one, to one recipient, and bears its digest is all we see. */
@Injectable()
export class AdoptAttachment {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(CompleteCopies) private readonly copies: CompleteCopies,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** What the store holds under a key and will not let go of tomorrow; null when there is no such copy. */
  async held(key: ObjectKey): Promise<AdoptedFile | null> {
    const row = await this.database.query((db) => findObject(db, key))
    if (row === null) return null
    const { objectId, digest: sha256, sizeBytes } = row
    const tomorrow = this.agent.clock.now().getTime() + dayMs
    const copies = await this.database.query((db) => listCopies(db, objectId))
    const good = copies.some((copy) => copy.state === 'present' && copy.retainUntil.getTime() > tomorrow)
    return good ? { objectId, sealed: { sha256, sizeBytes } } : null
  }

  /**
   * Store a file, or lock the one that is there. Idempotent.
   *
   * @throws EscrowError `DIGEST_MISMATCH` when it is not the file of its key; `ENVELOPE_HEADER` when it is no age file; `RECIPIENT_INVALID` when it is
   *   sealed to more than one; `SCRATCH_FULL`, `STORE_*`
   */
  async run(file: FileToAdopt, retainUntil: Date, signal?: AbortSignal): Promise<AdoptedFile> {
    const held = await this.held(file.key)
    if (held !== null) {
      await this.copies.ofAttachments([file.key], retainUntil, signal)
      return held
    }
    return withScratch(this.agent.options.scratch.root, async (folder) => {
      const path = join(folder, 'received.age')
      const digests = await copyTo(path, file.open())
      if (digests.sha256 !== file.sha256)
        throw new EscrowError('DIGEST_MISMATCH', `expected a file with digest ${file.sha256}, got ${digests.sha256}`)
      return this.store(file, { path, digests, retainUntil }, signal)
    })
  }

  private async store(
    { key, agreementId, attemptId }: FileToAdopt,
    { path, digests, retainUntil }: { readonly path: string; readonly digests: PartsDigest; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<AdoptedFile> {
    const object = { key, purpose: 'attachment' as const, agreementId, attemptId, ...objectDigests(digests) }
    const objectId = await this.database.transaction((tx) => recordObject(tx, object))
    const { sha256, sizeBytes } = digests
    const source = { file: GrowingFile.finished(path, sizeBytes), commit: Promise.resolve(digests) }
    const placement = await this.replicas.uploadGrowingFile(key, source, { retainUntil }, signal)
    if (placement.stored.length === 0) requireEvery(placement)
    const storedAt = this.agent.clock.now()
    await this.database.transaction((tx) => recordPlacement(tx, { objectId, placement, nextCheckAt: null, storedAt }))
    return { objectId, sealed: { sha256, sizeBytes } }
  }
}

/** Through scratch: the bytes that are looked at must be the bytes that are stored. */
async function copyTo(path: string, bytes: AsyncIterable<Uint8Array>): Promise<PartsDigest> {
  const digester = new PartsDigester(partBytes)
  const file = await translateFull(open(path, 'wx', 0o600))
  try {
    const { header, payload } = await splitEnvelope(bytes)
    const write = async (block: Uint8Array) => {
      digester.update(block)
      await translateFull(file.writeFile(block))
    }
    try {
      requireOneRecipient(header)
      await write(header)
      for await (const block of payload) await write(block)
    } finally {
      await payload.return?.()
    }
  } finally {
    await file.close()
  }
  return digester.finish()
}

/** To whom it is sealed cannot be seen, but to how many. */
function requireOneRecipient(header: Uint8Array): void {
  const { stanzas } = parseHeader(header)
  if (stanzas.length === 1 && stanzas[0]?.args[0] === 'X25519') return
  throw new EscrowError('RECIPIENT_INVALID', 'expected a file sealed to the vault alone')
}
