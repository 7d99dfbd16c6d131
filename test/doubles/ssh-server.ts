import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

export interface SshServerWish {
  /** Whether it takes GIT_PROTOCOL from clients; one that does not makes git speak version 0. */
  readonly protocol2?: boolean
  /** Run in the place of what the client asks for. */
  readonly forceCommand?: string
}

/** A real `sshd` on loopback, with a host key and one client key that were made for it. It lets in the user that runs the tests. */
export class SshServer {
  readonly user = userInfo().username
  readonly folder: string
  readonly port: number
  readonly #child: ChildProcess

  private constructor(folder: string, port: number, child: ChildProcess) {
    this.folder = folder
    this.port = port
    this.#child = child
  }

  static async start(wish: SshServerWish = {}): Promise<SshServer> {
    if (!existsSync(sshd)) throw new Error(`expected ${sshd}: install openssh-server, as test/services/run.sh does`)
    const folder = mkdtempSync(join(tmpdir(), 'reduit-ssh-'))
    for (const key of ['host', 'client', 'stranger'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, key)])
    const port = await freePort()
    writeFileSync(join(folder, 'authorized'), readFileSync(join(folder, 'client.pub')))
    writeFileSync(join(folder, 'config'), configOf(folder, port, wish))
    // It drops privileges into this folder when root runs it.
    if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    const child = spawn(sshd, ['-D', '-e', '-f', join(folder, 'config')], { stdio: ['ignore', 'ignore', 'pipe'] })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.once('exit', () => reject(new Error(`sshd ended: ${said}`)))
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('Server listening on')) resolve()
      })
    })
    const server = new SshServer(folder, port, child)
    server.knowHost('known_hosts', 'host')
    return server
  }

  /** URL of a repository at an absolute path. */
  url(path: string): string {
    return `ssh://${this.user}@127.0.0.1:${this.port}${path}`
  }

  /** Write a known_hosts file that says that our host has the key of that name. */
  knowHost(file: string, key: string, host = '127.0.0.1'): void {
    writeFileSync(join(this.folder, file), `[${host}]:${this.port} ${readFileSync(join(this.folder, `${key}.pub`), 'utf8')}`)
  }

  /** A credential file for the service. */
  credential(key = 'client', knownHosts = 'known_hosts'): string {
    const path = join(this.folder, `credential-${key}-${knownHosts}`)
    writeFileSync(path, `key ${key}\nknown-hosts ${knownHosts}\n`)
    chmodSync(path, 0o600)
    return path
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL')
      await once(this.#child, 'exit')
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const sshd = '/usr/sbin/sshd'

function configOf(folder: string, port: number, { protocol2 = true, forceCommand }: SshServerWish): string {
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'LogLevel INFO',
    ...(protocol2 ? ['AcceptEnv GIT_PROTOCOL'] : []),
    ...(forceCommand === undefined ? [] : [`ForceCommand ${forceCommand}`]),
  ]
  return `${lines.join('\n')}\n`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
