import { defineConfig } from 'vitest/config'
import { testFolder } from './test-folder.js'

const closingLine = new URL('./closing-line-reporter.ts', import.meta.url).pathname

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.services.test.ts', 'test/**/*.slow.test.ts'],
    // One module graph for a worker: a process per file would import Nest, drizzle and PGlite again for each.
    isolate: false,
    pool: 'forks',
    // Vitest leaves one of two cores idle otherwise.
    maxWorkers: 2,
    testTimeout: 60_000,
    // A hook may make the first database of a machine that is busy with other things.
    hookTimeout: 120_000,
    env: { TZ: 'UTC', LANG: 'C.UTF-8', ...testFolder() },
    reporters: ['default', closingLine],
  },
})
