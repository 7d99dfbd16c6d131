import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { escrow, type Ended } from './escrow-command.js'
import { databasesInMemory, layInDatabase } from './interpose.js'

/** What a home has beside the everyday one. */
export interface HomeWish {
  /** Gives the text of the configuration; the laptop footprint when left out. */
  readonly configuration?: (folder: string) => string
  /** Changes the text of the configuration that `init` wrote. */
  readonly configure?: (yaml: string) => string
  /** `folder` for tests that look at the database's folder, or let another process open it; memory when left out. */
  readonly database?: 'memory' | 'folder'
  /** Further parties as name, role and country. */
  readonly parties?: readonly (readonly [party: string, role: string, country: string])[]
  /** Lines of the draft's `release`. */
  readonly release?: readonly string[]
  /** Further arguments of somebody's `keygen`; the folder is the home's. */
  readonly keygen?: (party: string, folder: string) => readonly string[]
  /** Files with the credentials of sources. */
  readonly credentials?: Readonly<Record<string, string>>
}

/** Where the papers of an agreement are; the first one's when nothing else is said. */
const papers = { vault: 'vault', agreement: 'agreement', acceptances: 'acceptances' }

const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation'] as const
const countries = ['CH', 'DE', 'FR', 'NL', 'AT'] as const

