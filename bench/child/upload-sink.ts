// Takes what is uploaded and puts it on the disk: what an upload costs beside everything else. Prints its origin, and serves until it is killed.
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { childInput } from './usage.js'

const { folder } = childInput<{ readonly folder: string }>()

const server = createServer((request, response) => {
  pipeline(request, createWriteStream(join(folder, 'uploaded'), { flush: true })).then(
    () => response.end('stored'),
    () => response.destroy(),
  )
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
