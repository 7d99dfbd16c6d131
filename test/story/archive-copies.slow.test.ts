import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dealVault } from '../../src/crypto/holder/vault-shares.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { Agreement } from '../../src/format/agreement.js'
import { encodeReleasedShare } from '../../src/format/share.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { countersign, signDocument } from '../../src/format/signed-document.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { addEveryKindOfRef, GitFixture } from '../doubles/git-fixture.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'
import { describeRepository } from '../doubles/test-archive.js'

/** One home with three deposits of one source, the last of them with a rewritten branch; every test works on a copy of its first replica. */
let fixture: GitFixture
let home: EscrowHome
let deposits = ''
const states: ReturnType<typeof describeRepository>[] = []

beforeAll(async () => {
  fixture = new GitFixture()
  addEveryKindOfRef(fixture)
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`])
  const agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  deposits = `agreements/${agreement}/sources/product`
  await mirror()
  fixture.addCommits('refs/heads/main', 3, { label: 'second' })
  await mirror()
  fixture.git(['update-ref', '-d', 'refs/heads/a/b'])
  fixture.git(['update-ref', 'refs/heads/a', 'refs/heads/main'])
  fixture.git(['update-ref', 'refs/heads/main', 'refs/heads/main~2'])
  fixture.git(['update-ref', '--no-deref', 'HEAD', 'refs/heads/main~1'])
  await mirror()
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

async function mirror(): Promise<void> {
  await home.must('mirror')
  states.push(describeRepository(fixture.path))
}

let copies = 0
/** A copy that may be changed. */
function copy(): string {
  copies += 1
  const folder = home.at(`copy-${copies}`)
  cpSync(home.replica, folder, { recursive: true })
  for (const path of filesIn(folder)) chmodSync(path, 0o644)
  return folder
}

function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  const middle = Math.floor(bytes.length / 2)
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  writeFileSync(path, bytes)
}

const depositFolder = (copied: string, sequence: number) =>
  join(copied, deposits, readdirSync(join(copied, deposits)).find((name) => Number(name.slice(0, 10)) === sequence) ?? '')
const fileOf = (copied: string, sequence: number, suffix: string) => {
  const folder = depositFolder(copied, sequence)
  return join(folder, readdirSync(folder).find((name) => name.endsWith(suffix)) ?? '')
}

interface Verdict {
  readonly exitCode: number
  readonly codes: readonly string[]
}
async function verify(folder: string, ...options: readonly string[]): Promise<Verdict> {
  const pinned = options.length > 0 ? options : ['--agreement', home.agreement]
  const { exitCode, out, err } = await home.run('--json', 'verify', folder, ...pinned)
  if (out === '') return { exitCode, codes: [(JSON.parse(err) as { error: { code: string } }).error.code] }
  return { exitCode, codes: (JSON.parse(out) as { problems: { code: string }[] }).problems.map(({ code }) => code) }
}

/** Open must fail with this code and leave nothing behind, not even beside the target. */
async function expectRefused(folder: string, code: string, ...options: readonly string[]): Promise<string> {
  const target = home.at('refused', 'target.git')
  const shares = options.includes('--share') ? [] : await home.release()
  const { exitCode, err } = await home.run(...home.opening(folder), ...shares, '--to', target, ...options)
  expect([exitCode === 0, err]).toEqual([false, expect.stringContaining(`[${code}]`)])
  expect(existsSync(home.at('refused')) ? readdirSync(home.at('refused')) : []).toEqual([])
  return err
}

describe('open', () => {
  test.for([1, 2, 3])('deposit %i restores every ref and object of its moment', async (sequence) => {
    const target = home.at(`restored-${sequence}.git`)
    const shares = await home.release()
    await home.must(...home.opening(home.replica), ...shares, '--sequence', String(sequence), '--to', target)
    expect(describeRepository(target)).toEqual(states[sequence - 1])
  })

  test('passes over a deposit with an unexplained blocking finding, and says so', async () => {
    const shares = await home.release()
    const out = await home.must(...home.opening(home.replica), ...shares, '--to', home.at('default.git'))
    expect(out).toContain('deposit 2 of product is restored')
    expect(out).toMatch(/passed over: 3 \(.*REFS_REWRITTEN/)
  })

  test('never takes the place of something', async () => {
    mkdirSync(home.at('taken.git'), { recursive: true })
    const ran = await home.run(...home.opening(home.replica), ...(await home.release()), '--to', home.at('taken.git'))
    expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('FOLDER_NOT_EMPTY')])
    expect(readdirSync(home.at('taken.git'))).toEqual([])
  })

  test('leaves nothing when it is interrupted', async () => {
    const stop = new AbortController()
    const ran = await home.runUntil(stop, (line) => line.includes('opening'), [
      ...home.opening(home.replica),
      ...(await home.release()),
      '--to',
      home.at('stopped', 'x.git'),
    ])
    expect([ran.exitCode, ran.err]).toEqual([130, expect.stringMatching(/^escrow: .*\[INTERRUPTED\]\n +run it again[^\n]*$/)])
    expect(existsSync(home.at('stopped')) ? readdirSync(home.at('stopped')) : []).toEqual([])
  })

  test.for(['.bundle.age', '.inventory.age'])('stops at a flipped byte in a %s, before git keeps anything', async (suffix) => {
    const folder = copy()
    flip(fileOf(folder, 2, suffix))
    await expectRefused(folder, 'OBJECT_CORRUPT')
  })

  test('stops at a missing deposit in the middle', async () => {
    const folder = copy()
    rmSync(depositFolder(folder, 2), { recursive: true })
    await expectRefused(folder, 'CHAIN_BROKEN', '--sequence', '3')
  })

  test('a deposit whose receipt was taken away is opened by number only', async () => {
    const folder = copy()
    rmSync(fileOf(folder, 3, 'receipt.json'))
    const out = await home.must(...home.opening(folder), ...(await home.release()), '--sequence', '3', '--to', home.at('unreceipted.git'))
    expect(out).toContain('although it has no receipt yet')
  })
})

describe('shares', () => {
  const bad = {
    'a flipped byte': async (name: string) => {
      cpSync(home.at('released', 'chamber-1.age'), name)
      flip(name)
    },
    'index 0': (name: string) => sealTo(name, Buffer.from(`0:${'11'.repeat(32)}\n`)),
    'a flipped value': (name: string) => sealTo(name, Buffer.from(`3:${'11'.repeat(31)}01\n`)),
    'another vault': (name: string) => {
      const [, , share] = dealVault({ threshold: 3, custodians: 5 }, new SeededEntropy('another vault')).shares
      return sealTo(name, encodeReleasedShare(share!))
    },
    'another epoch': async (name: string) => {
      await home.release(['chamber'], 2)
      cpSync(home.at('released', 'chamber-2.age'), name)
    },
    'the same share again': async (name: string) => cpSync(home.at('released', 'university-1.age'), name),
  } as const

  async function sealTo(name: string, plain: Uint8Array): Promise<void> {
    const { card } = await openPartyFolder(home.party('partner'))
    writeFileSync(name, sealBytes(plain, [card.recipient!], new SeededEntropy(name)))
  }

  test.for(Object.keys(bad) as (keyof typeof bad)[])('%s is named and left out; with two good ones nothing opens', async (kind) => {
    const good = await home.release(['university', 'auditor'])
    await home.release(['chamber', 'notary'])
    const name = home.at('released', `bad ${kind}.age`)
    await bad[kind](name)
    const err = await expectRefused(home.replica, 'SHARES_TOO_FEW', ...good, '--share', name)
    expect(err).toContain(name)
    const shares = [...good, '--share', name, '--share', home.at('released', 'notary-1.age')]
    const out = await home.must(...home.opening(home.replica), ...shares, '--to', home.at(`despite ${kind}.git`))
    expect(out).toMatch(/left out\s+\S.*bad /)
  })

  test('two shares of five are too few, and the exit code says that it is refused', async () => {
    const ran = await home.run(...home.opening(home.replica), ...(await home.release(['notary', 'auditor'])), '--to', home.at('two.git'))
    expect([ran.exitCode, existsSync(home.at('two.git'))]).toEqual([6, false])
  })
})

describe('verify', () => {
  test('a copy holds, with the agreement and without', async () => {
    expect(await verify(home.replica)).toEqual({ exitCode: 0, codes: [] })
    const unpinned = await home.run('verify', home.replica)
    expect([unpinned.exitCode, unpinned.out]).toEqual([0, expect.stringContaining('NOT PINNED')])
  })

  test('one flipped byte in any file that can be verified is found', async () => {
    const folder = copy()
    // The annex is sealed to the parties and named by what is inside; what belongs to no deposit is not in a receipt.
    const passedOver = /\.annex\.age$|README\.txt$|tile\//
    const receipted = new Set([1, 2, 3].map((sequence) => eventOf(folder, sequence)))
    const candidates = filesIn(folder).filter((path) => !passedOver.test(path) && !path.includes('/.'))
    const files = candidates.filter((path) => !path.includes('/events/') || receipted.has(path))
    expect(files.length).toBeGreaterThan(25)
    for (const path of files) {
      const before = readFileSync(path)
      flip(path)
      const { exitCode } = await verify(folder)
      expect([path, exitCode]).toEqual([path, 3])
      writeFileSync(path, before)
    }
    expect(await verify(folder)).toEqual({ exitCode: 0, codes: [] })
  })

  function eventOf(folder: string, sequence: number): string {
    const document = JSON.parse(readFileSync(fileOf(folder, sequence, 'receipt.json'), 'utf8')) as { payload: string }
    const { log } = JSON.parse(Buffer.from(document.payload, 'base64').toString()) as { log: { leafHash: string } }
    return join(folder, 'events', `${log.leafHash}.json`)
  }

  test('exchanged manifests, a removed deposit, a removed file', async () => {
    const swapped = copy()
    const [second, third] = [fileOf(swapped, 2, 'manifest.json'), fileOf(swapped, 3, 'manifest.json')]
    renameSync(second, `${second}.aside`)
    renameSync(third, second)
    renameSync(`${second}.aside`, third)
    expect(await verify(swapped)).toEqual({ exitCode: 3, codes: expect.arrayContaining(['CHAIN_BROKEN']) as string[] })
    const removed = copy()
    rmSync(depositFolder(removed, 2), { recursive: true })
    expect(await verify(removed)).toEqual({ exitCode: 3, codes: ['CHAIN_BROKEN'] })
    const first = copy()
    rmSync(depositFolder(first, 1), { recursive: true })
    expect(await verify(first)).toEqual({ exitCode: 3, codes: ['CHAIN_BROKEN'] })
    const lost = copy()
    rmSync(fileOf(lost, 1, '.known-objects'))
    expect(await verify(lost)).toEqual({ exitCode: 3, codes: ['OBJECT_MISSING'] })
  })

  test('an attempt that died and a deposit without receipt are told apart, and are no problem', async () => {
    const folder = copy()
    rmSync(fileOf(folder, 3, 'receipt.json'))
    mkdirSync(join(folder, deposits, '0000000004-full'))
    writeFileSync(join(folder, deposits, '0000000004-full', 'aaaa.bundle.age'), 'half')
    const { exitCode, out } = await home.run('verify', folder, '--agreement', home.agreement)
    expect(exitCode).toBe(0)
    expect(out).toMatch(/unpublished\s+3 \(incremental\): it has no receipt yet/)
    expect(out).toMatch(/unpublished\s+4 \(full\): it has no manifest/)
  })

  test('an object that no leaf names is in no check, no copy and no opening', async () => {
    const checked = await home.json<{ copies: number }>('check', '--all')
    const orphan = join(home.replica, deposits, '0000000004-full', `${'a'.repeat(20)}.bundle.age`)
    mkdirSync(dirname(orphan))
    writeFileSync(orphan, 'sealed by a run that died')
    expect(await home.json('check', '--all')).toMatchObject({ copies: checked.copies, bad: [] })
    const out = await home.must(...home.opening(home.replica), ...(await home.release()), '--to', home.at('beside-an-orphan.git'))
    expect(out).toContain('deposit 2 of product is restored')
    await home.must('replicate', '--to', home.at('copy-without-orphans'))
    const copied = readdirSync(home.at('copy-without-orphans'), { recursive: true }).map(String)
    expect(copied.filter((path) => path.includes('0000000004'))).toEqual([])
    expect(copied.filter((path) => path.includes('0000000002')).length).toBeGreaterThan(3)
    rmSync(dirname(orphan), { recursive: true })
  })

  test('a receipt of somebody else, and one of another deposit', async () => {
    const folder = copy()
    const receipt = fileOf(folder, 3, 'receipt.json')
    const document = JSON.parse(readFileSync(receipt, 'utf8')) as { signatures: unknown[] }
    const { signingKey } = await openPartyFolder(home.party('partner'))
    writeFileSync(receipt, countersign(Buffer.from(JSON.stringify({ ...document, signatures: document.signatures })), signingKey))
    const both = JSON.parse(readFileSync(receipt, 'utf8')) as { signatures: unknown[] }
    writeFileSync(receipt, JSON.stringify({ ...both, signatures: both.signatures.slice(-1) }))
    expect(await verify(folder)).toEqual({ exitCode: 3, codes: ['SIGNATURE_INVALID'] })
    cpSync(fileOf(folder, 2, 'receipt.json'), receipt)
    expect(await verify(folder)).toEqual({ exitCode: 3, codes: ['PROOF_INVALID'] })
  })

  test('another agreement than the pinned one, even with the same keys', async () => {
    const { body } = openAgreement(readFileSync(home.agreement))
    const other = Agreement.parse({ ...body, title: 'Another text' })
    const [vendor, partner, agent] = await Promise.all(
      [home.party('vendor'), home.party('partner'), join(home.home, 'keys')].map(openPartyFolder),
    )
    const signed = [partner!, agent!].reduce(
      (bytes, party) => countersign(bytes, party.signingKey),
      signDocument({ body: other, schema: Agreement, key: vendor!.signingKey }),
    )
    writeFileSync(home.at('other.json'), signed)
    const { exitCode, codes } = await verify(home.replica, '--agreement', home.at('other.json'))
    expect([exitCode, new Set(codes)]).toEqual([3, new Set(['AGREEMENT_DIGEST', 'STATEMENT_INVALID'])])
    const stranger = Agreement.parse({ ...body, agreement: 'agr_aaaaaaaaaaaaaaaaaaaa' })
    const strange = [partner!, agent!].reduce(
      (bytes, party) => countersign(bytes, party.signingKey),
      signDocument({ body: stranger, schema: Agreement, key: vendor!.signingKey }),
    )
    writeFileSync(home.at('stranger.json'), strange)
    expect(await verify(home.replica, '--agreement', home.at('stranger.json'))).toEqual({ exitCode: 2, codes: ['NOT_FOUND'] })
  })

  test('a single receipt, with nothing but the agreement', async () => {
    const receipt = fileOf(home.replica, 3, 'receipt.json')
    expect(await home.must('verify', receipt, '--agreement', home.agreement)).toContain('the receipt holds for deposit 3 of product')
    const forged = home.at('forged.json')
    cpSync(receipt, forged)
    chmodSync(forged, 0o644)
    flip(forged)
    expect((await verify(forged)).exitCode).not.toBe(0)
    expect(await verify(receipt, '--json')).toEqual({ exitCode: 2, codes: ['ARGUMENT_INVALID'] })
  })

  test('odd names, links and folders in odd places do not hurt', async () => {
    const folder = copy()
    symlinkSync('/etc', join(folder, deposits, '0000000009-full'))
    symlinkSync('/etc/passwd', join(depositFolder(folder, 3), 'explanation.json'))
    mkdirSync(join(folder, deposits, '9999999999-partial', 'manifest.json'), { recursive: true })
    mkdirSync(join(folder, 'agreements', 'agr_x', 'sources'), { recursive: true })
    writeFileSync(join(folder, deposits, 'a\nb'), '')
    mkdirSync(join(folder, ...Array.from({ length: 12 }, () => 'd'.repeat(100))), { recursive: true })
    writeFileSync(join(folder, ...Array.from({ length: 12 }, () => 'd'.repeat(100)), 'file'), '')
    expect(await verify(folder)).toEqual({ exitCode: 0, codes: [] })
  })

  test('a folder that is no archive is said to be none, and where the archive is', async () => {
    const ran = await home.run('verify', join(home.home, 'replicas', 'a'))
    expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('try ')])
  })
})

describe('replicate', () => {
  test('a copy is made from good bytes only, opens, and is brought up to date by the next run', async () => {
    const target = home.at('partner-replica')
    const damaged = fileOf(home.replica, 1, '.bundle.age')
    chmodSync(damaged, 0o644)
    flip(damaged)
    const first = await home.json<{ objects: number; faults: { replica: string; key: string }[] }>('replicate', '--to', target)
    flip(damaged)
    expect(first.faults).toEqual([expect.objectContaining({ replica: 'a', key: expect.stringContaining('.bundle.age') as string })])
    expect(await verify(target)).toEqual({ exitCode: 0, codes: [] })
    expect(filesIn(target).filter((path) => path.includes('.incoming'))).toEqual([])
    expect(existsSync(join(target, 'checkpoint'))).toBe(true)
    const events = (folder: string) =>
      readdirSync(join(folder, 'events'))
        .filter((name) => !name.startsWith('.'))
        .sort()
    expect(events(target)).toEqual(events(home.replica))
    const shares = await home.release()
    await home.must(...home.opening(target), ...shares, '--sequence', '3', '--to', home.at('from-copy.git'))
    expect(describeRepository(home.at('from-copy.git'))).toEqual(states[2])
    rmSync(fileOf(target, 2, 'manifest.json'))
    await home.must('replicate', '--to', target)
    expect(await verify(target)).toEqual({ exitCode: 0, codes: [] })
  }, 60_000)

  test.for([
    ['token', 'FILE_EXISTS', ': expected a folder, or nothing, got a file'],
    ['token/below', 'FILE_UNREADABLE', ': a part of the path is not a folder'],
  ] as const)('a copy cannot lie at %s, and that is said of the path, not of a store', async ([name, code, words]) => {
    writeFileSync(home.at('token'), 'a secret')
    const { exitCode, err } = await home.run('replicate', '--to', home.at(name))
    expect([exitCode, err]).toEqual([expect.any(Number), expect.stringContaining(`${home.at(name)}${words} [${code}]`) as string])
    expect(exitCode).not.toBe(0)
    expect(readFileSync(home.at('token'), 'utf8')).toBe('a secret')
  })
})

test('a share goes to a beneficiary, and who says another party is told who there is', async () => {
  const line = ['share', 'release', '--as', home.party('notary'), '--agreement', home.agreement, '--share', home.share('notary')]
  const { exitCode, err } = await home.run(...line, '--to', 'vendor', '--out', home.at('released-to-vendor.age'))
  expect([exitCode, err]).toEqual([
    2,
    expect.stringContaining('expected one of partner, got vendor, whose role is depositor [ARGUMENT_INVALID]') as string,
  ])
  expect(existsSync(home.at('released-to-vendor.age'))).toBe(false)
})

describe('explain', () => {
  test('an explained deposit is opened by default again, in every copy', async () => {
    const manifest = fileOf(home.replica, 3, 'manifest.json')
    const explain = ['explain', manifest, '--agreement', home.agreement, '--explanation', 'a secret was removed']
    await home.must(...explain, '--as', home.party('vendor'), '--out', home.at('explanation.json'))
    await home.must(...explain, '--as', home.party('partner'), '--out', home.at('not-the-vendor.json'))
    const refused = await home.run('record', home.at('not-the-vendor.json'))
    expect([refused.exitCode, refused.err]).toEqual([6, expect.stringContaining('SIGNATURE_INVALID')])
    expect(await home.must('record', home.at('explanation.json'))).toContain('every blocking finding is explained')
    expect(await home.must('record', home.at('explanation.json'))).toContain('every blocking finding is explained')
    expect(await home.must('verify', home.replica, '--agreement', home.agreement)).not.toContain('unexplained')
    const out = await home.must(...home.opening(home.replica), ...(await home.release()), '--to', home.at('explained.git'))
    expect(out).toContain('deposit 3 of product is restored')
    const folder = copy()
    const statement = readdirSync(depositFolder(folder, 3)).find((name) => name.startsWith('explanation-')) ?? ''
    flip(join(depositFolder(folder, 3), statement))
    expect((await verify(folder)).exitCode).toBe(3)
  }, 60_000)
})

describe('evidence', () => {
  test('everything that proves the agreement is in one folder, the explanation among it, and the folder verifies', async () => {
    const id = openAgreement(readFileSync(home.agreement)).body.agreement
    const collected = await home.json<unknown>('evidence', '--agreement', id, '--out', home.at('evidence'))
    expect(collected).toMatchObject({ deposits: 3, receipts: 3, statements: 1, problems: [] })
    const verifying = ['verify', home.at('evidence'), '--agreement', home.agreement]
    expect(await home.must(...verifying)).toContain('everything holds, and nothing was left out')
    const explanation = readdirSync(home.at('evidence'), { recursive: true, encoding: 'utf8' }).find((name) => /explanation-/.test(name))
    rmSync(home.at('evidence', explanation!))
    expect(await home.run(...verifying)).toMatchObject({ exitCode: 3, out: expect.stringContaining('OBJECT_MISSING') as string })
  })

  test('it wants a new folder and a known agreement', async () => {
    expect((await home.run('evidence', '--agreement', `agr_${'a'.repeat(20)}`, '--out', home.at('no-evidence'))).exitCode).toBe(2)
    expect((await home.run('evidence', '--agreement', `agr_${'a'.repeat(20)}`, '--out', home.folder)).exitCode).toBe(2)
  })
})
