import { join } from 'node:path'
import { evidenceBytesMax } from '../../core/limits.js'
import { evidenceOf } from '../../format/statement.js'
import { peekStatement } from '../../release/rules/statement-verifier.js'
import { exists, readNamedFile } from '../files.js'
import { evidenceFolder } from './sign-statement.js'

/** A signed statement, and the file it came from: its evidence lies beside it. */
export interface StatementFile {
  readonly bytes: Uint8Array
  readonly file: string
}

/** The documents that lie beside a statement's file, each named by its digest; those that are not there are left out. */
export async function* evidenceBeside({
  bytes,
  file,
}: StatementFile): AsyncIterable<{ readonly statement: string; readonly bytes: Uint8Array }> {
  const { statement, digest } = peekStatement(bytes)
  for (const { sha256 } of evidenceOf(statement)) {
    const path = join(evidenceFolder(file), sha256)
    if (await exists(path)) yield { statement: digest, bytes: await readNamedFile(path, evidenceBytesMax) }
  }
}
