// The published check list of docs/COMPLETENESS.md as a table: what is asked at each level, which findings answer no, and what to add then.
import type { FindingCode, Severity } from './manifest.js'

/** Grows when the same deposit may come to another answer. A manifest names it as `tools.checklist`. */
export const checkListEdition = 1

/** L0: received and intact. L1: consistent in itself. L2: what is needed to build it is there. */
export type CompletenessLevel = 'L0' | 'L1' | 'L2'

/** One question of the list. */
export interface Check {
  /** Stable; scripts rely on it. */
  readonly check: string
  readonly level: CompletenessLevel
  /** What is so when the answer is yes. */
  readonly title: string
  /** The findings that answer no, and from which severity on. None: that there is a deposit is the answer. */
  readonly codes: readonly FindingCode[]
  readonly from: Severity
  /** The findings that say that nobody has looked: then there is no answer. */
  readonly unlooked: readonly FindingCode[]
  /** The first edition whose deposits say something when the answer is no. */
  readonly since: number
}

const check = (
  level: CompletenessLevel,
  name: string,
  title: string,
  rest: Partial<Omit<Check, 'check' | 'level' | 'title'>> = {},
): Check => ({
  check: name,
  level,
  title,
  codes: [],
  from: 'info',
  unlooked: [],
  since: 1,
  ...rest,
})

/** The list, in the order in which people read it. `receipt` is answered by the receipt, everything else by findings. */
export const CHECK_LIST: readonly Check[] = [
  check('L0', 'intact', 'Every byte arrived, was sealed, stored and read back', { since: 0 }),
  check('L0', 'receipt', 'A signed receipt says that it is in the log', { since: 0 }),
  check('L1', 'connected', 'Every object is what its name says, and nothing that it needs is missing', {
    codes: ['PACK_NOT_CHECKED'],
    unlooked: ['PACK_NOT_CHECKED'],
    since: 0,
  }),
  check('L1', 'history', 'No branch or tag was rewritten or lost without an explanation', {
    codes: ['REFS_REWRITTEN', 'REF_DELETED', 'REFS_SHRUNK', 'PACK_SHRUNK', 'REMOTE_VANISHED'],
    from: 'blocking',
    since: 0,
  }),
  check('L1', 'head', 'There is something to check out', { codes: ['HEAD_MISSING', 'REPOSITORY_EMPTY'] }),
  check('L1', 'fsck', 'git finds nothing suspicious in it', {
    codes: ['FSCK_MESSAGE'],
    from: 'warning',
    unlooked: ['PACK_NOT_CHECKED'],
    since: 0,
  }),
  check('L1', 'lfs', 'Every large file (Git LFS) is there', { codes: ['LFS_POINTER', 'LFS_OBJECT_MISSING'], from: 'warning', since: 0 }),
  check('L1', 'attachments', 'Every file that was attached opens with this deposit', { codes: ['ATTACHMENT_OUTDATED'] }),
  check('L1', 'submodules', 'Every submodule is a source of the agreement, and its pinned commit is deposited', {
    codes: ['SUBMODULE_UNMATCHED', 'SUBMODULE_COMMIT_MISSING'],
  }),
  check('L2', 'looked-through', 'Every file name was looked at', { codes: ['CONTENTS_CUT'] }),
  check('L2', 'recipe', 'There is a recipe to build it', { codes: ['BUILD_RECIPE_MISSING'], since: 0 }),
  check('L2', 'documentation', 'There is something to read about building it', { codes: ['DOCUMENTATION_MISSING'] }),
  check('L2', 'dependencies', 'The versions of all dependencies are fixed', { codes: ['LOCKFILE_MISSING', 'DEPENDENCIES_UNPINNED'] }),
  check('L2', 'licence', 'It says under which licence it may be used', { codes: ['LICENCE_MISSING'], since: 0 }),
  check('L2', 'sbom', 'A bill of materials (SBOM) lists what it is made of', { codes: ['SBOM_MISSING'] }),
  check('L2', 'binaries', 'Nothing in it is compiled without its source', { codes: ['BINARY_WITHOUT_SOURCE'] }),
]

/** What the depositor adds or does, for each finding that a check knows. */
export const WHAT_TO_ADD: Partial<Readonly<Record<FindingCode, string>>> = {
  REFS_REWRITTEN: 'explain it with `escrow explain`, or restore what was there; the earlier deposits keep the old history',
  REF_DELETED: 'explain it with `escrow explain`, or push the branch or tag again; the earlier deposits keep it',
  REFS_SHRUNK: 'explain it with `escrow explain`, or push the missing refs again',
  PACK_SHRUNK: 'explain it with `escrow explain`, or push what is missing again',
  REMOTE_VANISHED: 'give the repository back its address, or agree on another one',
  PACK_NOT_CHECKED: 'make a full deposit without --no-fsck, so that git hashes every object again',
  HEAD_MISSING: 'let HEAD of the repository name a branch that exists: `git symbolic-ref HEAD refs/heads/<branch>`',
  REPOSITORY_EMPTY: 'push the repository that was agreed on',
  FSCK_MESSAGE: 'look at the objects with `git fsck`; correct what is not as you meant it in a new commit',
  LFS_POINTER: 'send the objects of Git LFS too: a pointer is a name and a size, the file is not in the deposit',
  LFS_OBJECT_MISSING: 'upload the object to the LFS server again: `git lfs push --all <remote>`',
  ATTACHMENT_OUTDATED: 'attach the file again: it is sealed to an epoch of the vault that later shares do not open',
  SUBMODULE_UNMATCHED: 'make the repository of this submodule a source of the agreement, or put its files into this repository',
  SUBMODULE_COMMIT_MISSING: 'push the pinned commit to the repository of the submodule, and let that source be deposited',
  CONTENTS_CUT: 'nothing by itself: it has more files than are looked through, so what else is missing may not be listed',
  BUILD_RECIPE_MISSING: 'add what builds it: a Makefile, package.json, pom.xml, Cargo.toml, Dockerfile or the like, near the top',
  DOCUMENTATION_MISSING: 'add a README, INSTALL or BUILDING that tells a stranger how to build it: tools, versions, commands',
  LOCKFILE_MISSING: 'commit the lockfile: without it nobody can tell next year which versions it was built with',
  DEPENDENCIES_UNPINNED: 'give each dependency one version: no SNAPSHOT, LATEST, RELEASE or range',
  LICENCE_MISSING: 'add a LICENSE file, or the terms under which a beneficiary may use it after a release',
  SBOM_MISSING: 'add an SBOM in CycloneDX or SPDX as bom.json or sbom.spdx.json, or attach one to the deposit',
  BINARY_WITHOUT_SOURCE:
    'add the source that it is compiled from as a source of the agreement, or replace it by a dependency that is fetched',
}
