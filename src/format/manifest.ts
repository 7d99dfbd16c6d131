import { z } from 'zod'
import { archivedCommitsMax, archivedParentsMax, innerTagsMax, lfsListedMax, partsMax } from '../core/limits.js'
import { DepositMode } from './agreement.js'
import { InventoryAttachment } from './attachment.js'
import { Contents } from './contents.js'
import { AgeRecipient, Instant, Oid, SafeCount, Sha256Hex, Slug } from './ids.js'

export const DepositKind = z.enum(['full', 'incremental'])
export type DepositKind = z.infer<typeof DepositKind>

/** `pass`: nothing to explain. `fail`: a claim about the deposit. `error`: our own fault, no claim. */
export const Outcome = z.enum(['pass', 'fail', 'error'])
export type Outcome = z.infer<typeof Outcome>

/** `blocking` deposits are stored, but `open` passes over them by default until the depositor explains. */
export const Severity = z.enum(['info', 'warning', 'blocking'])
export type Severity = z.infer<typeof Severity>

export const FindingCode = z.enum([
  'REFS_REWRITTEN',
  'REF_DELETED',
  'REFS_SHRUNK',
  'PACK_SHRUNK',
  'REMOTE_VANISHED',
  'REPOSITORY_EMPTY',
  'HEAD_CHANGED',
  'FSCK_MESSAGE',
  'PACK_NOT_CHECKED',
  'KNOWN_OBJECTS_LOST',
  'CHAIN_RESTARTED',
  'EPOCH_EXPOSED',
  'STATEMENT_DIFFERS',
  'LFS_POINTER',
  'LFS_OBJECT_MISSING',
  'ATTACHMENT_OUTDATED',
  'SUBMODULE_UNMATCHED',
  'SUBMODULE_COMMIT_MISSING',
  'HEAD_MISSING',
  'BUILD_RECIPE_MISSING',
  'DOCUMENTATION_MISSING',
  'LOCKFILE_MISSING',
  'DEPENDENCIES_UNPINNED',
  'LICENCE_MISSING',
  'SBOM_MISSING',
  'BINARY_WITHOUT_SOURCE',
  'CONTENTS_CUT',
  'SCRATCH_ON_DISK',
])
export type FindingCode = z.infer<typeof FindingCode>

/** A finding in the clear: a code and how often, never a name. */
export const FindingCount = z.strictObject({ code: FindingCode, severity: Severity, count: SafeCount })
/** A finding in full, for the sealed inventory. */
export const Finding = z.strictObject({
  code: FindingCode,
  severity: Severity,
  subject: z.string().max(4096),
  detail: z.string().max(4096),
})
export type Finding = z.infer<typeof Finding>

const SealedFile = z.strictObject({
  /** The object key below the deposit's folder. */
  key: z.string().max(300),
  sha256: Sha256Hex,
  sizeBytes: SafeCount,
})

/** What a deposit contains, in the clear: digests, sizes and counts. DESIGN section 4, "Manifest". */
export const Manifest = z.strictObject({
  type: z.literal('escrow/manifest/v1'),
  agreement: Sha256Hex,
  source: Slug,
  sequence: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  kind: DepositKind,
  mode: DepositMode,
  previous: Sha256Hex.nullable(),
  base: z.number().int().min(1),
  takenAt: Instant,
  objectFormat: z.enum(['sha1', 'sha256']),
  /** SHA-256 over the ref listing as docs/formats/manifest.md defines it. */
  refsDigest: Sha256Hex,
  refCount: SafeCount,
  bundle: z.strictObject({ sha256: Sha256Hex, sizeBytes: SafeCount, packChecksum: Oid, objectCount: SafeCount }),
  envelope: SealedFile.extend({
    partBytes: SafeCount,
    partSha256: z.array(Sha256Hex).min(1).max(partsMax),
    recipient: AgeRecipient,
    epoch: z.number().int().min(1),
  }),
  inventory: SealedFile,
  knownObjects: SealedFile,
  /** Keys are `attachments/<sha256>.age` below the folder of the source: deposits may name the same one. */
  attachments: z.array(SealedFile).max(100_000),
  findings: z.array(FindingCount).max(100),
  outcome: Outcome,
  /** Names and versions of what made it: `git`, `node`, `reduit`. */
  tools: z.record(z.string().max(40), z.string().max(100)),
})
export type Manifest = z.infer<typeof Manifest>

