// What an inventory keeps of HEAD's files for the check list of docs/COMPLETENESS.md: names, and what a few small files say. An incremental
// carries only folders that changed, so these lists travel from inventory to inventory.
import { z } from 'zod'
import { binariesListedMax, dependencyFilesMax, recipesListedMax } from '../core/limits.js'
import { SafeCount } from './ids.js'

/** Whose dependencies a file declares or fixes. */
export const Ecosystem = z.enum(['cargo', 'go', 'maven', 'npm', 'python'])
export type Ecosystem = z.infer<typeof Ecosystem>

const Path = z.string().max(4096)

/** A file that says what a project depends on, or that fixes in which versions. */
export const DependencyFile = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('manifest'),
    path: Path,
    ecosystem: Ecosystem,
    /** Null where the file was too large or of no known form: it is taken to declare some. */
    declared: SafeCount.nullable(),
    /** Those of them that name no single version, where the file itself is what fixes versions. */
    loose: SafeCount,
  }),
  z.strictObject({ role: z.literal('lockfile'), path: Path, ecosystem: Ecosystem }),
])
export type DependencyFile = z.infer<typeof DependencyFile>

/** `unread`: too large to be looked into, so only its name speaks for it. */
export const SbomFormat = z.enum(['cyclonedx', 'spdx', 'unread'])
export type SbomFormat = z.infer<typeof SbomFormat>

/** The part of an inventory that the check list is about. Lists are sorted by path. */
export const Contents = z.strictObject({
  /** Of the check list whose rules chose these files. */
  edition: z.number().int().min(1).max(1000),
  /** False when a limit ended the look, or when a folder is only known from an inventory that had no contents. */
  whole: z.boolean(),
  dependencies: z.array(DependencyFile).max(dependencyFilesMax),
  binaries: z.array(z.strictObject({ path: Path, sizeBytes: SafeCount })).max(binariesListedMax),
  sboms: z.array(z.strictObject({ path: Path, format: SbomFormat })).max(recipesListedMax),
  documentation: z.array(Path).max(recipesListedMax),
})
export type Contents = z.infer<typeof Contents>
