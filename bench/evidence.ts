/**
 * Verifying a whole folder of evidence, as an auditor does: `escrow verify` over so many deposits with their manifests, receipts, events and
 * proofs, each receipt under a checkpoint of its own, against bare Ed25519 over as many messages. The agreement is real; deposits and log are
 * made up here, without accounts of due times and without witnesses.
 *
 * Run: `node dist/bench/evidence.js [count]`.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runEscrow } from '../src/cli/program.js'
import { monotonicMs } from '../src/core/environment.js'
import { encodeBase64 } from '../src/crypto/base64.js'
import { sha256, sha256Hex } from '../src/crypto/digest.js'
import { verifySignature, type SigningKey } from '../src/crypto/signature.js'
import { evidenceKeys, evidenceNames, evidenceReadme, proofName } from '../src/evidence/evidence-files.js'
import { reportEdition } from '../src/evidence/render-report.js'
import { readVerifierPage } from '../src/evidence/verifier-page.js'
import { canonicalize } from '../src/format/canonical-json.js'
import { signCheckpoint } from '../src/format/checkpoint.js'
import { EvidenceIndex, formatSums } from '../src/format/evidence.js'
import { depositIdOf } from '../src/format/ids.js'
import { formatListedLeaf } from '../src/format/leaf-list.js'
import { eventDigest, formatLogEntry } from '../src/format/log-entry.js'
import { Manifest } from '../src/format/manifest.js'
import { leafHash } from '../src/format/merkle.js'
import { formatProof } from '../src/format/proof.js'
import { Receipt } from '../src/format/receipt.js'
import { epochOf, type SignedAgreement } from '../src/format/signed-agreement.js'
import { digestOf, signDocument } from '../src/format/signed-document.js'
import { proveInclusion } from '../src/format/tile-proof.js'
import { tilePath } from '../src/format/tile.js'
import { TreeEdge } from '../src/format/tree-edge.js'
import { objectKeys, type DepositPlace } from '../src/store/object-key.js'
import { BenchHome } from './home.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const thousands = (value: number) => Math.round(value).toLocaleString('en')

/** Make a folder, verify it in this process. @returns seconds. */
export async function benchEvidence(print: (line: string) => void, count = 10_000): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'escrow-bench-evidence-'))
  try {
    const home = await BenchHome.arm(folder, { url: folder })
    const { agreement, signingKey, logKey } = await home.signers()
    const out = join(folder, 'evidence')
    await cp(home.documents, join(out, 'agreements'), { recursive: true, filter: (path) => !path.includes('.versions') })
    const evidence = new MadeEvidence(out, agreement, { signingKey, logKey })
    await evidence.make(count)
    const [startedMs, startedCpu] = [monotonicMs(), process.cpuUsage()]
    const said: string[] = []
    const say = (line: string) => void said.push(line)
    const terminal = { out: say, err: say, redraw: () => undefined, interactive: false }
    const argv = ['--json', 'verify', out, '--agreement', home.agreementFile]
    const exitCode = await runEscrow(argv, terminal, new AbortController().signal)
    const seconds = (monotonicMs() - startedMs) / 1000
    const { user, system } = process.cpuUsage(startedCpu)
    // The report is not made here, so that nothing but it may be amiss.
    const { problems, receipts } = JSON.parse(said.join('\n')) as { problems: { code: string; where: string }[]; receipts: number }
    if (exitCode !== 3 || receipts !== count || problems.length !== 1 || problems[0]?.where !== evidenceNames.report)
      throw new Error(`the evidence that was made is not good: ${said.join('\n').slice(0, 2000)}`)
    const plain = plainSeconds(signingKey, count)
    print(
      `evidence         ${thousands(count)} receipts with manifests, events and proofs verified in ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processor time (target: seconds); ${(seconds / plain).toFixed(1)} x one bare Ed25519 each (${plain.toFixed(1)} s), three are needed`,
    )
    return seconds
  } finally {
    await rm(folder, { recursive: true })
  }
}

function plainSeconds(key: SigningKey, count: number): number {
  const message = Buffer.alloc(1500, 1)
  const signature = key.sign(message)
  const startedMs = monotonicMs()
  for (let done = 0; done < count; done += 1) verifySignature({ publicKey: key.publicKey, message, signature })
  return (monotonicMs() - startedMs) / 1000
}

class MadeEvidence {
  private readonly digests = new Map<string, string>()

  constructor(
    private readonly folder: string,
    private readonly agreement: SignedAgreement,
    private readonly keys: { readonly signingKey: SigningKey; readonly logKey: SigningKey },
  ) {}

