// tsc emits only what it compiles; the SQL migrations travel beside it.
import { cpSync } from 'node:fs'

cpSync(new URL('../src/db/migrations', import.meta.url), new URL('../dist/src/db/migrations', import.meta.url), { recursive: true })
