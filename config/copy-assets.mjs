// tsc emits only what it compiles; the SQL migrations, the page that verifies receipts and the file of a thread travel beside it.
import { cpSync } from 'node:fs'

cpSync(new URL('../src/db/migrations', import.meta.url), new URL('../dist/src/db/migrations', import.meta.url), { recursive: true })
cpSync(
  new URL('../src/git/second-opinion-worker.mjs', import.meta.url),
  new URL('../dist/src/git/second-opinion-worker.mjs', import.meta.url),
)
cpSync(
  new URL('../src/evidence/static-verifier.html', import.meta.url),
  new URL('../dist/src/evidence/static-verifier.html', import.meta.url),
)
