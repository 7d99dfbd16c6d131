import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeDeposit } from '../../src/cli/agent/agent-mirror.js'
import { Manifest, type Finding } from '../../src/format/manifest.js'

const vector = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/manifest.json'), 'utf8')) as { manifests: { text: string }[] }
const deleted = (severity: Finding['severity'], subject: string): Finding => ({ code: 'REF_DELETED', severity, subject, detail: '' })

test('a finding is shown with something that it is about in this severity', () => {
  const manifest = Manifest.parse({
    ...(JSON.parse(vector.manifests[0]?.text ?? '') as object),
    findings: [
      { code: 'REF_DELETED', severity: 'blocking', count: 1 },
      { code: 'REF_DELETED', severity: 'info', count: 2 },
    ],
  })
  const findings = [deleted('info', 'refs/heads/merged'), deleted('info', 'refs/heads/other'), deleted('blocking', 'refs/tags/v1')]
  const source = { agreementId: `agr_${'a'.repeat(20)}`, source: 'core' }
  const lines = describeDeposit({
    outcome: 'deposited',
    source,
    depositId: `dep_${'a'.repeat(20)}`,
    manifest,
    manifestDigest: '00'.repeat(32),
    findings,
    resumed: false,
    late: [],
  })
  expect(lines.filter((line) => line.includes('finding')).map((line) => line.trim())).toEqual([
    'finding   blocking: REF_DELETED (1) refs/tags/v1',
    'finding   info: REF_DELETED (2) refs/heads/merged',
  ])
})
