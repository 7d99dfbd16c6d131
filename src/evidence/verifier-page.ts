import { readFile } from 'node:fs/promises'

/** The page that verifies one receipt in any browser, without network: it travels with every folder of evidence as `verify.html`. */
export function readVerifierPage(): Promise<Uint8Array> {
  return readFile(new URL('./static-verifier.html', import.meta.url))
}
