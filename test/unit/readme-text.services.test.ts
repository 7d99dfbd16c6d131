// The script inside README.txt, run by python3 as a reader would run it. Needs python3.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { dealVault } from '../../src/crypto/holder/vault-shares.js'
import { storeReadme } from '../../src/store/readme-text.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'escrow-readme-'))
  const script = /^----- combine\.py -----\n([^]*?)^----- end of combine\.py -----$/m.exec(storeReadme)?.[1] ?? ''
  expect(script).not.toBe('')
  writeFileSync(join(folder, 'combine.py'), script)
})
afterAll(() => rmSync(folder, { recursive: true }))

const line = (share: { index: number; value: Uint8Array }) => `${share.index}:${Buffer.from(share.value).toString('hex')}\n`
function files(shares: readonly { index: number; value: Uint8Array }[]): string[] {
  return shares.map((share, index) => {
    const path = join(folder, `share-${index}.txt`)
    writeFileSync(path, line(share))
    return path
  })
}

test.for([
  [2, 4],
  [3, 5],
  [5, 9],
] as const)(
  'the script in README.txt rebuilds a vault of %i of %i from any shares, also from more than are needed',
  ([threshold, custodians]) => {
    for (let round = 0; round < 4; round += 1) {
      const vault = dealVault({ threshold, custodians }, new SystemEntropy())
      for (const shares of [vault.shares.slice(0, threshold), vault.shares.slice(-threshold), vault.shares]) {
        const key = execFileSync('python3', [join(folder, 'combine.py'), ...files(shares)], { encoding: 'utf8' })
        const recipient = spawnSync('age-keygen', ['-y'], { input: key, encoding: 'utf8' })
        expect(recipient.stdout.trim(), recipient.stderr).toBe(vault.recipient)
      }
    }
  },
)

test('too few shares give a key with another recipient, as README.txt says', () => {
  const vault = dealVault({ threshold: 3, custodians: 5 }, new SystemEntropy())
  const ran = spawnSync('python3', [join(folder, 'combine.py'), ...files(vault.shares.slice(0, 2))], { encoding: 'utf8' })
  const recipient = ran.status === 0 ? spawnSync('age-keygen', ['-y'], { input: ran.stdout, encoding: 'utf8' }).stdout.trim() : ''
  expect(recipient).not.toBe(vault.recipient)
})
