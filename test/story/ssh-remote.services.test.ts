// Remotes behind a real sshd on loopback, with keys made for it: it lets in whoever runs the tests, by key and by nothing else.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EscrowError } from '../../src/core/errors.js'
import type { GitRemote } from '../../src/git/git-remote.js'
import { CapabilityCache } from '../../src/git/http-remote.js'
import { HttpTransport } from '../../src/git/http-transport.js'
import { indexPack } from '../../src/git/index-pack.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { openRemote } from '../../src/git/open-remote.js'
import { initRepository } from '../../src/git/scratch-repository.js'
import { parseSshUrl } from '../../src/git/ssh-address.js'
import { sshArguments } from '../../src/git/ssh-command.js'
import { addEveryKindOfRef, collect, GitFixture } from '../doubles/git-fixture.js'
import { GitHttpServer } from '../doubles/git-http-server.js'
import { allowLoopback, EscrowHome, pulled } from '../doubles/escrow-home.js'
import { SshServer } from '../doubles/ssh-server.js'

const transport = new HttpTransport({ rules: { allowHttp: false, allowPrivateAddresses: true, allowLocalPaths: false } })
const fixture = new GitFixture()
const folder = mkdtempSync(join(tmpdir(), 'reduit-ssh-test-'))
let server: SshServer

beforeAll(async () => {
  addEveryKindOfRef(fixture)
  server = await SshServer.start()
})
afterAll(async () => {
  await server?.stop()
  fixture.remove()
  transport.close()
  rmSync(folder, { recursive: true, force: true })
})

function remote(url: string, credential: string | undefined = server.credential(), idleTimeoutMs = 20_000): GitRemote {
  const rules = { allowHttp: false, allowPrivateAddresses: true, allowLocalPaths: false }
  return openRemote(url, { rules, transport, cache: new CapabilityCache(), idleTimeoutMs }, credential)
}

async function failure(promise: Promise<unknown>): Promise<EscrowError> {
  return promise.then(
    () => Promise.reject(new Error('expected a failure')),
    (error: EscrowError) => error,
  )
}

test('what ssh is told is everything: no file of the user, no agent, no question, no program, no forwarding', () => {
  const address = parseSshUrl('ssh://git@git.example:2222/a')
  if (address === null) throw new Error('expected an address')
  const credential = { keyFile: '/k/key', knownHostsFile: '/k/known' }
  const args = sshArguments({ address, ip: '93.184.216.34', credential, connectTimeoutMs: 1500 })
  // -G prints the settings that would be in force, and connects to nobody.
  const said = execFileSync('ssh', ['-G', ...args.slice(0, args.indexOf('--')), '93.184.216.34'], { encoding: 'utf8' })
  const settings = new Map(said.trim().split('\n').map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)])) // prettier-ignore
  expect(Object.fromEntries(settings)).toMatchObject({
    hostname: '93.184.216.34',
    hostkeyalias: '[git.example]:2222',
    port: '2222',
    user: 'git',
    batchmode: 'yes',
    stricthostkeychecking: 'true',
    userknownhostsfile: '/k/known',
    globalknownhostsfile: '/dev/null',
    identityfile: '/k/key',
    identitiesonly: 'yes',
    identityagent: 'none',
    forwardagent: 'no',
    forwardx11: 'no',
    clearallforwardings: 'yes',
    permitlocalcommand: 'no',
    controlmaster: 'false',
    updatehostkeys: 'false',
    connecttimeout: '2',
    preferredauthentications: 'publickey',
    sendenv: 'GIT_PROTOCOL',
  })
  for (const program of ['proxycommand', 'proxyjump', 'localcommand', 'knownhostscommand', 'controlpath'])
    expect(settings.get(program) ?? 'none').toBe('none')
})

