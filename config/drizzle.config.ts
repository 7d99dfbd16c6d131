import { defineConfig } from 'drizzle-kit'

/** `npm run migration -- --name what-it-does` writes the next migration from the difference between `*.table.ts` and the last snapshot. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/**/*.table.ts',
  out: './src/db/migrations',
  breakpoints: true,
})
