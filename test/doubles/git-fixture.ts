import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ObjectFormat } from '../../src/git/git-remote.js'

/** A real repository in a temporary folder, made by the real git. Remove it in `afterAll` or `finally`. */
export class GitFixture {
  readonly folder: string
  /** The bare repository. */
  readonly path: string
  readonly objectFormat: ObjectFormat

  constructor(objectFormat: ObjectFormat = 'sha1') {
    this.folder = mkdtempSync(join(tmpdir(), 'reduit-git-'))
    this.path = join(this.folder, 'repository.git')
    this.objectFormat = objectFormat
    execFileSync('git', ['init', '-q', '--bare', '--template=', '-b', 'main', `--object-format=${objectFormat}`, this.path], {
      env: gitEnvironment,
    })
  }

  /** A repository that `addEveryKindOfRef` has filled. */
  static withEveryKindOfRef(): GitFixture {
    const made = new GitFixture()
    addEveryKindOfRef(made)
    return made
  }

  /** Run git in the repository; returns stdout without its last line feed. */
  git(args: readonly string[], input: string | Uint8Array = ''): string {
    const output = execFileSync('git', ['--git-dir', this.path, ...args], {
      env: gitEnvironment,
      input,
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    return output.toString('utf8').replace(/\n$/, '')
  }

  /**
   * Add commits to a branch, each changing `files` files of about `bytes` bytes. One process, however many.
   *
   * @returns the new tip.
   */
  addCommits(branch: string, count: number, { files = 2, bytes = 200, label = branch } = {}): string {
    const lines: string[] = []
    const exists = this.git(['for-each-ref', branch]) !== ''
    for (let at = 0; at < count; at += 1) {
      lines.push(`commit ${branch}`, `committer Ada <ada@example.org> ${1_700_000_000 + at} +0000`, text(`${label} ${at}\n`))
      if (at === 0 && exists) lines.push(`from ${branch}^0`)
      for (let file = 0; file < files; file += 1)
        lines.push(`M 100644 inline ${label.replaceAll('/', '-')}/file-${file}.txt`, text(content(`${label} ${at} ${file}`, bytes)))
    }
    this.git(['fast-import', '--quiet', '--force'], `${lines.join('\n')}\n`)
    return this.git(['rev-parse', branch])
  }

  /** Point many refs at one object, in one process. */
  addRefs(names: readonly string[], oid: string): void {
    this.git(['update-ref', '--stdin'], names.map((name) => `create ${name} ${oid}\n`).join(''))
  }

  /** Write an object exactly as given, without git's checks. */
  writeRaw(type: 'commit' | 'tree' | 'blob' | 'tag', bytes: string | Uint8Array): string {
    return this.git(['hash-object', '-t', type, '-w', '--literally', '--stdin'], bytes)
  }

  /** Everything `for-each-ref` knows, as `name oid`. */
  refs(): string[] {
    const listed = this.git(['for-each-ref', '--format=%(refname) %(objectname)'])
    return listed === '' ? [] : listed.split('\n')
  }

  /** Delete the folder and all in it. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/**
 * Add every kind of ref that real repositories have: branches with a merge, `a/b`, light and annotated tags, tags of a tag, a blob
 * and a tree, notes, pull requests, a symbolic ref and a HEAD on `main`.
 */
export function addEveryKindOfRef(fixture: GitFixture): void {
  const tip = fixture.addCommits('refs/heads/main', 5)
  fixture.addCommits('refs/heads/a/b', 2)
  const blob = fixture.writeRaw('blob', 'a key\n')
  const tree = fixture.git(['rev-parse', `${tip}^{tree}`])
  const tag = (name: string, target: string): string => {
    fixture.git(['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'tag', '-a', '-m', name, name, target])
    return fixture.git(['rev-parse', `refs/tags/${name}`])
  }
  const inner = tag('v1.0', tip)
  tag('nested', inner)
  tag('of-blob', blob)
  tag('of-tree', tree)
  fixture.addRefs(['refs/tags/light', 'refs/pull/1/head', 'refs/pull/2/merge'], tip)
  fixture.addRefs(['refs/tags/plain-blob'], blob)
  fixture.addRefs(['refs/tags/plain-tree'], tree)
  fixture.addCommits('refs/notes/commits', 1, { files: 1 })
  fixture.git(['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/heads/main'])
}

/** All bytes of a stream, for packs that are small. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** The same bytes as a stream of chunks of one size. */
export async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

/** The environment in which fixtures run git: nothing of the machine's configuration, and the same commits every time. */
export const gitEnvironment: NodeJS.ProcessEnv = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  TZ: 'UTC',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
  GIT_COMMITTER_DATE: '1700000000 +0000',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_AUTHOR_DATE: '1700000000 +0000',
}

function text(value: string): string {
  return `data ${Buffer.byteLength(value)}\n${value}`
}

function content(seed: string, bytes: number): string {
  return `${seed}\n`.repeat(Math.max(1, Math.ceil(bytes / (seed.length + 1))))
}
