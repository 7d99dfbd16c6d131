import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSshUrl } from '../../../src/git/ssh-address.js'
import { sshArguments, startSsh, type SshCall } from '../../../src/git/ssh-command.js'
import { readSshCredential } from '../../../src/git/ssh-credential.js'
import { SshRemote } from '../../../src/git/ssh-remote.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-ssh-'))
  for (const name of ['key', 'known_hosts']) writeFileSync(join(folder, name), 'not looked into')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function credentialFile(text: string): string {
  const path = join(folder, 'credential')
  writeFileSync(path, text)
  return path
}

function call(url = 'ssh://git@git.example:2222/a b.git'): SshCall {
  const address = parseSshUrl(url)
  if (address === null) throw new Error('expected an address')
  return { address, ip: '93.184.216.34', credential: { keyFile: '/k/key', knownHostsFile: '/k/known' }, connectTimeoutMs: 1500 }
}

describe('what ssh is told', () => {
  test('ends with the address and one quoted word behind the command', () => {
    expect(sshArguments(call()).slice(-7)).toEqual(['-p', '2222', '-l', 'git', '--', '93.184.216.34', "git-upload-pack '/a b.git'"])
  })

  test('no ssh is SSH_MISSING', async () => {
    await expect(startSsh({ ...call(), sshProgram: '/nonexistent/ssh' }).ended).rejects.toMatchObject({ code: 'SSH_MISSING' })
  })

  // The messages of OpenSSH 9.2 and of common servers.
  test.each([
    [255, 'Host key verification failed.', 'REMOTE_HOST_KEY'],
    [255, 'git@git.example: Permission denied (publickey).', 'REMOTE_AUTH'],
    [255, 'Load key "/k/key": error in libcrypto\ngit@git.example: Permission denied (publickey).', 'REMOTE_AUTH'],
    [255, 'ssh: connect to host 93.184.216.34 port 22: Connection refused', 'REMOTE_UNREACHABLE'],
    [255, 'ssh: connect to host 93.184.216.34 port 22: Connection timed out', 'REMOTE_TIMEOUT'],
    [255, 'Timeout, server 93.184.216.34 not responding.', 'REMOTE_TIMEOUT'],
    [255, 'kex_exchange_identification: Connection closed by remote host', 'REMOTE_UNREACHABLE'],
    [255, 'something new', 'REMOTE_BROKEN'],
    [128, "fatal: '/a' does not appear to be a git repository", 'REMOTE_NOT_FOUND'],
    [1, 'ERROR: Repository not found.', 'REMOTE_NOT_FOUND'],
    [127, 'sh: 1: git-upload-pack: not found', 'REMOTE_BROKEN'],
    [3, '', 'REMOTE_BROKEN'],
  ])('an end with %i and %j is %s, without the paths of our keys', async (code, words, expected) => {
    const sshProgram = join(folder, 'pretender')
    writeFileSync(sshProgram, `#!/bin/sh\ncat >&2 <<'E'\n${words}\nE\nexit ${code}\n`)
    chmodSync(sshProgram, 0o755)
    const fault = (await startSsh({ ...call(), sshProgram }).ended.catch((error: unknown) => error)) as Error
    expect(fault).toMatchObject({ code: expected })
    expect(fault.message).not.toContain('/k/key')
  })
})

describe('a credential for ssh', () => {
  test('names two files, from its own folder or from anywhere', async () => {
    const files = { keyFile: join(folder, 'key'), knownHostsFile: join(folder, 'known_hosts') }
    expect(await readSshCredential(credentialFile('key key\nknown-hosts known_hosts\n'))).toEqual(files)
    expect(await readSshCredential(credentialFile(`key ${files.keyFile}\r\nknown-hosts ./known_hosts`))).toEqual(files)
  })

  test.each([
    '',
    'a-token',
    'key key',
    'known-hosts known_hosts\n',
    'key absent\nknown-hosts known_hosts\n',
    'key key\nknown-hosts absent\n',
    'key key\nknown-hosts known_hosts\nproxy x\n',
    'key \nknown-hosts known_hosts\n',
    'key a b\nknown-hosts known_hosts\n',
    'key %d/key\nknown-hosts known_hosts\n',
    'key ${HOME}/key\nknown-hosts known_hosts\n',
    'key key"\nknown-hosts known_hosts\n',
    `key ${'k'.repeat(5000)}\nknown-hosts known_hosts\n`,
  ])('%j is refused', async (text) => {
    await expect(readSshCredential(credentialFile(text))).rejects.toMatchObject({ code: 'REMOTE_AUTH' })
  })

  test('none at all is refused, and so is a file that is not there', async () => {
    await expect(readSshCredential(undefined)).rejects.toMatchObject({ code: 'REMOTE_AUTH' })
    await expect(readSshCredential(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'REMOTE_AUTH' })
  })
})

describe('addresses', () => {
  const remote = (addresses: readonly string[], allowPrivateAddresses: boolean) => {
    const sshProgram = join(folder, 'refusing')
    writeFileSync(sshProgram, `#!/bin/sh\necho "$@" >>${join(folder, 'calls')}\necho "Connection refused" >&2\nexit 255\n`)
    chmodSync(sshProgram, 0o755)
    writeFileSync(join(folder, 'calls'), '')
    return new SshRemote({
      address: call().address,
      credentialFile: credentialFile('key key\nknown-hosts known_hosts\n'),
      allowPrivateAddresses,
      sshProgram,
      resolver: async () => addresses,
    })
  }
  const called = () => execFileSync('cat', [join(folder, 'calls')], { encoding: 'utf8' }).match(/(?<= -- )\S+/g) ?? []

  test.each([
    [['127.0.0.1'], false],
    [['93.184.216.34', '10.0.0.1'], false],
    [['169.254.169.254'], true],
  ])('of a name that leads to %j are refused before ssh starts', async (addresses, allowPrivate) => {
    await expect(remote(addresses, allowPrivate).listRefs()).rejects.toMatchObject({ code: 'REMOTE_ADDRESS_REFUSED' })
    expect(called()).toEqual([])
  })

  test('are tried in turn while nobody is there, and not for ever', async () => {
    const addresses = ['93.184.216.34', '2606:4700::1111', '1.1.1.1', '1.0.0.1', '8.8.8.8']
    await expect(remote(addresses, false).listRefs()).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' })
    expect(called()).toEqual(addresses.slice(0, 4))
    await expect(remote([], false).listRefs()).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' })
  })

  test('that cannot be found are REMOTE_UNREACHABLE', async () => {
    const lost = new SshRemote({
      address: call().address,
      credentialFile: credentialFile('key key\nknown-hosts known_hosts\n'),
      allowPrivateAddresses: false,
      resolver: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
    })
    await expect(lost.listRefs()).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' })
  })
})
