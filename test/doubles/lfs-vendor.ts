import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gitEnvironment } from './git-fixture.js'
import { run, type GitRan } from './push-client.js'

/** A vendor's checkout with the real git and git-lfs, and a home of its own for what they configure. Remove it afterwards. */
export class LfsVendor {
  readonly folder = mkdtempSync(join(tmpdir(), 'reduit-lfs-vendor-'))
  /** The work tree. */
  readonly work = join(this.folder, 'work')
  readonly environment: NodeJS.ProcessEnv

  /** @param tracked - the pattern of what git-lfs takes. */
  constructor(tracked: string) {
    const home = join(this.folder, 'home')
    mkdirSync(home)
    this.environment = { ...gitEnvironment, HOME: home, GIT_CONFIG_GLOBAL: join(home, '.gitconfig'), GIT_TERMINAL_PROMPT: '0' }
    this.git('init', '-q', '-b', 'main', this.work)
    this.git('lfs', 'install', '--skip-repo')
    this.inWork('lfs', 'install')
    this.inWork('config', 'user.name', 'Ada')
    this.inWork('config', 'user.email', 'ada@example.org')
    this.inWork('lfs', 'track', tracked)
  }

  /** Run git anywhere, as the vendor. @returns what it printed */
  git(...args: readonly string[]): string {
    return execFileSync('git', [...args], { env: this.environment, stdio: 'pipe' }).toString()
  }

  /** Run git in the work tree. @returns what it printed */
  inWork(...args: readonly string[]): string {
    return this.git('-C', this.work, ...args)
  }

  /** Run git in the work tree, whatever comes of it, without stopping the service that runs in this process. */
  ranInWork(...args: readonly string[]): Promise<GitRan> {
    return run('git', ['-C', this.work, ...args], this.environment)
  }

  /** Write a file of the work tree, with its folders. */
  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.work, path)), { recursive: true })
    writeFileSync(join(this.work, path), content)
  }

  /** Commit all that has changed. */
  commit(message: string, ...how: readonly string[]): void {
    this.inWork('add', '-A')
    this.inWork('commit', '-q', '-m', message, ...how)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
