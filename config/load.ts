import { open, type FileHandle } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { EscrowError } from '../src/core/errors.js'
import { configBytesMax, secretBytesMax } from '../src/core/limits.js'
import { configKeys, environmentName, inner, type ConfigKey } from './keys.js'
import { ConfigFile, type Config, type DatabaseConfig, type ReplicaConfig } from './schema.js'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration file of a home folder, unless `ESCROW_CONFIG` names another. */
export const configFileName = 'escrow.yaml'

/** Variables that name places or belong to tests, and override no key. */
const otherVariables = /^ESCROW_(?:HOME|CONFIG|TEST_[A-Z0-9_]+)$/

/** The home folder when nobody names one: `ESCROW_HOME`, or `.reduit` in the user's folder. */
export function defaultHome(environment: Environment = process.env): string {
  return resolve(present(environment['ESCROW_HOME']) ?? join(homedir(), '.reduit'))
}

/**
 * The configuration of a home folder: its file, overridden key by key from the environment (`ESCROW_DEPOSIT_REFS_MAX`), checked as
 * a whole. Relative paths count from the home folder.
 *
 * @throws EscrowError `HOME_MISSING` when there is no file; `CONFIG_INVALID` naming the first key that is wrong, unknown keys and
 * unknown `ESCROW_` variables included; `FILE_UNREADABLE`
 */
export async function loadConfig(home: string, environment: Environment = process.env): Promise<Config> {
  const file = resolve(present(environment['ESCROW_CONFIG']) ?? join(home, configFileName))
  const text = await readText(file, configBytesMax)
  if (text === null) throw new EscrowError('HOME_MISSING', `expected a configuration file at ${file}, got none`)
  return parseConfig(text, { file, home: resolve(home), environment })
}

/** `loadConfig` without its file: the text was read already. @param place.file - for messages. */
export function parseConfig(
  text: string,
  place: { readonly file: string; readonly home: string; readonly environment?: Environment },
): Config {
  const written = overridden(parseYaml(text, place.file), place.environment ?? process.env)
  const parsed = ConfigFile.safeParse(written)
  if (!parsed.success) throw invalid(`${place.file}: ${inWords(parsed.error)}`)
  return absolute(parsed.data, place.home)
}

/**
 * The text of a file that holds a secret. Read at the moment of use, never kept in the configuration.
 *
 * @throws EscrowError `FILE_UNREADABLE` when it is missing, longer than `secretBytesMax` or empty; the message never quotes it.
 */
export async function readSecretFile(path: string): Promise<string> {
  const text = await readText(path, secretBytesMax)
  if (text === null || text.trim() === '') throw new EscrowError('FILE_UNREADABLE', `expected a secret in the file ${path}, got nothing`)
  return text
}

function parseYaml(text: string, file: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, merge: false, version: '1.2' })
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) throw invalid(`${file}: expected YAML: ${fault.message.split('\n', 1)[0] ?? ''}`)
  try {
    // No aliases: a few lines of them can stand for gigabytes.
    const written = document.toJS({ maxAliasCount: 0 }) as unknown
    return written ?? {}
  } catch (cause) {
    throw invalid(`${file}: expected YAML without aliases`, cause)
  }
}

function overridden(written: unknown, environment: Environment): unknown {
  const keys = new Map(configKeys().map((key) => [environmentName(key.path), key]))
  let whole = written
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('ESCROW_') || otherVariables.test(name) || text === undefined) continue
    const key = keys.get(name)
    if (key === undefined) throw invalid(`expected no variable ${name}: it names no key of the configuration`)
    whole = withValue(whole, key.path, valueOf(name, key, text))
  }
  return whole
}

function withValue(group: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  const known = typeof group === 'object' && group !== null && !Array.isArray(group) ? (group as Readonly<Record<string, unknown>>) : {}
  return { ...known, [name]: withValue(known[name], rest, value) }
}

function valueOf(name: string, key: ConfigKey, text: string): unknown {
  const schema = inner(key.schema)
  if (schema instanceof z.ZodNumber) {
    if (!/^\d{1,16}$/.test(text)) throw invalid(`${name}: expected a whole number`)
    return Number(text)
  }
  if (schema instanceof z.ZodBoolean) {
    if (text !== 'true' && text !== 'false') throw invalid(`${name}: expected true or false`)
    return text === 'true'
  }
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(',').map((part) => part.trim())
  return text
}

function absolute(config: ConfigFile, home: string): Config {
  const at = (path: string) => resolve(home, path)
  return {
    ...config,
    home,
    database: databaseAt(config.database, at),
    queue: config.queue.kind === 'redis' ? { ...config.queue, urlFile: at(config.queue.urlFile) } : config.queue,
    replicas: config.replicas.map((replica) => replicaAt(replica, at)),
    notices: config.notices.smtpUrlFile === undefined ? config.notices : { ...config.notices, smtpUrlFile: at(config.notices.smtpUrlFile) },
    scratch: { ...config.scratch, folder: at(config.scratch.folder) },
    keysFolder: at(config.keysFolder),
  }
}

function databaseAt(database: DatabaseConfig, at: (path: string) => string): DatabaseConfig {
  return database.kind === 'pglite' ? { ...database, folder: at(database.folder) } : { ...database, urlFile: at(database.urlFile) }
}

function replicaAt(replica: ReplicaConfig, at: (path: string) => string): ReplicaConfig {
  if (replica.kind === 'folder') return { ...replica, path: at(replica.path) }
  return { ...replica, accessKeyFile: at(replica.accessKeyFile), secretKeyFile: at(replica.secretKeyFile) }
}

function inWords(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return error.message
  const path = issue.path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`), '')
  return `${path === '' ? 'the file' : path.slice(1)}: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`
}

async function readText(path: string, bytesMax: number): Promise<string | null> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const buffer = Buffer.alloc(bytesMax + 1)
    let length = 0
    for (let got = -1; got !== 0 && length < buffer.length; length += got) {
      // Without a position, so that a pipe can be a secret file too.
      got = (await file.read(buffer, length, buffer.length - length)).bytesRead
    }
    if (length > bytesMax) throw new EscrowError('FILE_UNREADABLE', `expected at most ${bytesMax} bytes in ${path}, got more`)
    return buffer.toString('utf8', 0, length)
  } catch (error) {
    if (error instanceof EscrowError) throw error
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null
    throw new EscrowError('FILE_UNREADABLE', `cannot read ${path}`, { cause: error })
  } finally {
    await file?.close()
  }
}

const present = (text: string | undefined) => (text === undefined || text === '' ? undefined : text)
const invalid = (message: string, cause?: unknown) => new EscrowError('CONFIG_INVALID', message, { cause })