describe.each([
  ['that takes version 2', true],
  ['of version 0, because it takes no GIT_PROTOCOL', false],
])('a server %s', (_name, protocol2) => {
  let own: SshServer
  beforeAll(async () => {
    own = await SshServer.start({ protocol2 })
  })
  afterAll(() => own?.stop())

  test('lists the refs, and gives packs that stand alone', async () => {
    const behind = remote(own.url(fixture.path), own.credential())
    const listing = await behind.listRefs()
    const local = await new LocalRemote({ path: fixture.path }).listRefs()
    // Only version 2 says which refs besides HEAD are symbolic.
    const words = protocol2 ? local.refs : local.refs.map(({ symref: _symref, ...ref }) => ref)
    expect(listing).toEqual({ ...local, refs: words })
    const wants = listing.refs.map(({ oid }) => oid)
    const gitDir = mkdtempSync(join(folder, 'scratch-'))
    await initRepository(gitDir, 'sha1')
    const pack = behind.fetchPack({ objectFormat: 'sha1', wants, haves: [] })
    const indexed = await indexPack(pack, { gitDir, objectFormat: 'sha1', check: 'full', packBytesMax: 1e9 })
    expect(indexed.objectCount).toBe(fixture.git(['rev-list', '--objects', '--all']).split('\n').length)
    const tip = fixture.addCommits('refs/heads/next', 2)
    const added = await collect(behind.fetchPack({ objectFormat: 'sha1', wants: [tip], haves: wants }))
    expect(added.subarray(0, 4).toString()).toBe('PACK')
  })
})

test('deposits over ssh and from old servers are full, then incremental, and open to the same repository', async () => {
  const source = new GitFixture()
  addEveryKindOfRef(source)
  const [old, web] = [await SshServer.start({ protocol2: false }), await GitHttpServer.start(source.folder)]
  web.faults.protocol = 'version=0'
  const urls = { ssh: server.url(source.path), 'ssh-old': old.url(source.path), 'http-old': `${web.origin}/repository.git` }
  const names = Object.keys(urls)
  const home = await EscrowHome.make(
    Object.entries(urls).flatMap(([name, url]) => pulled(name, url)),
    { configure: allowLoopback, credentials: { ssh: server.credential(), 'ssh-old': old.credential() } },
  )
  try {
    const mirror = async () => {
      const mirrored = await home.json<{ sources: { source: string; outcome: string; manifest?: { kind: string } }[] }>('mirror')
      return mirrored.sources.map(({ source: name, outcome, manifest }) => `${name} ${outcome} ${manifest?.kind ?? ''}`.trim())
    }
    const all = (end: string) => names.map((name) => `${name} ${end}`).sort()
    expect((await mirror()).sort()).toEqual(all('deposited full'))
    source.addCommits('refs/heads/main', 2, { label: 'second' })
    expect((await mirror()).sort()).toEqual(all('deposited incremental'))
    expect((await mirror()).sort()).toEqual(all('unchanged'))
    const shares = await home.release()
    for (const name of names) {
      await home.must(...home.opening(home.replica, name), ...shares, '--to', home.at(`${name}.git`))
      const restored = execFileSync('git', ['--git-dir', home.at(`${name}.git`), 'for-each-ref', '--format=%(refname) %(objectname)'])
      expect(restored.toString().trim().split('\n')).toEqual(source.refs())
    }
    // Nothing that was printed tells where the keys are.
    expect(home.printed.join('\n')).not.toContain(join(server.folder, 'client'))
  } finally {
    await old.stop()
    await web.close()
    await home.remove()
    source.remove()
  }
})

describe('who may come in, and who may answer', () => {
  test('a key that the host does not know is REMOTE_AUTH', async () => {
    expect(await failure(remote(server.url(fixture.path), server.credential('stranger')).listRefs())).toMatchObject({ code: 'REMOTE_AUTH' })
  })

  test('a host that proves itself by another key than known is REMOTE_HOST_KEY, and so is one that nobody knows', async () => {
    server.knowHost('forged_hosts', 'stranger')
    writeFileSync(join(server.folder, 'no_hosts'), '')
    for (const known of ['forged_hosts', 'no_hosts']) {
      const error = await failure(remote(server.url(fixture.path), server.credential('client', known)).listRefs())
      expect(error.code).toBe('REMOTE_HOST_KEY')
      expect(error.message).not.toContain(server.folder)
      expect(readFileSync(join(server.folder, known), 'utf8')).not.toContain(readFileSync(join(server.folder, 'host.pub'), 'utf8').trim())
    }
  })

  test('a host is known by its name although its address is what we connect to', async () => {
    const named = `ssh://${server.user}@localhost:${server.port}${fixture.path}`
    expect((await failure(remote(named).listRefs())).code).toBe('REMOTE_HOST_KEY')
    server.knowHost('named_hosts', 'host', 'localhost')
    expect((await remote(named, server.credential('client', 'named_hosts')).listRefs()).refs.length).toBeGreaterThan(5)
  })

  test('a private address is refused unless it is allowed, by name too', async () => {
    const rules = { allowHttp: false, allowPrivateAddresses: false, allowLocalPaths: false }
    const strict = (host: string) =>
      openRemote(`ssh://git@${host}:${server.port}/a`, { rules, transport, cache: new CapabilityCache() }, server.credential())
    expect(() => strict('127.0.0.1')).toThrow(expect.objectContaining({ code: 'REMOTE_ADDRESS_REFUSED' }))
    expect((await failure(strict('localhost').listRefs())).code).toBe('REMOTE_ADDRESS_REFUSED')
  })
})

