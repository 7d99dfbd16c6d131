import { join } from 'node:path'
import { evidenceBytesMax } from '../core/limits.js'
import { evidenceOf } from '../format/statement.js'
import { peekStatement } from '../release/statement-verifier.js'
import { exists, readNamedFile } from './files.js'
import type { StatementFile } from './service-door.js'
import { evidenceFolder } from './sign-statement.js'

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
