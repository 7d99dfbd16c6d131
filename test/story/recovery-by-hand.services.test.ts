import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { dealVault } from '../../src/crypto/holder/vault-shares.js'
import { encodeIdentity, identityToRecipient } from '../../src/crypto/recipient.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { AgreementId } from '../../src/format/ids.js'
import { encodeReleasedShare } from '../../src/format/share.js'
import { objectKeys } from '../../src/store/object-key.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'

/**
 * The transcript of docs/RECOVERY.md, run as it is printed, over a bucket with one full deposit and two incrementals. The bucket is made
 * with git itself, so that nothing of the deposit path can hide a mistake of the transcript.
 */

const agreement = AgreementId.parse('agr_abcdefghijklmnopqrst')
const source = 'core'
const entropy = new SeededEntropy('recovery-by-hand')
const root = new URL('../..', import.meta.url).pathname
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'recovery-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const identityEnv = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
}
const environment = { PATH: process.env['PATH'], HOME: tmpdir(), TZ: 'UTC', LANG: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1', ...identityEnv }
const git = (...args: readonly string[]) =>
  execFileSync('git', ['-C', join(folder, 'work'), ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] }).toString()

function save(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), content)
}
const signed = (body: unknown) => JSON.stringify({ payload: Buffer.from(JSON.stringify(body)).toString('base64'), signatures: [] })

function commit(text: string): void {
  writeFileSync(join(folder, 'work', 'file'), text)
  git('add', '.')
  git('commit', '--quiet', '-m', text)
}

/** Every ref, also those that point at what is already there; `git bundle create` would leave them out. */
const bundleHeader = (refs: readonly string[], prerequisites: readonly string[]) =>
  Buffer.from(['# v2 git bundle', ...prerequisites.map((oid) => `-${oid} `), ...refs, '', ''].join('\n'))

function packOf(prerequisites: readonly string[]): Buffer {
  const input = [...prerequisites.map((oid) => `^${oid}`), ''].join('\n')
  const args = ['-C', join(folder, 'work'), 'pack-objects', '--quiet', '--stdout', '--revs', '--all', '--delta-base-offset']
  return execFileSync('git', args, { env: environment, input })
}

/** A deposit as docs/formats describe it: what is new since `prerequisites`, sealed, with manifest and inventory. */
function deposit(sequence: number, vault: string, prerequisites: readonly string[]): void {
  const kind = sequence === 1 ? 'full' : 'incremental'
  const place = { agreement, source, sequence, kind } as const
  const refs = git('for-each-ref', '--format=%(objectname) %(refname)').trim().split('\n')
  const head = { kind: 'branch', ref: git('symbolic-ref', 'HEAD').trim() }
  const listed = refs.map((line) => ({ oid: line.slice(0, 40), name: line.slice(41) }))
  const bundle = Buffer.concat([bundleHeader(refs, prerequisites), packOf(prerequisites)])
  const inventory = sealBytes(Buffer.from(JSON.stringify({ head, refs: listed })), [vault], entropy)
  const envelope = sealBytes(bundle, [vault], entropy)
  save(`bucket/${objectKeys.bundle(place, 'att1')}`, envelope)
  save(`bucket/${objectKeys.inventory(place, 'att1')}`, inventory)
  const body = {
    sequence,
    base: 1,
    bundle: { sha256: sha256Hex(bundle) },
    envelope: { key: 'att1.bundle.age', sha256: sha256Hex(envelope), recipient: vault },
    inventory: { key: 'att1.inventory.age', sha256: sha256Hex(inventory) },
  }
  save(`bucket/${objectKeys.manifest(place)}`, signed(body))
}

/** Three states of a repository: commits, a tag, then a deleted branch, a rewritten one, and `a` where `a/b` was. */
function fillBucket(vault: string): void {
  mkdirSync(join(folder, 'work'))
  git('init', '--quiet', '--initial-branch=main')
  // `git fsck` calls it an error; old repositories have such things, and come back with them.
  save('work/.gitmodules', '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=x\n')
  commit('one')
  git('branch', 'a/b')
  git('branch', 'gone')
  git('tag', '-a', 'v1', '-m', 'first')
  deposit(1, vault, [])
  const first = git('rev-parse', 'HEAD').trim()
  commit('two')
  git('branch', '-D', 'gone', 'a/b')
  git('branch', 'a')
  deposit(2, vault, [first])
  const second = git('rev-parse', 'HEAD').trim()
  git('checkout', '--quiet', '-b', 'trunk', first)
  commit('three')
  git('branch', '-D', 'main')
  deposit(3, vault, [first, second])
}

/** Everything a beneficiary has in its hands. */
function prepare(): void {
  const dealt = dealVault({ threshold: 3, custodians: 5 }, entropy)
  const reserve = dealVault({ threshold: 3, custodians: 5 }, entropy)
  const beneficiary = encodeIdentity(entropy.bytes(32))
  fillBucket(dealt.recipient)
  save(`bucket/${objectKeys.agreement(agreement, 1)}`, signed({ vault: { threshold: 3, epochs: [dealt, reserve] } }))
  save('beneficiary.key', `${beneficiary}\n`)
  for (const share of dealt.shares.filter(({ index }) => index % 2 === 1)) {
    save(`share-${share.index}.age`, sealBytes(encodeReleasedShare(share), [identityToRecipient(beneficiary)], entropy))
  }
  copyFileSync(join(root, 'docs/recover.py'), join(folder, 'recover.py'))
}

function runTranscript() {
  const page = readFileSync(join(root, 'docs/RECOVERY.md'), 'utf8')
  const transcript = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map((block) => block[1]).join('\n')
  return spawnSync('bash', ['-c', transcript], { cwd: folder, env: { ...environment, agreement, source }, encoding: 'utf8' })
}

test('three shares, the bucket and the printed commands give the repository back', () => {
  prepare()
  const { status, stdout, stderr } = runTranscript()
  expect([status, stderr.split('\n').filter((line) => line.startsWith('recover.py'))]).toEqual([0, []])
  expect(stdout).toContain('restored 0000000003-incremental')
  const restored = (...args: readonly string[]) =>
    execFileSync('git', ['-C', join(folder, 'repository.git'), ...args], { env: environment }).toString()
  expect(restored('for-each-ref')).toBe(git('for-each-ref'))
  expect(restored('symbolic-ref', 'HEAD')).toBe('refs/heads/trunk\n')
  expect(restored('log', '--format=%s', 'trunk')).toBe('three\none\n')
})

test('one changed byte in a sealed bundle stops the printed commands before git sees it', () => {
  prepare()
  const path = join(folder, 'bucket', objectKeys.bundle({ agreement, source, sequence: 2, kind: 'incremental' }, 'att1'))
  const sealed = readFileSync(path)
  sealed.writeUInt8(sealed.readUInt8(sealed.byteLength - 1) ^ 1, sealed.byteLength - 1)
  writeFileSync(path, sealed)
  const { status, stdout } = runTranscript()
  expect(status).not.toBe(0)
  expect(stdout).toContain('att1.bundle.age: FAILED')
  expect(stdout).not.toContain('restored')
  expect(existsSync(join(folder, '2.bundle'))).toBe(false)
})
