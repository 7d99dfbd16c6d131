// Turns the configuration and the agent's key files into what the features declare that they need.
import { Global, Module, type DynamicModule } from '@nestjs/common'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { readSecretFile } from '../config/load.js'
import type { Config } from '../config/schema.js'
import type { Adapters } from './adapters.module.js'
import type { Entropy } from './core/environment.js'
import { EscrowError } from './core/errors.js'
import { AgentKeys } from './escrow/agent-keys.js'
import { EscrowOptions } from './escrow/escrow-options.js'
import { checkpointPolicy } from './format/checkpoint.js'
import { keyFileNames } from './format/key-file.js'
import { formatNoteKey, noteKey, parseNoteKey, signatureType } from './format/note.js'
import { openRemote } from './git/open-remote.js'
import { RemoteOpener } from './git/remote-opener.js'
import { HttpOptions } from './http/http-options.js'
import { LogOptions } from './log/log-options.js'
import { NoticeOptions } from './notice/notice-options.js'
import { VerifyOptions } from './verify/verify-options.js'

const dayMs = 86_400_000
const leaseMs = 60_000
/** Events and tiles are kept at least as long as anything that they prove. */
const logKeptDays = 3650

/** Gives the features their options and the agent's keys. */
@Global()
@Module({})
export class OptionsModule {
  /** @throws EscrowError `KEY_INVALID`, `FILE_UNREADABLE` when the agent's keys cannot be read */
  static async of(adapters: Adapters): Promise<DynamicModule> {
    const keys = await readAgentKeys(adapters.config)
    const logKey = formatNoteKey(noteKey(adapters.config.origin, signatureType.ed25519, keys.logKey.publicKey))
    const holder = holderName(adapters.entropy)
    const providers = [
      { provide: AgentKeys, useValue: keys },
      { provide: EscrowOptions, useValue: escrowOptions(adapters.config, { logKey, holder }) },
      { provide: VerifyOptions, useValue: verifyOptions(adapters.config) },
      { provide: HttpOptions, useValue: { ...adapters.config.http, version: version() } satisfies HttpOptions },
      { provide: NoticeOptions, useValue: await noticeOptions(adapters.config) },
      { provide: LogOptions, useValue: logOptions(adapters.config, { keys, logKey, holder }) },
      {
        provide: RemoteOpener,
        useValue: { open: (url: string, credentialFile?: string) => openRemote(url, adapters.remotes, credentialFile) },
      },
    ]
    return { module: OptionsModule, providers, exports: providers.map(({ provide }) => provide) }
  }
}

function verifyOptions({ fixity }: Config): VerifyOptions {
  return { everyDays: fixity.everyDays, bytesPerSecond: fixity.bytesPerSecond === 0 ? null : fixity.bytesPerSecond }
}

async function readAgentKeys(config: Config): Promise<AgentKeys> {
  const read = (name: string) => readSecretFile(join(config.keysFolder, name))
  const { signing, identity, knownObjects, log } = keyFileNames
  return new AgentKeys({
    signing: await read(signing),
    identity: await read(identity),
    knownObjects: await read(knownObjects),
    log: await read(log),
  })
}

function escrowOptions(config: Config, own: { readonly logKey: string; readonly holder: string }): EscrowOptions {
  return {
    origin: config.origin,
    logKey: own.logKey,
    logOrigin: config.origin,
    witnesses: config.log.witnesses.map((witness) => witness.key),
    witnessQuorum: config.log.witnessQuorum,
    scratch: { root: config.scratch.folder, ephemeral: config.scratch.ephemeral },
    packBytesMax: config.deposit.packBytesMax,
    secondOpinionBytesMax: config.deposit.secondOpinionBytesMax,
    bytesPerDayMax: config.deposit.bytesPerDayMax,
    remoteRules: config.remotes,
    hosts: { atOnce: config.jobs.hostAtOnce, perMinute: config.jobs.hostPerMinute },
    leaseMs,
    lockAheadDays: config.retention.lockAheadDays,
    version: version(),
    holder: own.holder,
  }
}

function logOptions(config: Config, own: { readonly keys: AgentKeys; readonly logKey: string; readonly holder: string }): LogOptions {
  const { witnessQuorum, witnesses } = config.log
  return {
    identity: {
      origin: config.origin,
      signer: own.keys.logKey,
      holder: own.holder,
      retainUntil: (at) => new Date(at.getTime() + logKeptDays * dayMs),
      witnesses: null,
    },
    policy: checkpointPolicy({ origin: config.origin, key: own.logKey, witnessQuorum, witnesses: witnesses.map((witness) => witness.key) }),
    witnessAddresses: witnesses.map(({ url, key }) => ({ url, key: parseNoteKey(key) })),
  }
}

async function noticeOptions({ notices, remotes }: Config): Promise<NoticeOptions> {
  const { smtpUrlFile, from } = notices
  const mail = smtpUrlFile === undefined || from === undefined ? null : { url: await mailUrl(smtpUrlFile), from }
  return { rules: remotes, mail, version: version() }
}

async function mailUrl(file: string): Promise<string> {
  const url = (await readSecretFile(file)).trim()
  if (URL.canParse(url) && ['smtp:', 'smtps:'].includes(new URL(url).protocol)) return url
  throw new EscrowError('CONFIG_INVALID', `expected a URL like smtp://user:password@host:587 in ${file}`)
}

/** Names this process to others; a number of the operating system would come again. */
function holderName(entropy: Entropy): string {
  return `${process.pid}-${Buffer.from(entropy.bytes(6)).toString('hex')}`
}

function version(): string {
  const require = createRequire(import.meta.url)
  // From src/ in tests and from dist/src/ in the built program.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (require(path) as { readonly version: string }).version
    } catch {
      continue
    }
  }
  return 'unknown'
}
