import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GitFixture } from './git-fixture.js'
import type { GitHttpServer } from './git-http-server.js'

/** An LFS server beside a git server on loopback: the batch API and the objects, with faults that a test can switch. */
export class LfsServer {
  /** By oid; what a test changes here is what the server gives. */
  readonly objects = new Map<string, Buffer>()
  /** Bodies of the batch requests, and what the requests for objects carried. */
  readonly batches: { readonly authorization: string | undefined; readonly oids: readonly string[] }[] = []
  readonly downloads: { readonly oid: string; readonly authorization: string | undefined; readonly signature: string | undefined }[] = []
  /** Where objects are said to be; the git server itself when left out. */
  elsewhere: string | null = null
  /** Status of every batch answer. */
  batchStatus = 200

  constructor(private readonly server: GitHttpServer) {
    server.faults.answer = (request, response) => this.#answer(request, response)
  }

  /** Keep an object. @returns its pointer. */
  add(bytes: Buffer): string {
    const oid = createHash('sha256').update(bytes).digest('hex')
    this.objects.set(oid, bytes)
    return pointerOf(bytes)
  }

  #answer(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url ?? '/', this.server.origin)
    if (url.pathname.startsWith('/lfs-objects/')) return this.#object(url.pathname.slice('/lfs-objects/'.length), request, response)
    if (!url.pathname.endsWith('/info/lfs/objects/batch')) return false
    void this.#batch(request, response)
    return true
  }

  async #batch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const blocks: Buffer[] = []
    for await (const block of request) blocks.push(block as Buffer)
    const asked = JSON.parse(Buffer.concat(blocks).toString()) as { objects: { oid: string; size: number }[] }
    this.batches.push({ authorization: request.headers.authorization, oids: asked.objects.map(({ oid }) => oid) })
    response.writeHead(this.batchStatus, { 'content-type': 'application/vnd.git-lfs+json; charset=utf-8' })
    const base = this.elsewhere ?? this.server.origin
    const objects = asked.objects.map(({ oid, size }) =>
      this.objects.has(oid)
        ? { oid, size, actions: { download: { href: `${base}/lfs-objects/${oid}`, header: { 'X-Signature': 'signed' } } } }
        : { oid, size, error: { code: 404, message: 'Object does not exist' } },
    )
    response.end(JSON.stringify({ transfer: 'basic', objects }))
  }

  #object(oid: string, request: IncomingMessage, response: ServerResponse): boolean {
    const signature = request.headers['x-signature'] as string | undefined
    this.downloads.push({ oid, authorization: request.headers.authorization, signature })
    response.end(this.objects.get(oid))
    return true
  }
}

/** What git stores in the place of a file. */
export function pointerOf(bytes: Buffer): string {
  const oid = createHash('sha256').update(bytes).digest('hex')
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n`
}

/** Add a commit with one file to a branch. */
export function commitFile(fixture: GitFixture, branch: string, path: string, content: string): void {
  const exists = fixture.git(['for-each-ref', branch]) !== ''
  const lines = [`commit ${branch}`, `committer Ada <ada@example.org> 1700000000 +0000`, `data ${path.length}\n${path}`]
  if (exists) lines.push(`from ${branch}^0`)
  lines.push(`M 100644 inline ${path}`, `data ${Buffer.byteLength(content)}\n${content}`)
  fixture.git(['fast-import', '--quiet', '--force'], `${lines.join('\n')}\n`)
}