describe('what goes wrong', () => {
  test('a repository that is not there is REMOTE_NOT_FOUND', async () => {
    expect((await failure(remote(server.url('/nowhere/a.git')).listRefs())).code).toBe('REMOTE_NOT_FOUND')
  })

  test('nobody at the port is REMOTE_UNREACHABLE', async () => {
    const gone = await SshServer.start()
    const [url, credential] = [gone.url(fixture.path), join(folder, 'credential')]
    writeFileSync(credential, readFileSync(server.credential(), 'utf8').replaceAll(/ (\S+)/g, ` ${server.folder}/$1`))
    await gone.stop()
    expect((await failure(remote(url, credential).listRefs())).code).toBe('REMOTE_UNREACHABLE')
  })

  test('a quote in a path stays a quote', async () => {
    const owned = join(folder, 'owned')
    for (const path of [`/a;touch ${owned}`, `/a$(touch ${owned})`, `/a\`touch ${owned}\``, `/a'; touch ${owned}; '`])
      expect(() => remote(server.url(encodeURI(path)))).toThrow(expect.objectContaining({ code: 'REMOTE_URL' }))
    await failure(remote(server.url(`/a b, touch ${owned}`)).listRefs())
    expect(existsSync(owned)).toBe(false)
  })

  test.each([
    ['greets people and not git', "echo 'welcome to this machine'", 'REMOTE_PROTOCOL'],
    ['says why it will not', "echo 'no quarter given' >&2; exit 3", 'REMOTE_BROKEN'],
    ['says nothing for ever', 'sleep 60', 'REMOTE_TIMEOUT'],
    ['never ends', 'yes 0004', 'REMOTE_PROTOCOL'],
  ])('a server that %s is %s', async (_name, forceCommand, code) => {
    const odd = await SshServer.start({ forceCommand })
    try {
      const error = await failure(remote(odd.url('/a'), odd.credential(), 3000).listRefs())
      expect(error.code).toBe(code)
      if (forceCommand.includes('quarter')) expect(error.message).toContain('no quarter given')
    } finally {
      await odd.stop()
    }
  })

  test('a server that dies in the middle of a pack is REMOTE_BROKEN, never a short pack', async () => {
    const script = join(folder, 'cut')
    writeFileSync(script, '#!/bin/sh\nsh -c "$SSH_ORIGINAL_COMMAND" | { dd bs=1 count=4000 2>/dev/null; kill -KILL $PPID; }\n')
    chmodSync(script, 0o755)
    const big = new GitFixture()
    const tip = big.addCommits('refs/heads/main', 200)
    const odd = await SshServer.start({ forceCommand: script })
    try {
      const pack = collect(remote(odd.url(big.path), odd.credential()).fetchPack({ objectFormat: 'sha1', wants: [tip], haves: [] }))
      expect((await failure(pack)).code).toBe('REMOTE_BROKEN')
    } finally {
      await odd.stop()
      big.remove()
    }
  })

  test('an abort ends the wait, and ssh with it', async () => {
    const odd = await SshServer.start({ forceCommand: 'sleep 60' })
    try {
      const stop = new AbortController()
      const waiting = remote(odd.url('/a'), odd.credential()).listRefs(stop.signal)
      setTimeout(() => stop.abort(new Error('enough')), 500)
      await expect(waiting).rejects.toThrow('enough')
      expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(`-p ${odd.port} -l`)
    } finally {
      await odd.stop()
    }
  })
})
