import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runEscrow } from '../../src/cli/program.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { layInDatabase } from './interpose.js'

/** What one command line came to. */
export interface Ended {
  readonly exitCode: number
  readonly out: readonly string[]
  readonly err: readonly string[]
  /** All that was printed. */
  readonly text: string
}

/** A source of the agreement that a home serves. */
export interface HomeSource {
  readonly source: string
  readonly url: string
  /** File with its credential. */
  readonly credentialFile?: string
  /** Further keys of the draft, as YAML. */
  readonly draft?: readonly string[]
}

const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation'] as const
const countries = ['CH', 'DE', 'FR', 'NL', 'AT'] as const

/** Run one command line in this process with a captured terminal. */
export async function escrow(argv: readonly string[], signal: AbortSignal = new AbortController().signal): Promise<Ended> {
  const out: string[] = []
  const err: string[] = []
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    redraw: (text) => void err.push(text),
    interactive: true,
  }
  const exitCode = await runEscrow(argv, terminal, signal)
  return { exitCode, out, err, text: [...out, ...err].join('\n') }
}

/** The home folder of a service with an armed agreement, made by the commands that people type. Remove it afterwards. */
export class ServiceHome {
  readonly home: string
  readonly agreement: string
  /** Everything that any command on this home printed. */
  readonly printed: string[] = []

  private constructor(readonly folder: string) {
    this.home = join(folder, 'service')
    this.agreement = join(folder, 'agreement', 'agreement.json')
  }

  /** Init, keygen, deal, agree, register, accept and arm. */
  static async make(sources: readonly HomeSource[], configure: (yaml: string) => string = (yaml) => yaml): Promise<ServiceHome> {
    const made = new ServiceHome(mkdtempSync(join(tmpdir(), 'reduit-home-')))
    mkdirSync(made.home, { recursive: true, mode: 0o700 })
    await layInDatabase(join(made.home, 'db'))
    await made.partiesAndVault()
    made.configure(configure)
    await made.agree(sources)
    return made
  }

  /** The same home once more, as a copy: for tests that spoil it. Paths in it are relative or of the parties, whom nothing changes. */
  copy(): ServiceHome {
    const folder = mkdtempSync(join(tmpdir(), 'reduit-home-'))
    cpSync(this.folder, folder, { recursive: true, preserveTimestamps: true })
    return new ServiceHome(folder)
  }

  /** Run a command on this home. */
  async run(...argv: readonly string[]): Promise<Ended> {
    const ended = await escrow([...argv, '--home', this.home])
    this.printed.push(ended.text)
    return ended
  }

  /** Run a command on this home that must succeed. */
  async must(...argv: readonly string[]): Promise<Ended> {
    const ended = await this.run(...argv)
    if (ended.exitCode !== 0) throw new Error(`escrow ${argv.join(' ')} ended with ${ended.exitCode}:\n${ended.text}`)
    return ended
  }

  /** Run a command and parse what `--json` prints. */
  async json(...argv: readonly string[]): Promise<{ readonly exitCode: number; readonly json: unknown }> {
    const ended = await this.run(...argv, '--json')
    return { exitCode: ended.exitCode, json: JSON.parse(ended.out.join('\n') || 'null') }
  }

  /** Change the configuration by replacing a piece of its text. */
  configure(change: (yaml: string) => string): void {
    const path = join(this.home, 'escrow.yaml')
    writeFileSync(path, change(readFileSync(path, 'utf8')))
  }

  at(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** The objects of a replica. */
  objects(replica: 'a' | 'b'): string {
    return join(this.home, 'replicas', replica, 'objects')
  }

  /** What lies on scratch; empty when no attempt left anything. */
  scratch(): readonly string[] {
    return filesBelow(join(this.home, 'scratch'))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async partiesAndVault(): Promise<void> {
    await this.must('init', '--origin', 'test.reduit.example/1')
    const keygen = (party: string, role: string, country: string) =>
      this.must('keygen', this.at('parties', party), '--party', party, '--role', role, '--country', country)
    await keygen('vendor', 'depositor', 'US')
    await keygen('partner', 'beneficiary', 'DE')
    for (const [place, party] of custodians.entries()) await keygen(party, 'custodian', countries[place] ?? 'CH')
    const cards = custodians.flatMap((party) => ['--custodian', this.at('parties', party)])
    await this.must('vault', 'deal', this.at('vault'), '--threshold', '3', ...cards)
  }

  /** Write another agreement of the same parties, let them sign it, and try to register it. */
  async registerAnother(sources: readonly HomeSource[]): Promise<Ended> {
    const folder = mkdtempSync(this.at('another-'))
    const agreement = await this.signedAgreement(folder, sources)
    return this.run('agreement', 'register', agreement, '--annex', join(folder, 'annex.age'))
  }

  private async signedAgreement(folder: string, sources: readonly HomeSource[]): Promise<string> {
    const agreement = join(folder, 'agreement.json')
    writeFileSync(this.at('draft.yaml'), draftOf(sources))
    const parties = [join(this.home, 'keys'), ...['vendor', 'partner', ...custodians].map((party) => this.at('parties', party))]
    const create = ['agreement', 'create', '--draft', this.at('draft.yaml'), '--service', join(this.home, 'service.json')]
    const vault = ['--vault', this.at('vault', 'vault.json')]
    await this.must(...create, ...vault, ...parties.flatMap((party) => ['--party', party]), '--out', folder)
    for (const party of ['vendor', 'partner']) await this.must('agreement', 'sign', agreement, '--as', this.at('parties', party))
    return agreement
  }

  private async agree(sources: readonly HomeSource[]): Promise<void> {
    await this.signedAgreement(this.at('agreement'), sources)
    const credentials = sources.flatMap(({ source, credentialFile }) =>
      credentialFile === undefined ? [] : ['--credential', `${source}=${credentialFile}`],
    )
    await this.must('agreement', 'register', this.agreement, '--annex', this.at('agreement', 'annex.age'), ...credentials)
    for (const party of custodians) {
      const shares = [1, 2].flatMap((epoch) => ['--share', this.at('vault', 'shares', `${party}-epoch-${epoch}.age`)])
      const accept = ['vault', 'accept', '--as', this.at('parties', party), '--agreement', this.agreement]
      await this.must(...accept, ...shares, '--out', this.at('acceptances'))
    }
    const acceptances = readdirSync(this.at('acceptances')).map((name) => this.at('acceptances', name))
    await this.must('vault', 'arm', ...acceptances)
  }
}

/** Every file below a folder, relative to it; empty when there is no folder. */
export function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true }).map(String)
  return names.filter((name) => statSync(join(folder, name)).isFile()).sort()
}

function draftOf(sources: readonly HomeSource[]): string {
  return [
    'title: Continuity of the product under test',
    `endsAt: '2099-01-01T00:00:00.000Z'`,
    'retentionDays: 30',
    'sources:',
    ...sources.flatMap(({ source, url, draft = [] }) => [
      `  - source: ${source}`,
      `    url: ${JSON.stringify(url)}`,
      ...draft.map((line) => `    ${line}`),
    ]),
    'jurisdiction:',
    '  storeCountries: [CH]',
    '  storeControlExcluded: [US, CN]',
    '  custodianCountriesMin: 3',
    '  custodianOrganisationsMin: 5',
    '  approverCountries: [CH, DE, FR, NL, AT]',
    '',
  ].join('\n')
}
