/**
 * Verifying many receipts, as whoever gets a folder of evidence does: signature, event, leaf, inclusion proof, checkpoint and cosignature of
 * each, against bare Ed25519 over the same number of messages.
 *
 * Run: `node dist/bench/receipts.js [count]`.
 */
import { fileURLToPath } from 'node:url'
import { SystemEntropy, monotonicMs } from '../src/core/environment.js'
import { sha256, sha256Hex } from '../src/crypto/digest.js'
import { signingKeyFromSeed, verifySignature } from '../src/crypto/signature.js'
import type { Agreement } from '../src/format/agreement.js'
import { canonicalize } from '../src/format/canonical-json.js'
import { formatCheckpointText, signCheckpoint } from '../src/format/checkpoint.js'
import { cosign } from '../src/format/cosignature.js'
import { depositIdOf, newId } from '../src/format/ids.js'
import { eventDigest, formatLogEntry } from '../src/format/log-entry.js'
import { leafHash } from '../src/format/merkle.js'
import { formatNote, formatNoteKey, noteKey, parseNote, signatureType } from '../src/format/note.js'
import { formatProof } from '../src/format/proof.js'
import { Receipt } from '../src/format/receipt.js'
import type { SignedAgreement } from '../src/format/signed-agreement.js'
import { signDocument } from '../src/format/signed-document.js'
import { tilePath } from '../src/format/tile.js'
import { proveInclusion } from '../src/format/tile-proof.js'
import { TreeEdge } from '../src/format/tree-edge.js'
import { verifyReceipt } from '../src/format/verify-receipt.js'

const origin = 'bench.example/1'
const at = '2026-11-22T02:00:00.000Z'
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const thousands = (value: number) => Math.round(value).toLocaleString('en')

/** Make receipts for so many deposits in one log, then verify them all. @returns receipts a second. */
export async function benchReceipts(print: (line: string) => void, count = 10_000): Promise<number> {
  const { receipts, agreement } = await makeReceipts(count)
  let startedMs = monotonicMs()
  for (const bytes of receipts) {
    const verified = verifyReceipt(bytes, agreement)
    if (verified.degraded) throw new Error('the receipts that were made are not good')
  }
  const seconds = (monotonicMs() - startedMs) / 1000
  const key = signingKeyFromSeed(sha256(Buffer.from('plain')))
  const signature = key.sign(receipts[0] ?? new Uint8Array(0))
  startedMs = monotonicMs()
  for (let done = 0; done < count; done += 1)
    verifySignature({ publicKey: key.publicKey, message: receipts[0] ?? new Uint8Array(0), signature })
  const plainSeconds = (monotonicMs() - startedMs) / 1000
  print(
    `receipts         ${thousands(count)} verified in ${seconds.toFixed(1)} s (target: seconds); ${(seconds / plainSeconds).toFixed(1)} x one bare Ed25519 each (${plainSeconds.toFixed(1)} s), three are needed`,
  )
  return count / seconds
}

async function makeReceipts(count: number): Promise<{ readonly receipts: readonly Uint8Array[]; readonly agreement: SignedAgreement }> {
  const entropy = new SystemEntropy()
  const [agent, log, witness] = ['agent', 'log', 'witness'].map((name) => signingKeyFromSeed(sha256(Buffer.from(name))))
  if (agent === undefined || log === undefined || witness === undefined) throw new Error('three keys')
  const agreementId = newId('agr', entropy)
  const body = {
    agreement: agreementId,
    origin,
    parties: [{ party: 'agent', role: 'agent', keys: [{ kind: 'ed25519', publicKey: agent.publicKey }] }],
    log: {
      origin,
      key: formatNoteKey(noteKey(origin, signatureType.ed25519, log.publicKey)),
      witnessQuorum: 1,
      witnesses: [formatNoteKey(noteKey('witness', signatureType.cosignature, witness.publicKey))],
    },
  } as unknown as Agreement
  const digest = sha256Hex(canonicalize(body))
  const tag = sha256(Buffer.from('tag'))
  const events = Array.from({ length: count }, (_, place) => {
    const manifest = sha256Hex(Buffer.from(`manifest ${place}`))
    const chain = { number: place + 1, previous: place === 0 ? null : sha256Hex(Buffer.from(`leaf ${place}`)) }
    const event = {
      type: 'escrow/event/deposit-stored/v1' as const,
      agreement: agreementId,
      subject: 'core',
      chain,
      at,
      dueAt: at,
      source: 'core',
      sequence: place + 1,
      kind: 'full' as const,
      deposit: depositIdOf(manifest),
      manifest,
      manifestKey: `agreements/${agreementId}/sources/core/${String(place + 1).padStart(10, '0')}-full/manifest.json`,
      retainUntil: at,
      replicas: ['north', 'south'],
    }
    const salt = sha256(Buffer.from(`salt ${place}`))
    return { event, salt, hash: leafHash(formatLogEntry({ tag, digest: eventDigest(salt, canonicalize(event)) })) }
  })
  const tiles = new Map<string, Uint8Array>()
  const edge = new TreeEdge()
  for (const { hash } of events) for (const { tile, bytes } of edge.append(hash)) tiles.set(tilePath(tile), bytes)
  for (const { tile, bytes } of edge.partialTiles()) tiles.set(tilePath(tile), bytes)
  const checkpoint = { origin, size: count, root: edge.root() }
  const note = parseNote(signCheckpoint(checkpoint, log))
  const cosigned = formatNote({
    ...note,
    signatures: [...note.signatures, cosign(formatCheckpointText(checkpoint), 'witness', witness, 1_795_000_000)],
  })
  const receipts: Uint8Array[] = []
  for (const [index, { event, salt, hash }] of events.entries()) {
    const hashes = await proveInclusion(index, count, async (tile) => tiles.get(tilePath(tile)) ?? new Uint8Array(0))
    const proof = formatProof({ index, hashes, checkpoint: cosigned })
    const logged = { origin, index, leafHash: hex(hash), tag: hex(tag), salt: hex(salt), event, proof, cosignatures: 1 }
    const first = { type: 'escrow/receipt/v1' as const, origin, agreementId, agreement: digest, source: 'core', sequence: index + 1 }
    const receipt: Receipt = { ...first, manifest: event.manifest, envelope: event.manifest, issuedAt: at, log: logged }
    receipts.push(signDocument({ body: receipt, schema: Receipt, key: agent }))
  }
  return { receipts, agreement: { body, digest, bytes: new Uint8Array(0), signedBy: ['agent'] } }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await benchReceipts((line) => void process.stdout.write(`${line}\n`), Number(process.argv[2] ?? 10_000))
}
