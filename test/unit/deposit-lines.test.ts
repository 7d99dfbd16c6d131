import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeDeposit } from '../../src/cli/agent/agent-mirror.js'
import { Manifest, type Finding } from '../../src/format/manifest.js'

const vector = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/manifest.json'), 'utf8')) as { manifests: { text: string }[] }
const deleted = (severity: Finding['severity'], subject: string): Finding => ({ code: 'REF_DELETED', severity, subject, detail: '' })

const shown = (counted: Manifest['findings'], findings: readonly Finding[]): readonly string[] => {
  const manifest = Manifest.parse({ ...(JSON.parse(vector.manifests[0]?.text ?? '') as object), findings: counted })
  const lines = describeDeposit({
    outcome: 'deposited',
    source: { agreementId: `agr_${'a'.repeat(20)}`, source: 'core' },
    depositId: `dep_${'a'.repeat(20)}`,
    manifest,
    manifestDigest: '00'.repeat(32),
    findings,
    resumed: false,
    late: [],
  })
  return lines.filter((line) => /finding|->/.test(line)).map((line) => line.trim())
}

test('a finding is shown with something that it is about in this severity, and with what to do when it blocks', () => {
  const counted = [
    { code: 'REF_DELETED', severity: 'blocking', count: 1 },
    { code: 'REF_DELETED', severity: 'info', count: 2 },
  ] as const
  const findings = [deleted('info', 'refs/heads/merged'), deleted('info', 'refs/heads/other'), deleted('blocking', 'refs/tags/v1')]
  expect(shown([...counted], findings)).toEqual([
    'finding   blocking: REF_DELETED (1) refs/tags/v1',
    '-> explain it with `escrow explain`, or push the branch or tag again; the earlier deposits keep it',
    'finding   info: REF_DELETED (2) refs/heads/merged',
  ])
})

test('a finding that warns says what it means, and no name in a repository moves the cursor', () => {
  const counted = [
    { code: 'LFS_OBJECT_MISSING', severity: 'warning', count: 3 },
    { code: 'STATEMENT_DIFFERS', severity: 'blocking', count: 1 },
  ] as const
  const findings: readonly Finding[] = [
    { code: 'LFS_OBJECT_MISSING', severity: 'warning', subject: 'a\u001B[2Jb.psd', detail: 'the server says 404' },
    { code: 'STATEMENT_DIFFERS', severity: 'blocking', subject: 'deposit statement', detail: 'digest of refs and HEAD' },
  ]
  expect(shown([...counted], findings)).toEqual([
    'finding   warning: LFS_OBJECT_MISSING (3) a\uFFFD[2Jb.psd: the server says 404',
    '-> upload the object to the LFS server again: `git lfs push --all <remote>`',
    'finding   blocking: STATEMENT_DIFFERS (1) deposit statement: digest of refs and HEAD',
    '-> explain it with `escrow explain`',
  ])
})