export const ObjectType = z.enum(['commit', 'tree', 'blob', 'tag'])
export type ObjectType = z.infer<typeof ObjectType>

export const InventoryRef = z.strictObject({
  name: z.string().min(1).max(4096),
  oid: Oid,
  /** Left out when this deposit did not carry the object and the one before did not name it: a new lightweight tag on an old commit, say. */
  type: ObjectType.optional(),
  peeled: Oid.optional(),
  peeledType: ObjectType.optional(),
  symref: z.string().max(4096).optional(),
})
export type InventoryRef = z.infer<typeof InventoryRef>

export const InventoryHead = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('branch'), ref: z.string().max(4096), oid: Oid.nullable() }),
  z.strictObject({ kind: z.literal('detached'), oid: Oid }),
  z.strictObject({ kind: z.literal('none') }),
])

/** `<commit>`, then ` <parent>` for each. */
const CommitLine = z
  .string()
  .max(65 * (archivedParentsMax + 1))
  .regex(/^[0-9a-f]{40,64}(?: [0-9a-f]{40,64})*$/, 'expected ids of a commit and its parents')

/** A submodule of HEAD, and what was known of it when the deposit was taken. */
export const InventorySubmodule = z.strictObject({
  path: z.string().max(4096),
  /** As .gitmodules has it; empty when that names none. */
  url: z.string().max(2048),
  /** The pinned commit. */
  commit: Oid,
  /** The source of the agreement that it is; left out when none is, or nobody knew the sources. */
  source: Slug.optional(),
  /** Whether the archive held the pinned commit; left out when nobody could tell. */
  held: z.boolean().optional(),
})
export type InventorySubmodule = z.infer<typeof InventorySubmodule>

/** What is in a deposit, by name: sealed to the vault, to the parties that may see names and, in pull and push mode, to the agent. */
export const Inventory = z.strictObject({
  type: z.literal('escrow/inventory/v1'),
  agreement: Sha256Hex,
  source: Slug,
  sequence: z.number().int().min(1),
  url: z.string().max(2048),
  objectFormat: z.enum(['sha1', 'sha256']),
  refs: z.array(InventoryRef).max(500_000),
  head: InventoryHead,
  /** Commits that the bundle names as prerequisites. */
  prerequisites: z.array(Oid),
  /** What we told the remote that the archive holds. */
  haves: z.array(Oid),
  findings: z.array(Finding).max(10_000),
  lfs: z.array(z.strictObject({ path: z.string().max(4096), oid: Sha256Hex, sizeBytes: SafeCount })),
  submodules: z.array(InventorySubmodule),
  largestFiles: z.array(z.strictObject({ path: z.string().max(4096), sizeBytes: SafeCount })).max(100),
  buildRecipes: z.array(z.string().max(4096)).max(1000),
  licences: z.array(z.string().max(4096)).max(1000),
  /** For the check list (docs/COMPLETENESS.md); left out by software that did not know it. */
  contents: Contents.optional(),
  /** Push mode: commits of this deposit's pack, each with its parents. Nobody can be asked later whether a branch only moved forward. */
  commits: z.array(CommitLine).max(archivedCommitsMax).optional(),
  /** Push mode: tags of the chain that no ref names. Nobody can be asked later what they point to. */
  innerTags: z
    .array(z.strictObject({ oid: Oid, peeled: Oid, peeledType: ObjectType.optional() }))
    .max(innerTagsMax)
    .optional(),
  /** What the manifest's attachments are, each by the digest of its age file. */
  attachments: z.array(InventoryAttachment).max(100_000).optional(),
  /** The LFS server that `.lfsconfig` of HEAD names, as written. */
  lfsUrl: z.string().max(2048).optional(),
  /** LFS objects that pointers of the chain stand for and that were not to be had. */
  lfsMissing: z
    .array(z.strictObject({ oid: Sha256Hex, sizeBytes: SafeCount }))
    .max(lfsListedMax)
    .optional(),
})
export type Inventory = z.infer<typeof Inventory>
