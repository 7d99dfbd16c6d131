// Each way in which a deposit can fail: a stable code, nothing on scratch, nothing visible in a store, and the next attempt succeeds.
import { once } from 'node:events'
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { identityToRecipient } from '../../src/crypto/recipient.js'
import type { DepositTools } from '../../src/deposit/deposit-request.js'
import { GitRemote, type FetchRequest, type RefListing } from '../../src/git/git-remote.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { GitFixture, collect } from '../doubles/git-fixture.js'
import { TestArchive } from '../doubles/test-archive.js'

let archive: TestArchive
let fixture: GitFixture

beforeEach(async () => {
  archive = await TestArchive.make()
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 6)
})

afterEach(() => {
  archive.remove()
  fixture.remove()
})

/** A remote whose pack a test changes on the way. */
class ChangedRemote extends GitRemote {
  private readonly inner: LocalRemote

  constructor(
    path: string,
    private readonly change: (pack: Buffer) => AsyncIterable<Uint8Array>,
    private readonly changeListing: (listing: RefListing) => RefListing = (listing) => listing,
  ) {
    super()
    this.inner = new LocalRemote({ path })
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    return this.changeListing(await this.inner.listRefs(signal))
  }

  async *fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    yield* this.change(await collect(this.inner.fetchPack(request, signal)))
  }
}

