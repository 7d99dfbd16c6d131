#!/usr/bin/env node
// A security key in software, behind the command line of `ssh-keygen -Y sign -n <namespace> -f <key>.pub`: it signs as FIDO hardware does
// (PROTOCOL.u2f of OpenSSH), with flags and counter. What it is and how it misbehaves stands in <key>.json beside the public key.
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const argv = process.argv.slice(2)
const after = (option) => argv[argv.indexOf(option) + 1] ?? ''
const path = after('-f')
const state = JSON.parse(readFileSync(path.replace(/\.pub$/, '.json'), 'utf8'))
if (argv[0] !== '-Y' || argv[1] !== 'sign' || state.absent) {
  process.stderr.write("Couldn't sign message: device not found?\n")
  process.exit(255)
}
const string = (value) => {
  const bytes = Buffer.from(value)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}
const sha256 = (bytes) => createHash('sha256').update(bytes).digest()
const [kind, encoded] = readFileSync(path, 'utf8').split(' ')
const namespace = state.namespace ?? after('-n')
const digest = createHash('sha512').update(readFileSync(0)).digest()
const signed = Buffer.concat([Buffer.from('SSHSIG'), ...[namespace, '', 'sha512', digest].map(string)])
const tail = Buffer.alloc(5)
tail.writeUInt8(state.flags ?? 1)
tail.writeUInt32BE(state.counter ?? 7, 1)
const byHardware = Buffer.concat([sha256('ssh:'), tail, sha256(signed)])
const inner = Buffer.concat([...[kind, sign(null, byHardware, createPrivateKey(state.pem))].map(string), tail])
const version = Buffer.from([0, 0, 0, 1])
const blob = Buffer.concat([
  Buffer.from('SSHSIG'),
  version,
  ...[Buffer.from(encoded, 'base64'), namespace, '', 'sha512', inner].map(string),
])
process.stdout.write('Confirm user presence for key\n')
process.stdout.write(
  `-----BEGIN SSH SIGNATURE-----\n${blob.toString('base64').replace(/.{70}(?=.)/g, '$&\n')}\n-----END SSH SIGNATURE-----\n`,
)
