import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sshString } from '../../src/crypto/ssh-wire.js'

/** What the software security key does otherwise than it should. */
export interface Misbehaviour {
  /** 0x01 is the touch. */
  readonly flags?: number
  readonly namespace?: string
  /** It is not plugged in. */
  readonly absent?: boolean
}

/** An `sk-ssh-ed25519@openssh.com` key in software; `authenticator.mjs` signs with it in the place of ssh-keygen. */
export class SecurityKey {
  static readonly program = join(import.meta.dirname, 'authenticator.mjs')
  readonly #pem: string

  /** @param path - where its public key will lie; ends in `.pub`. */
  constructor(readonly path: string) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    const kind = 'sk-ssh-ed25519@openssh.com'
    const blob = Buffer.concat([kind, raw, 'ssh:'].map(sshString))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${kind} ${blob.toString('base64')} anna@notary.example\n`)
    this.#pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    this.set({})
  }

  /** How it behaves from now on. */
  set(how: Misbehaviour): void {
    writeFileSync(this.path.replace(/\.pub$/, '.json'), JSON.stringify({ pem: this.#pem, ...how }))
  }

  /** Arguments of `escrow keygen`. */
  get arguments(): readonly string[] {
    return ['--ssh-key', this.path, '--ssh-keygen', SecurityKey.program]
  }

  /** Its line without the comment, as an agreement pins it. */
  get publicKey(): string {
    return readFileSync(this.path, 'utf8').split(' ').slice(0, 2).join(' ')
  }
}