async function* only(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

/** Nothing is left and nothing is visible, and without the fault the same archive takes the deposit. */
async function expectCleanAndRepeatable(): Promise<void> {
  expect(archive.leftovers()).toEqual({ scratch: [], objects: [] })
  for (const store of archive.stores) store.heal()
  expect((await archive.mustDeposit(fixture)).manifest.sequence).toBe(1)
}

const failing = (
  remote: GitRemote | GitFixture,
  changes: Parameters<TestArchive['deposit']>[1] = {},
  signal?: AbortSignal,
): Promise<unknown> =>
  archive.deposit(remote, changes, signal).then(
    () => 'a deposit',
    (error: unknown) => error,
  )

test('a remote that dies in the middle of the pack is quoted', async () => {
  const dying = new ChangedRemote(fixture.path, async function* (pack) {
    yield pack.subarray(0, pack.length / 2)
    throw new EscrowError('REMOTE_BROKEN', 'the remote said: "fatal: bad object"')
  })
  expect(await failing(dying)).toMatchObject({ code: 'REMOTE_BROKEN', message: expect.stringContaining('bad object') as string })
  await expectCleanAndRepeatable()
})

test.for<[string, (pack: Buffer) => Buffer, string]>([
  ['cut short', (pack) => pack.subarray(0, pack.length - 30), 'PACK_CORRUPT'],
  [
    'with a flipped byte',
    (pack) => Buffer.concat([pack.subarray(0, 99), Buffer.from([pack[99]! ^ 1]), pack.subarray(100)]),
    'PACK_CORRUPT',
  ],
  ['with bytes after its end', (pack) => Buffer.concat([pack, Buffer.from('more')]), 'PACK_CORRUPT'],
  ['that is no pack', () => Buffer.from('<html>not found</html>'.repeat(9)), 'PACK_CORRUPT'],
  ['that is empty', () => Buffer.alloc(0), 'PACK_CORRUPT'],
])('a pack %s is refused', async ([, change, code]) => {
  const remote = new ChangedRemote(fixture.path, (pack) => only(change(pack)))
  expect(await failing(remote)).toMatchObject({ code })
  await expectCleanAndRepeatable()
})

test('a full pack that does not carry a ref is refused', async () => {
  const tip = fixture.git(['rev-parse', 'refs/heads/main'])
  const lying = (listing: RefListing): RefListing => ({
    ...listing,
    refs: [...listing.refs, { name: 'refs/heads/none', oid: 'f'.repeat(40) }],
  })
  // It lists an object that it does not have, and sends what it has.
  const remote = new (class extends ChangedRemote {
    override fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncIterable<Uint8Array> {
      return super.fetchPack({ ...request, wants: [tip] }, signal)
    }
  })(fixture.path, (pack) => only(pack), lying)
  expect(await failing(remote)).toMatchObject({ code: 'PACK_INCOMPLETE' })
  await expectCleanAndRepeatable()
})

test('a repository with a missing object is refused', async () => {
  const missing = fixture.git(['rev-parse', 'refs/heads/main~3^{tree}'])
  const other = new GitFixture()
  try {
    const objects = fixture.git(['rev-list', '--objects', '--no-object-names', 'refs/heads/main']).split('\n')
    const kept = objects.filter((oid) => oid !== missing).join('\n')
    const name = fixture.git(['pack-objects', '-q', join(other.folder, 'pack')], `${kept}\n`)
    const pack = readFileSync(join(other.folder, `pack-${name}.pack`))
    expect(await failing(new ChangedRemote(fixture.path, () => only(pack)))).toMatchObject({ code: 'PACK_INCOMPLETE' })
  } finally {
    other.remove()
  }
  await expectCleanAndRepeatable()
})

test('an incremental that leans on what the chain does not hold is taken as a full deposit', async () => {
  await archive.mustDeposit(fixture)
  const middle = fixture.addCommits('refs/heads/main', 1, { label: 'middle' })
  fixture.addCommits('refs/heads/main', 1, { label: 'top' })
  // As if the remote thought that we had `middle`.
  const remote = new (class extends ChangedRemote {
    override fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncIterable<Uint8Array> {
      return super.fetchPack(request.haves.length === 0 ? request : { ...request, haves: [middle] }, signal)
    }
  })(fixture.path, (pack) => only(pack))
  const deposit = await archive.mustDeposit(remote)
  expect(deposit.manifest).toMatchObject({ kind: 'full', sequence: 2 })
  expect(deposit.findings).toContainEqual(expect.objectContaining({ code: 'CHAIN_RESTARTED' }))
  expect(archive.leftovers().scratch).toEqual([])
})

test('a known-objects file of another key costs a full deposit', async () => {
  await archive.mustDeposit(fixture)
  fixture.addCommits('refs/heads/main', 1, { label: 'next' })
  const damaged = archive.previous({
    knownObjects: () => [only(Buffer.from('not known objects, and long enough to be read as a header'.repeat(3)))],
  })
  const deposit = await archive.mustDeposit(fixture, { request: { previous: damaged } })
  expect(deposit.manifest.kind).toBe('full')
  expect(deposit.manifest.findings).toContainEqual({ code: 'KNOWN_OBJECTS_LOST', severity: 'warning', count: 1 })
})

test('an unchanged remote is sealed anew, and in full, when the vault has another epoch or another key', async () => {
  await archive.mustDeposit(fixture)
  const { vault } = archive.request()
  expect(await archive.deposit(fixture)).toMatchObject({ outcome: 'unchanged' })
  const epoch = await archive.mustDeposit(fixture, { request: { vault: { ...vault, epoch: 2 } } })
  expect(epoch.manifest).toMatchObject({ kind: 'full', envelope: { epoch: 2 } })
  expect(epoch.findings).toContainEqual(expect.objectContaining({ code: 'CHAIN_RESTARTED' }))
  const recipient = identityToRecipient(archive.agentIdentity)
  const key = await archive.mustDeposit(fixture, { request: { vault: { ...vault, epoch: 2, recipient } } })
  expect(key.manifest).toMatchObject({ kind: 'full', envelope: { epoch: 2, recipient } })
})

test('a repository beyond the limit is refused', async () => {
  expect(await failing(fixture, { request: { packBytesMax: 500 } })).toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
  await expectCleanAndRepeatable()
})

test('a scratch folder without room is refused before anything is fetched', async () => {
  await archive.mustDeposit(fixture)
  const request = { previous: archive.previous({ fullBundleBytes: Number.MAX_SAFE_INTEGER / 4 }), full: true }
  expect(await failing(fixture, { request })).toMatchObject({ code: 'SCRATCH_FULL' })
  expect(archive.leftovers().scratch).toEqual([])
})

test.for(['listing', 'fetching', 'checking', 'storing', 'checking-seal'] as const)(
  'an abort while %s leaves nothing on scratch',
  async (phase) => {
    const stop = new AbortController()
    const reason = new Error('stopped by the test')
    const onProgress = (progress: { phase: string }) => {
      if (progress.phase === phase) stop.abort(reason)
    }
    expect(await failing(fixture, { tools: { onProgress } }, stop.signal)).toBe(reason)
    expect(archive.leftovers().scratch).toEqual([])
    // Once an envelope is visible it stays: no leaf names it, so it is an orphan and not a deposit.
    if (phase !== 'storing' && phase !== 'checking-seal') expect(archive.leftovers().objects).toEqual([])
  },
)

test('when the record before completion cannot be written nothing becomes visible', async () => {
  const fault = new EscrowError('DATABASE_UNAVAILABLE', 'gone')
  const beforeComplete = () => Promise.reject(fault)
  expect(await failing(fixture, { tools: { beforeComplete } })).toBe(fault)
  await expectCleanAndRepeatable()
})

test('one replica that times out once gets the same bytes again', async () => {
  archive.stores[1]!.plan({ at: 'write', fault: 'timeOut' })
  const { envelope } = await archive.mustDeposit(fixture)
  expect(envelope.placement.stored.map((stored) => stored.replica)).toEqual(['bern', 'zug'])
  expect(envelope.placement.failed).toEqual([])
})

test('one replica that refuses has to catch up, and the deposit goes on', async () => {
  archive.stores[0]!.plan({ at: 'open', fault: 'refuse', times: 9 })
  const { envelope } = await archive.mustDeposit(fixture)
  expect(envelope.placement.stored.map((stored) => stored.replica)).toEqual(['zug'])
  expect(envelope.placement.failed.map((failed) => failed.replica)).toEqual(['bern'])
})

test('when every replica refuses there is no deposit', async () => {
  for (const store of archive.stores) store.plan({ at: 'open', fault: 'refuse', times: 9 })
  expect(await failing(fixture)).toMatchObject({ code: 'STORE_REFUSED' })
  await expectCleanAndRepeatable()
})

test('a store that gives other bytes than it took is found by the check of the seal', async () => {
  for (const store of archive.stores) store.plan({ at: 'get', fault: 'otherBytes', times: 9 })
  expect(await failing(fixture)).toMatchObject({ code: 'OBJECT_CORRUPT' })
  expect(archive.leftovers().scratch).toEqual([])
})

test('a scratch folder that cannot be written is a fault with the words of the system', async () => {
  await archive.mustDeposit(fixture)
  chmodSync(archive.scratch, 0o500)
  writeFileSync(join(archive.folder, 'file'), '')
  const root = join(archive.folder, 'file', 'scratch')
  expect(await failing(fixture, { request: { full: true }, tools: { scratch: { root, ephemeral: true } } })).toMatchObject({
    code: 'ENOTDIR',
  })
  chmodSync(archive.scratch, 0o700)
  expect(readdirSync(archive.scratch)).toEqual([])
})

test('whoever follows an envelope gets its bytes, and on a slow line is not waited for', async () => {
  const seen: (number | boolean)[] = []
  const follow: DepositTools['follow'] = async (_, file, signal) => {
    seen.push((await file.beyond(0, signal)).finalBytes > 0)
    await once(signal, 'abort')
    seen.push(archive.leftovers().scratch.length > 0)
  }
  await archive.mustDeposit(fixture, { tools: { follow } })
  // Scratch went after it had ended.
  expect([seen, archive.leftovers().scratch]).toEqual([[true, true], []])
})
