import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import { readBody } from '../../../src/http/read-body.js'

let server: Server | undefined
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)))
  server = undefined
})

const rule = { mediaType: 'application/json', bytesMax: 10 } as const

/** Send a request by hand, in pieces. @returns the code with which reading it ended, or its bytes. */
async function reading(head: string, pieces: readonly string[], timeoutMs = 5000): Promise<string> {
  const read = new Promise<string>((resolve) => {
    server = createServer((request) => {
      readBody(request, rule, timeoutMs).then(
        (bytes) => resolve(Buffer.from(bytes).toString()),
        (error: unknown) => resolve(isEscrowError(error) ? error.code : String(error)),
      )
    })
  })
  await new Promise<void>((resolve) => void server!.listen(0, '127.0.0.1', resolve))
  const socket = connect((server!.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${head}\r\n`)
  for (const piece of pieces) socket.write(piece)
  const ended = await read
  socket.destroy()
  return ended
}

test.for([
  ['content-length: 0\r\n', [''], ''],
  ['content-length: 9\r\n', ['12345', '6789'], '123456789'],
  ['content-length: 10\r\n', ['1234567890'], '1234567890'],
  ['content-length: 11\r\n', [], 'BODY_TOO_LARGE'],
  ['transfer-encoding: chunked\r\n', ['a\r\n1234567890\r\n', '0\r\n\r\n'], '1234567890'],
  ['transfer-encoding: chunked\r\n', ['a\r\n1234567890\r\n', '1\r\n1\r\n'], 'BODY_TOO_LARGE'],
] as const)('%s %s', async ([head, pieces, expected]) => {
  expect(await reading(head, pieces)).toBe(expected)
})

test('who sends a byte now and then does not hold a connection for longer than a body may take', async () => {
  expect(await reading('content-length: 9\r\n', ['1'], 50)).toBe('REQUEST_TIMEOUT')
  expect(await reading('transfer-encoding: chunked\r\n', ['1\r\n1\r\n'], 50)).toBe('REQUEST_TIMEOUT')
})
