import type { IncomingMessage } from 'node:http'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { logHeadBytesMax } from '../core/limits.js'
import { LogHeadStore } from './log-head-store.js'
import { parseObjectKey } from './object-key.js'
import { S3Connection, type S3Address } from './s3-connection.js'
import { s3CodeOf } from './s3-fault.js'

/** ADAPTER: the unlocked place of checkpoint and partial tiles in a bucket of its own: a bucket default would lock every version. */
export class S3LogHeadStore extends LogHeadStore {
  private readonly connection: S3Connection

  /** @throws EscrowError `CONFIG_INVALID` */
  constructor(address: S3Address) {
    super()
    this.connection = new S3Connection(address)
  }

  async read(name: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    const key = parseObjectKey(name)
    const call = { doing: `read ${key}`, signal, repeatable: true, streamed: true }
    try {
      return await this.connection.call(call, async (client) =>
        collect(key, (await client.getObject(this.connection.bucket, key)) as IncomingMessage),
      )
    } catch (error) {
      // GET names a missing bucket by a code of its own, so this is the object.
      if (isEscrowError(error, 'OBJECT_MISSING') && s3CodeOf(error) === 'NoSuchKey') return null
      throw error
    }
  }

  async write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const key = parseObjectKey(name)
    const payload = Buffer.from(bytes)
    if (payload.length > logHeadBytesMax)
      throw new EscrowError('STORE_REFUSED', `${key} has ${payload.length} bytes, more than any log head`)
    const call = { doing: `write ${key}`, signal, repeatable: true }
    await this.connection.call(call, (client) => client.putObject(this.connection.bucket, key, payload, payload.length, {}))
  }
}

async function collect(key: string, response: IncomingMessage): Promise<Uint8Array> {
  const blocks: Buffer[] = []
  let sizeBytes = 0
  for await (const block of response as AsyncIterable<Buffer>) {
    sizeBytes += block.length
    if (sizeBytes > logHeadBytesMax) throw new EscrowError('STORE_REFUSED', `${key} is longer than any log head`)
    blocks.push(block)
  }
  const announced = Number(response.headers['content-length'])
  if (sizeBytes !== announced) throw new EscrowError('STORE_UNREACHABLE', `${key} ended after ${sizeBytes} bytes, expected ${announced}`)
  return Buffer.concat(blocks)
}
