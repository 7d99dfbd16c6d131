// Pure: how complete a deposit is, by the published check list. From the manifest alone it is a report without names; with the inventory each
// finding names files. Whoever has the same documents makes the same report.
import { z } from 'zod'
import { findingsListedMax, largestFilesMax, recipesListedMax } from '../core/limits.js'
import { DepositMode } from './agreement.js'
import { CHECK_LIST, checkListEdition, WHAT_TO_ADD, type Check, type CompletenessLevel } from './check-list.js'
import { Contents } from './contents.js'
import { Instant, SafeCount, Sha256Hex, Slug } from './ids.js'
import { FindingCode, InventorySubmodule, Severity, type Inventory, type Manifest } from './manifest.js'

/** `none`: there is nothing that could be wrong. `unknown`: nobody has looked. */
export const CheckOutcome = z.enum(['pass', 'none', 'fail', 'unknown'])
export type CheckOutcome = z.infer<typeof CheckOutcome>

const ReportedFinding = z.strictObject({
  code: FindingCode,
  severity: Severity,
  count: SafeCount,
  /** The first of them by name; empty in a report without names. */
  named: z.array(z.strictObject({ subject: z.string().max(4096), detail: z.string().max(4096) })).max(findingsListedMax),
  /** What the depositor adds or does about it. */
  add: z.string().max(500),
})

const ReportedCheck = z.strictObject({
  check: z.string().max(40),
  level: z.enum(['L0', 'L1', 'L2']),
  title: z.string().max(200),
  outcome: CheckOutcome,
  findings: z.array(ReportedFinding).max(100),
})
export type ReportedCheck = z.infer<typeof ReportedCheck>

/** The names that a report shows beside its checks. */
const ReportedFiles = z.strictObject({
  submodules: z.array(InventorySubmodule).max(recipesListedMax),
  lfs: SafeCount,
  /** What people attached to the deposit. */
  attachments: z.array(z.strictObject({ kind: z.string().max(40), name: z.string().max(200) })).max(recipesListedMax),
  buildRecipes: z.array(z.string().max(4096)).max(recipesListedMax),
  licences: z.array(z.string().max(4096)).max(recipesListedMax),
  largestFiles: z.array(z.strictObject({ path: z.string().max(4096), sizeBytes: SafeCount })).max(largestFilesMax),
  /** Null where nobody has looked. */
  contents: Contents.nullable(),
})

/** The report of docs/formats/completeness.md. */
export const Completeness = z.strictObject({
  type: z.literal('escrow/completeness/v1'),
  agreement: Sha256Hex,
  source: Slug,
  sequence: z.number().int().min(1),
  mode: DepositMode,
  takenAt: Instant,
  /** Digest of the manifest that it speaks of. */
  manifest: Sha256Hex,
  /** Of the check list that it was made with. */
  edition: z.number().int().min(1),
  /** The highest level whose checks, and those of the levels below, all hold; null when not even the first does. */
  level: z.enum(['L0', 'L1', 'L2']).nullable(),
  checks: z.array(ReportedCheck),
  /** Null in a report without names. */
  files: ReportedFiles.nullable(),
})
export type Completeness = z.infer<typeof Completeness>

/** What a report is made from. All of it is verified. */
export interface CompletenessSources {
  readonly manifest: Manifest
  readonly manifestDigest: string
  /** Whether a receipt holds; null when nobody has looked. */
  readonly receipted: boolean | null
  /** Null for who may not see names. */
  readonly inventory: Inventory | null
  /** Codes of blocking findings that the depositor has explained. */
  readonly explained: readonly string[]
  /** What came with the deposit, or after it, beside git. */
  readonly attachments: readonly { readonly kind: string }[]
}

/** Make the report. The same sources give the same report, in whatever order findings and files were met. */
export function reportCompleteness(sources: CompletenessSources): Completeness {
  const { manifest, manifestDigest, inventory } = sources
  const checks = CHECK_LIST.map((check) => judge(check, sources))
  return {
    type: 'escrow/completeness/v1',
    agreement: manifest.agreement,
    source: manifest.source,
    sequence: manifest.sequence,
    mode: manifest.mode,
    takenAt: manifest.takenAt,
    manifest: manifestDigest,
    edition: checkListEdition,
    level: levelOf(checks),
    checks,
    files: inventory === null ? null : filesOf(inventory),
  }
}

