import { EXIT_MEANINGS } from './exit-code.js'

/** The commands of each party, in the order in which it meets them. */
export const beginnings = [
  ['operator', 'init, agreement register, vault arm, mirror or serve, check, evidence'],
  ['depositor', 'keygen, vault deal, agreement create, agreement sign, deposit or git push, completeness, explain'],
  ['beneficiary', 'keygen, agreement sign, verify, completeness, request, download, open'],
  ['custodian', 'keygen, vault accept, vault health, inbox, approve or refuse, release-share'],
  ['witness', 'witness, attest-outage'],
] as const

/** What stands below the list of commands in `escrow --help`. */
export function helpEpilogue(): string {
  const codes = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`)
  return [
    '',
    'Exit codes:',
    ...codes,
    '',
    'Where to begin:',
    ...beginnings.map(([who, commands]) => `  ${who.padEnd(11)}  ${commands}`),
    '',
    'A first walk: `escrow demo`. Formats and recovery without this program: docs/formats, docs/RECOVERY.md.',
  ].join('\n')
}
