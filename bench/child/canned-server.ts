// A git remote with 300 refs that answers from memory, so that what a poll costs is ours. Prints its origin; GET /count says how often it was asked.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodePacket, flushPacket } from '../../src/git/pkt-line.js'
import { childInput } from './usage.js'

const { refs } = childInput<{ readonly refs: number }>()
const oid = (number: number) => number.toString(16).padStart(40, '0')
const advertisement = Buffer.concat([
  encodePacket('# service=git-upload-pack\n'),
  flushPacket,
  ...['version 2\n', 'agent=git/2.39.5\n', 'ls-refs=unborn\n', 'fetch=shallow\n', 'object-format=sha1\n'].map(encodePacket),
  flushPacket,
])
const names = Array.from({ length: refs }, (_, number) => `refs/heads/topic-${String(number).padStart(5, '0')}`)
const listing = Buffer.concat([
  encodePacket(`${oid(1)} HEAD symref-target:${names[0]}\n`),
  ...names.map((name, number) => encodePacket(`${oid(number + 1)} ${name}\n`)),
  flushPacket,
])

let asked = 0
const server = createServer((request, response) => {
  if (request.url === '/count') {
    response.end(String(asked))
    return
  }
  asked += 1
  const isListing = request.method === 'POST'
  request.resume().once('end', () => {
    const kind = isListing ? 'result' : 'advertisement'
    response.writeHead(200, { 'content-type': `application/x-git-upload-pack-${kind}` })
    response.end(isListing ? listing : advertisement)
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