function judge(check: Check, sources: CompletenessSources): ReportedCheck {
  const findings = answeredElsewhere(check, sources) ? [] : findingsOf(check, sources)
  const { check: name, level, title } = check
  const against = findings.filter(({ code }) => !check.unlooked.includes(code)).length
  return { check: name, level, title, outcome: outcomeOf(check, sources, against), findings }
}

/** An attachment of the right kind answers in the place of a file. */
function answeredElsewhere({ check }: Check, { attachments }: CompletenessSources): boolean {
  return (check === 'sbom' || check === 'documentation') && attachments.some(({ kind }) => kind === check)
}

const severities = ['info', 'warning', 'blocking'] as const
const weight = (severity: Severity): number => severities.indexOf(severity)

function findingsOf(check: Check, { manifest, inventory, explained }: CompletenessSources): ReportedCheck['findings'] {
  const isNo = ({ code, severity }: { readonly code: FindingCode; readonly severity: Severity }): boolean =>
    check.codes.includes(code) && weight(severity) >= weight(check.from) && !(severity === 'blocking' && explained.includes(code))
  return manifest.findings
    .filter(isNo)
    .map(({ code, severity, count }) => ({
      code,
      severity,
      count,
      named: namesOf(inventory, code, severity),
      add: WHAT_TO_ADD[code] ?? '',
    }))
    .sort(
      (left, right) => check.codes.indexOf(left.code) - check.codes.indexOf(right.code) || weight(right.severity) - weight(left.severity),
    )
}

function namesOf(inventory: Inventory | null, code: FindingCode, severity: Severity): ReportedCheck['findings'][number]['named'] {
  const listed = (inventory?.findings ?? []).filter((finding) => finding.code === code && finding.severity === severity)
  return listed
    .map(({ subject, detail }) => ({ subject, detail }))
    .sort((left, right) => inOrder(left.subject, right.subject) || inOrder(left.detail, right.detail))
    .slice(0, findingsListedMax)
}

const inOrder = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

function outcomeOf(check: Check, sources: CompletenessSources, findings: number): CheckOutcome {
  const { receipted, manifest, inventory } = sources
  if (check.check === 'receipt') return receipted === null ? 'unknown' : receipted ? 'pass' : 'fail'
  if (findings > 0) return 'fail'
  if (answeredElsewhere(check, sources)) return 'pass'
  if (editionOf(manifest) < check.since || manifest.findings.some(({ code }) => check.unlooked.includes(code))) return 'unknown'
  return inventory !== null && isAboutNothing(check, inventory) ? 'none' : 'pass'
}

/** The check list that the deposit was looked at with; 0 before there was one. */
function editionOf({ tools }: Manifest): number {
  const edition = Number(tools['checklist'])
  return Number.isSafeInteger(edition) && edition > 0 ? edition : 0
}

function isAboutNothing({ check }: Check, { lfs, submodules, contents, attachments }: Inventory): boolean {
  if (check === 'lfs') return lfs.length === 0
  if (check === 'attachments') return attachments === undefined
  if (check === 'submodules') return submodules.length === 0
  return check === 'dependencies' && contents?.dependencies.every((file) => file.role === 'manifest' && file.declared === 0) === true
}

function levelOf(checks: readonly ReportedCheck[]): CompletenessLevel | null {
  let reached: CompletenessLevel | null = null
  for (const level of ['L0', 'L1', 'L2'] as const) {
    const holds = checks.every((one) => one.level !== level || one.outcome === 'pass' || one.outcome === 'none')
    if (!holds) return reached
    reached = level
  }
  return reached
}

function filesOf(inventory: Inventory): Completeness['files'] {
  const { submodules, lfs, buildRecipes, licences, largestFiles, contents, attachments = [] } = inventory
  return {
    submodules: submodules.slice(0, recipesListedMax),
    lfs: lfs.length,
    attachments: attachments.flatMap((one) => (one.kind === 'lfs' ? [] : [{ kind: one.kind, name: one.name }])).slice(0, recipesListedMax),
    buildRecipes,
    licences,
    largestFiles,
    contents: contents ?? null,
  }
}
