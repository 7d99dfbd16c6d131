import { createRequire } from 'node:module'

/** The version of this software, for manifests that a depositor makes; `unknown` when its package.json is not where it belongs. */
export function softwareVersion(): string {
  const require = createRequire(import.meta.url)
  // From src/cli in tests and from dist/src/cli in the built program.
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      return (require(path) as { readonly version: string }).version
    } catch {
      continue
    }
  }
  return 'unknown'
}
