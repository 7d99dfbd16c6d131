import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runEscrow } from '../../src/cli/program.js'
import { databasesInMemory, layInDatabase } from './interpose.js'

/** What a command line came to. */
export interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** What an agreement has beside the everyday one. */
export interface ReleaseDraft {
  readonly parties: readonly (readonly [party: string, role: string, country: string])[]
  readonly release: readonly string[]
  /** Further arguments of somebody's `keygen`; the folder is the home's. */
  readonly keygen?: (party: string, folder: string) => readonly string[]
}

const noTerms: ReleaseDraft = { parties: [], release: [] }
const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation'] as const
const countries = ['CH', 'DE', 'FR', 'NL', 'AT'] as const

/** A service, its parties and one agreement, made by nothing but `escrow` command lines in this process. */
export class EscrowHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'reduit-home-'))
  readonly home = join(this.folder, 'service')
  readonly agreement = join(this.folder, 'agreement', 'agreement.json')
  #undo: () => Promise<void> = async () => undefined

  /**
   * Init, keys, deal, agree, register, accept, arm.
   *
   * @param sources - lines of a draft's `sources`.
   * @param config - gives the text of the configuration; the laptop footprint when left out.
   * @param terms - further parties as name, role and country, and lines of the draft's `release`.
   * @param database - `folder` for tests that look at the database's folder.
   */
  static async make(
    sources: readonly string[],
    config?: (folder: string) => string,
    terms: ReleaseDraft = noTerms,
    database: 'memory' | 'folder' = 'memory',
  ): Promise<EscrowHome> {
    const made = new EscrowHome()
    try {
      // Opening a database folder is most of what a command costs.
      if (config === undefined && database === 'memory') made.#undo = databasesInMemory()
      await made.makeParties(terms, config)
      await made.deal()
      await made.agree(sources, terms)
      await made.arm()
    } catch (error) {
      await made.remove()
      throw error
    }
    return made
  }

  /** A path below the folder. */
  at(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** Run a command line on the home folder, whatever comes of it. */
  async run(...argv: readonly string[]): Promise<Ran> {
    const [out, err]: [string[], string[]] = [[], []]
    const terminal = {
      out: (line: string) => void out.push(line),
      err: (line: string) => void err.push(line),
      redraw: () => undefined,
      interactive: false,
    }
    const exitCode = await runEscrow(['--home', this.home, ...argv], terminal, new AbortController().signal)
    return { exitCode, out: out.join('\n'), err: err.join('\n') }
  }

  /** Run a command line at a terminal that somebody interrupts as soon as it shows a certain line. */
  async runUntil(stop: AbortController, seen: (line: string) => boolean, argv: readonly string[]): Promise<Ran> {
    const err: string[] = []
    const redraw = (line: string) => {
      if (seen(line)) stop.abort()
    }
    const terminal = { out: () => undefined, err: (line: string) => void err.push(line), redraw, interactive: true }
    const exitCode = await runEscrow(['--home', this.home, ...argv], terminal, stop.signal)
    return { exitCode, out: '', err: err.join('\n') }
  }

  /** Run a command line that must succeed. */
  async must(...argv: readonly string[]): Promise<string> {
    const ran = await this.run(...argv)
    if (ran.exitCode !== 0) throw new Error(`escrow ${argv.join(' ')} ended with ${ran.exitCode}: ${ran.out}\n${ran.err}`)
    return ran.out
  }

  /** Run a command line with `--json`. */
  async json<T>(...argv: readonly string[]): Promise<T> {
    return JSON.parse(await this.must('--json', ...argv)) as T
  }

  party(name: string): string {
    return this.at('parties', name)
  }

  share(party: string, epoch = 1): string {
    return this.at('vault', 'shares', `${party}-epoch-${epoch}.age`)
  }

  /** Release shares of some custodians to the partner. @returns arguments for `open`. */
  async release(names: readonly string[] = custodians.slice(1, 4), epoch = 1): Promise<readonly string[]> {
    const files: string[] = []
    for (const name of names) {
      const out = this.at('released', `${name}-${epoch}.age`)
      const release = ['share', 'release', '--as', this.party(name), '--agreement', this.agreement, '--share', this.share(name, epoch)]
      if (!files.includes(out)) await this.run(...release, '--to', 'partner', '--out', out)
      files.push(out)
    }
    return files.flatMap((file) => ['--share', file])
  }

  /** Arguments of `open` but shares and target. */
  opening(from: string, source = 'product'): readonly string[] {
    return ['open', '--as', this.party('partner'), '--agreement', this.agreement, '--from', from, '--source', source]
  }

  /** The objects of the first replica. */
  get replica(): string {
    return join(this.home, 'replicas', 'a', 'objects')
  }

  async remove(): Promise<void> {
    await this.#undo()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async makeParties(terms: ReleaseDraft, config?: (folder: string) => string): Promise<void> {
    if (config === undefined) {
      await layInDatabase(join(this.home, 'db'))
      await this.must('init', '--origin', 'test.example/1')
    } else {
      writeFileSync(this.at('escrow.yaml'), config(this.folder))
      await this.must('init', '--config', this.at('escrow.yaml'))
    }
    const keygen = (party: string, role: string, country: string) =>
      this.must(
        'keygen',
        this.party(party),
        '--party',
        party,
        '--role',
        role,
        '--country',
        country,
        ...(terms.keygen?.(party, this.folder) ?? []),
      )
    await keygen('vendor', 'depositor', 'US')
    await keygen('partner', 'beneficiary', 'DE')
    for (const [place, party] of custodians.entries()) await keygen(party, 'custodian', countries[place]!)
    for (const [party, role, country] of terms.parties) await keygen(party, role, country)
  }

  /** Another agreement of the same parties, with a vault of its own. @returns its file. */
  async another(sources: readonly string[], name: string): Promise<string> {
    await this.deal(`vault-${name}`)
    await this.agree(sources, noTerms, { vault: `vault-${name}`, agreement: `agreement-${name}` })
    await this.arm({ vault: `vault-${name}`, agreement: `agreement-${name}`, acceptances: `acceptances-${name}` })
    return this.at(`agreement-${name}`, 'agreement.json')
  }

  private async deal(vault = 'vault'): Promise<void> {
    const cards = custodians.flatMap((party) => ['--custodian', this.party(party)])
    await this.must('vault', 'deal', this.at(vault), '--threshold', '3', ...cards)
  }

  private async agree(
    sources: readonly string[],
    terms: ReleaseDraft,
    folders = { vault: 'vault', agreement: 'agreement' },
  ): Promise<void> {
    writeFileSync(this.at('draft.yaml'), draft(sources, terms))
    const others = terms.parties.map(([party]) => party)
    const parties = [join(this.home, 'keys'), ...['vendor', 'partner', ...custodians, ...others].map((party) => this.party(party))]
    const create = ['agreement', 'create', '--draft', this.at('draft.yaml'), '--service', join(this.home, 'service.json')]
    const cards = parties.flatMap((party) => ['--party', party])
    const agreement = this.at(folders.agreement, 'agreement.json')
    await this.must(...create, '--vault', this.at(folders.vault, 'vault.json'), ...cards, '--out', this.at(folders.agreement))
    const beneficiaries = terms.parties.filter(([, role]) => role === 'beneficiary').map(([party]) => party)
    for (const party of ['vendor', 'partner', ...beneficiaries]) await this.must('agreement', 'sign', agreement, '--as', this.party(party))
    await this.must('agreement', 'register', agreement, '--annex', this.at(folders.agreement, 'annex.age'))
  }

  private async arm(folders = { vault: 'vault', agreement: 'agreement', acceptances: 'acceptances' }): Promise<void> {
    const agreement = this.at(folders.agreement, 'agreement.json')
    for (const party of custodians) {
      const shares = [1, 2].flatMap((epoch) => ['--share', this.at(folders.vault, 'shares', `${party}-epoch-${epoch}.age`)])
      const accept = ['vault', 'accept', '--as', this.party(party), '--agreement', agreement, ...shares]
      await this.must(...accept, '--out', this.at(folders.acceptances, party))
    }
    const files = custodians.flatMap((party) =>
      readdirSync(this.at(folders.acceptances, party)).map((name) => this.at(folders.acceptances, party, name)),
    )
    await this.must('vault', 'arm', ...files)
  }
}

function draft(sources: readonly string[], terms: ReleaseDraft): string {
  return [
    'title: Continuity of the test product',
    `endsAt: '2099-01-01T00:00:00.000Z'`,
    'retentionDays: 30',
    'sources:',
    ...sources,
    'jurisdiction:',
    '  storeCountries: [CH]',
    '  storeControlExcluded: [US, CN]',
    '  custodianCountriesMin: 3',
    '  custodianOrganisationsMin: 3',
    '  approverCountries: [CH, DE, FR, NL, AT]',
    ...(terms.release.length === 0 ? [] : ['release:', ...terms.release]),
    '',
  ].join('\n')
}