/** A service, its parties and one armed agreement, made by nothing but `escrow` command lines in this process. Remove it afterwards. */
export class EscrowHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'reduit-home-'))
  readonly home = join(this.folder, 'service')
  readonly agreement = join(this.folder, 'agreement', 'agreement.json')
  /** Everything that any command on this home printed. */
  readonly printed: string[] = []
  #undo: () => Promise<void> = async () => undefined

  private constructor(private readonly wish: HomeWish) {}

  /**
   * Init, keys, deal, agree, register, accept, arm.
   *
   * @param sources - lines of a draft's `sources`; `pulled` gives those of one.
   */
  static async make(sources: readonly string[], wish: HomeWish = {}): Promise<EscrowHome> {
    const made = new EscrowHome(wish)
    try {
      // Opening a database folder is most of what a command costs.
      if (wish.configuration === undefined && wish.database !== 'folder') made.#undo = databasesInMemory()
      await made.init()
      await made.makeKeys()
      await made.deal()
      await made.must('agreement', 'register', await made.sign(sources), ...made.annex(), ...made.credentials())
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
  run(...argv: readonly string[]): Promise<Ended> {
    return this.runUntil(new AbortController(), () => false, argv)
  }

  /** Run a command line that somebody interrupts as soon as its progress shows a certain line. */
  async runUntil(stop: AbortController, seen: (line: string) => boolean, argv: readonly string[]): Promise<Ended> {
    const ended = await escrow(['--home', this.home, ...argv], stop.signal, (line) => {
      if (seen(line)) stop.abort()
    })
    this.printed.push(ended.text)
    return ended
  }

  /** Run a command line that must succeed. @returns its standard output */
  async must(...argv: readonly string[]): Promise<string> {
    const ended = await this.run(...argv)
    if (ended.exitCode !== 0) throw new Error(`escrow ${argv.join(' ')} ended with ${ended.exitCode}: ${ended.text}`)
    return ended.out
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

  /** Make a token of a party. @returns the file that it is in */
  async token(party = 'vendor'): Promise<string> {
    const file = this.at(`${party}.token`)
    await this.must('token', 'create', join(this.party(party), 'party.json'), '--label', party, '--days', '30', '--out', file)
    return file
  }

  /** Where the vendor's CI pushes a source, with the token that the vendor has. @param url - of the service that listens */
  pushAddress(url: string, source = 'product'): string {
    const { agreement } = openAgreement(readFileSync(this.agreement)).body
    const token = readFileSync(this.at('vendor.token'), 'utf8').trim()
    return `${url.replace('//', `//ci:${token}@`)}/git/${agreement}/${source}.git`
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

  /** A command line with which the vendor seals its repository; where it goes is left out. */
  sealing(repository: string, source = 'product'): readonly string[] {
    const whose = ['--as', this.party('vendor'), '--agreement', this.agreement, '--source', source, '--state', this.at('state')]
    return ['deposit', repository, '--sealed', ...whose]
  }

  /** The objects of a replica. */
  objects(replica: 'a' | 'b'): string {
    return join(this.home, 'replicas', replica, 'objects')
  }

  /** The objects of the first replica. */
  get replica(): string {
    return this.objects('a')
  }

  /** What lies on scratch; empty when no attempt left anything. */
  scratch(): readonly string[] {
    return filesBelow(join(this.home, 'scratch'))
  }

  /** Change the configuration by replacing a piece of its text. */
  configure(change: (yaml: string) => string): void {
    const path = join(this.home, 'escrow.yaml')
    writeFileSync(path, change(readFileSync(path, 'utf8')))
  }

  /** Another agreement of the same parties, with a vault of its own. @returns its file. */
  async another(sources: readonly string[], name: string): Promise<string> {
    const own = { vault: `vault-${name}`, agreement: `agreement-${name}`, acceptances: `acceptances-${name}` }
    await this.deal(own.vault)
    const agreement = await this.sign(sources, own, {})
    await this.must('agreement', 'register', agreement, ...this.annex(own))
    await this.arm(own)
    return agreement
  }

  async remove(): Promise<void> {
    await this.#undo()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async init(): Promise<void> {
    const { configuration, configure } = this.wish
    if (configuration === undefined) {
      await layInDatabase(join(this.home, 'db'))
      await this.must('init', '--origin', 'test.example/1')
    } else {
      writeFileSync(this.at('escrow.yaml'), configuration(this.folder))
      await this.must('init', '--config', this.at('escrow.yaml'))
    }
    if (configure !== undefined) this.configure(configure)
  }

  private async makeKeys(): Promise<void> {
    const keygen = (party: string, role: string, country: string) => {
      const who = ['--party', party, '--role', role, '--country', country]
      return this.must('keygen', this.party(party), ...who, ...(this.wish.keygen?.(party, this.folder) ?? []))
    }
    await keygen('vendor', 'depositor', 'US')
    await keygen('partner', 'beneficiary', 'DE')
    for (const [place, party] of custodians.entries()) await keygen(party, 'custodian', countries[place]!)
    for (const [party, role, country] of this.wish.parties ?? []) await keygen(party, role, country)
  }

  private async deal(vault = papers.vault): Promise<void> {
    const cards = custodians.flatMap((party) => ['--custodian', this.party(party)])
    await this.must('vault', 'deal', this.at(vault), '--threshold', '3', ...cards)
  }

  /** Write an agreement and let depositor and beneficiaries sign it. @returns its file */
  private async sign(sources: readonly string[], folders = papers, terms: HomeWish = this.wish): Promise<string> {
    const others = terms.parties ?? []
    writeFileSync(this.at('draft.yaml'), draft(sources, terms.release ?? []))
    const names = ['vendor', 'partner', ...custodians, ...others.map(([party]) => party)]
    const cards = [join(this.home, 'keys'), ...names.map((party) => this.party(party))].flatMap((card) => ['--party', card])
    const create = ['agreement', 'create', '--draft', this.at('draft.yaml'), '--service', join(this.home, 'service.json')]
    await this.must(...create, '--vault', this.at(folders.vault, 'vault.json'), ...cards, '--out', this.at(folders.agreement))
    const agreement = this.at(folders.agreement, 'agreement.json')
    const beneficiaries = others.filter(([, role]) => role === 'beneficiary').map(([party]) => party)
    for (const party of ['vendor', 'partner', ...beneficiaries]) await this.must('agreement', 'sign', agreement, '--as', this.party(party))
    return agreement
  }

  private annex(folders = papers): readonly string[] {
    return ['--annex', this.at(folders.agreement, 'annex.age')]
  }

  private credentials(): readonly string[] {
    return Object.entries(this.wish.credentials ?? {}).flatMap(([source, file]) => ['--credential', `${source}=${file}`])
  }

  private async arm(folders = papers): Promise<void> {
    const agreement = this.at(folders.agreement, 'agreement.json')
    for (const party of custodians) {
      const shares = [1, 2].flatMap((epoch) => ['--share', this.at(folders.vault, 'shares', `${party}-epoch-${epoch}.age`)])
      await this.must(
        'vault',
        'accept',
        '--as',
        this.party(party),
        '--agreement',
        agreement,
        ...shares,
        '--out',
        this.at(folders.acceptances),
      )
    }
    await this.must('vault', 'arm', ...readdirSync(this.at(folders.acceptances)).map((name) => this.at(folders.acceptances, name)))
  }
}

/** Lines of a draft for a source that the service pulls. @param more - further keys of it, as YAML */
export function pulled(source: string, url: string, ...more: readonly string[]): readonly string[] {
  return [`  - source: ${source}`, `    url: ${JSON.stringify(url)}`, ...more.map((line) => `    ${line}`)]
}

/** The configuration of a home that also pulls from http servers on loopback. */
export function allowLoopback(yaml: string): string {
  return yaml.replace('allowLocalPaths: true', 'allowLocalPaths: true\n  allowHttp: true\n  allowPrivateAddresses: true')
}

/** Every file below a folder, relative to it; empty when there is no folder. */
export function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true }).map(String)
  return names.filter((name) => statSync(join(folder, name)).isFile()).sort()
}

function draft(sources: readonly string[], release: readonly string[]): string {
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
    ...(release.length === 0 ? [] : ['release:', ...release]),
    '',
  ].join('\n')
}
