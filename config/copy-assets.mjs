// tsc emits only what it compiles; the SQL migrations, the page that verifies receipts and the files of threads travel beside it.
import { cpSync } from 'node:fs'

cpSync(new URL('../src/db/migrations', import.meta.url), new URL('../dist/src/db/migrations', import.meta.url), { recursive: true })
for (const thread of ['git/second-opinion-worker.mjs', 'crypto/digest-worker.mjs']) {
  cpSync(new URL(`../src/${thread}`, import.meta.url), new URL(`../dist/src/${thread}`, import.meta.url))
}
cpSync(
  new URL('../src/evidence/static-verifier.html', import.meta.url),
  new URL('../dist/src/evidence/static-verifier.html', import.meta.url),
)