  async make(count: number): Promise<void> {
    const { body, digest } = this.agreement
    const collectedAt = body.createdAt
    const tag = sha256(Buffer.from('tag'))
    const origin = body.log.origin
    const edge = new TreeEdge()
    const tiles = new Map<string, Uint8Array>()
    const deposits = []
    let before: { manifest: string; leaf: string } | null = null
    for (let sequence = 1; sequence <= count; sequence += 1) {
      const place: DepositPlace = { agreement: body.agreement, source: 'product', sequence, kind: 'full' }
      const manifest = manifestOf(this.agreement, sequence, before?.manifest ?? null)
      const manifestDigest = digestOf(manifest)
      const event = eventOf(place, manifestDigest, before?.leaf ?? null, collectedAt)
      const salt = sha256(Buffer.from(`salt ${sequence}`))
      const entry = { tag, digest: eventDigest(salt, canonicalize(event)) }
      const leaf = leafHash(formatLogEntry(entry))
      for (const { tile, bytes } of edge.append(leaf)) tiles.set(tilePath(tile), bytes)
      before = { manifest: manifestDigest, leaf: hex(leaf) }
      deposits.push({ place, manifest, manifestDigest, event, salt, entry, leaf: hex(leaf), root: edge.root() })
    }
    for (const { tile, bytes } of edge.partialTiles()) tiles.set(tilePath(tile), bytes)
    const read = async (tile: Parameters<typeof tilePath>[0]) => tiles.get(tilePath(tile)) ?? new Uint8Array(0)
    const checkpoint = signCheckpoint({ origin, size: count, root: edge.root() }, this.keys.logKey)
    for (const [index, one] of deposits.entries()) {
      await this.write(objectKeys.manifest(one.place), signDocument({ body: one.manifest, schema: Manifest, key: this.keys.signingKey }))
      await this.write(objectKeys.event(one.leaf), canonicalize({ type: 'escrow/event-record/v1', salt: hex(one.salt), event: one.event }))
      const own = signCheckpoint({ origin, size: index + 1, root: one.root }, this.keys.logKey)
      const proof = formatProof({ index, hashes: await proveInclusion(index, index + 1, read, count), checkpoint: own })
      const log = { origin, index, leafHash: one.leaf, tag: hex(tag), salt: hex(one.salt), event: one.event, proof, cosignatures: 0 }
      const first = { type: 'escrow/receipt/v1' as const, origin: body.origin, agreementId: body.agreement, agreement: digest }
      const about = { source: 'product', sequence: index + 1, manifest: one.manifestDigest, envelope: one.manifest.envelope.sha256 }
      const receipt: Receipt = { ...first, ...about, issuedAt: collectedAt, log }
      await this.write(objectKeys.receipt(one.place), signDocument({ body: receipt, schema: Receipt, key: this.keys.signingKey }))
      const hashes = await proveInclusion(index, count, read)
      await this.write(proofName(one.leaf), Buffer.from(formatProof({ index, hashes, checkpoint })))
    }
    await this.write(evidenceNames.checkpoint, checkpoint)
    await this.write(evidenceNames.leaves, Buffer.concat(deposits.map(({ entry }) => formatListedLeaf(entry))))
    await this.seal({ size: count, root: edge.root(), collectedAt })
  }

  private async seal(log: { readonly size: number; readonly root: Uint8Array; readonly collectedAt: string }): Promise<void> {
    const { body, digest } = this.agreement
    await this.write(evidenceNames.keys, evidenceKeys(this.agreement))
    await this.write(evidenceNames.readme, evidenceReadme(this.agreement))
    await this.write(evidenceNames.verifier, await readVerifierPage())
    await this.write(evidenceNames.report, Buffer.from('not made'))
    for (const { version, name } of await this.copied()) this.digests.set(name, version)
    const sums = Buffer.from(formatSums(this.digests))
    const files = this.digests.size
    await this.write(evidenceNames.sums, sums)
    const index: EvidenceIndex = {
      type: 'escrow/evidence/v1',
      origin: body.origin,
      agreementId: body.agreement,
      agreement: digest,
      collectedAt: log.collectedAt,
      log: { origin: body.log.origin, size: log.size, root: encodeBase64(log.root) },
      files,
      sums: sha256Hex(sums),
      madeBy: 'bench',
      reportEdition,
    }
    await this.write(evidenceNames.index, signDocument({ body: index, schema: EvidenceIndex, key: this.keys.signingKey }))
  }

  /** The real documents of the agreement, with their digests. */
  private async copied(): Promise<readonly { readonly name: string; readonly version: string }[]> {
    const entries = await readdir(join(this.folder, 'agreements'), { recursive: true, withFileTypes: true })
    const found: { name: string; version: string }[] = []
    for (const entry of entries) {
      const name = join(entry.parentPath, entry.name).slice(this.folder.length + 1)
      if (!entry.isFile() || this.digests.has(name)) continue
      found.push({ name, version: sha256Hex(await readFile(join(this.folder, name))) })
    }
    return found
  }

  private async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
    this.digests.set(name, sha256Hex(bytes))
  }
}

function manifestOf({ body, digest }: SignedAgreement, sequence: number, previous: string | null): Manifest {
  const sealed = (name: string) => ({ key: name, sha256: sha256Hex(Buffer.from(`${name} ${sequence}`)), sizeBytes: 1000 })
  const envelope = sealed('attempt.bundle.age')
  return {
    type: 'escrow/manifest/v1',
    agreement: digest,
    source: 'product',
    sequence,
    kind: 'full',
    mode: 'pull',
    previous,
    base: sequence,
    takenAt: body.createdAt,
    objectFormat: 'sha1',
    refsDigest: 'a'.repeat(64),
    refCount: 10,
    bundle: { sha256: 'b'.repeat(64), sizeBytes: 900, packChecksum: 'c'.repeat(40), objectCount: 5 },
    envelope: { ...envelope, partBytes: 8 << 20, partSha256: [envelope.sha256], recipient: epochOf(body, 1).recipient, epoch: 1 },
    inventory: sealed('attempt.inventory.age'),
    knownObjects: sealed('attempt.known-objects'),
    attachments: [],
    findings: [],
    outcome: 'pass',
    tools: { reduit: 'bench' },
  }
}

function eventOf(place: DepositPlace, manifest: string, previous: string | null, at: string) {
  const { agreement, source, sequence, kind } = place
  return {
    type: 'escrow/event/deposit-stored/v1' as const,
    agreement,
    subject: source,
    chain: { number: sequence, previous },
    at,
    dueAt: null,
    source,
    sequence,
    kind,
    deposit: depositIdOf(manifest),
    manifest,
    manifestKey: objectKeys.manifest(place),
    retainUntil: '2099-01-01T00:00:00.000Z',
    replicas: ['a', 'b'],
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await benchEvidence((line) => void process.stdout.write(`${line}\n`), Number(process.argv[2] ?? 10_000))
}
