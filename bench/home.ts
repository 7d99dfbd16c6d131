// A home folder with an agreement, an armed vault and one source, made with the same commands that people type.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { laptopConfig } from '../config/laptop.js'
import { combineFiles, readShareFiles } from '../src/cli/holder/restore/holder-shares.js'
import { openPartyFolder } from '../src/cli/party/party-folder.js'
import { runEscrow } from '../src/cli/program.js'
import { SystemClock } from '../src/core/environment.js'
import { signingKeyFromSeed, type SigningKey } from '../src/crypto/signature.js'
import { keyFileNames, parseSigningKeyFile } from '../src/format/key-file.js'
import { epochOf, openAgreement, type SignedAgreement } from '../src/format/signed-agreement.js'
import { measureChild, type Cost } from './measure.js'
import type { EscrowRun } from './child/escrow.js'

const yearMs = 365 * 86_400_000
const custodians = ['notary', 'university', 'chamber', 'auditor'] as const
const countries = ['CH', 'DE', 'FR', 'NL'] as const
const threshold = 2

/** One command that was measured. */
export interface EscrowCost {
  readonly cost: Cost
  readonly own: EscrowRun['own']
}

/** What an armed home is to have. */
export interface ArmWish {
  readonly url?: string
  readonly names?: readonly string[]
  readonly postgresUrl?: string
  readonly redisUrl?: string
  readonly jobs?: Readonly<Record<string, number>>
}

/** A service that can mirror one source, and a beneficiary that can open it. */
export class BenchHome {
  private constructor(private readonly folder: string) {}

  /**
   * Deal, agree, register and arm.
   *
   * @param folder - an empty folder.
   * @param source.url - a path or URL; left out, `product` is of mode push and `sealed` of mode sealed.
   * @param source.names - of sources that all have this URL; one, `product`, when left out.
   * @param source.postgresUrl - an empty database; without it the index is PGlite.
   * @param source.redisUrl - for the queue; without it the queue is in the database.
   * @param source.jobs - how much is done at once.
   */
  static async arm(folder: string, source: ArmWish): Promise<BenchHome> {
    const home = new BenchHome(folder)
    await mkdir(home.home)
    await writeFile(home.at('config.yaml'), await home.config(source))
    await home.must('init', '--config', home.at('config.yaml'), ...home.atHome)
    await home.keygen('vendor', 'depositor', 'DE')
    await home.keygen('partner', 'beneficiary', 'DE')
    for (const [index, name] of custodians.entries()) await home.keygen(name, 'custodian', countries[index] ?? 'CH')
    const cards = custodians.flatMap((name) => ['--custodian', home.at(name)])
    await home.must('vault', 'deal', home.at('vault'), '--threshold', String(threshold), ...cards)
    await writeFile(home.at('draft.yaml'), draft(source.url, source.names ?? ['product']))
    await home.agree()
    return home
  }

  /** `escrow mirror`, measured in a process of its own. */
  mirror(...options: readonly string[]): Promise<EscrowCost> {
    return this.measured('mirror', ...this.atHome, ...options)
  }

  /** Two custodians release their shares to the beneficiary. Once. */
  async release(): Promise<void> {
    await mkdir(this.at('released'))
    for (const name of custodians.slice(0, threshold)) {
      const share = this.at('vault', 'shares', `${name}-epoch-1.age`)
      const to = ['--to', 'partner', '--out', this.at('released', `${name}.age`)]
      await this.must('share', 'release', '--as', this.at(name), '--agreement', this.agreement, '--share', share, ...to)
    }
  }

  /** `escrow open`, measured in a process of its own; `release` comes first. @param to - does not exist. */
  open(to: string): Promise<EscrowCost> {
    const from = ['--as', this.at('partner'), '--agreement', this.agreement, '--from', this.objects, '--source', 'product']
    return this.measured('open', ...from, ...this.released.flatMap((share) => ['--share', share]), '--to', to)
  }

  /** The vault's identity, from the released shares: what `age -d` needs. */
  async identity(): Promise<string> {
    const { body } = openAgreement(await readFile(this.agreement))
    const { identity } = await openPartyFolder(this.at('partner'))
    return combineFiles(await readShareFiles(this.released), { vault: body.vault, epoch: epochOf(body, 1), identity }).identity
  }

  /** Envelopes of the first replica, in order. */
  async envelopes(): Promise<readonly string[]> {
    const names = await readdir(this.objects, { recursive: true })
    return names
      .filter((name) => name.endsWith('.bundle.age'))
      .sort()
      .map((name) => join(this.objects, name))
  }

  /** `escrow deposit --sealed` to a service, measured in a process of its own. @param to.state - of the depositor; does not exist yet. */
  sealed(
    repository: string,
    to: { readonly url: string; readonly tokenFile: string; readonly state: string },
    ...more: readonly string[]
  ): Promise<EscrowCost> {
    const what = ['deposit', repository, '--sealed', '--as', this.at('vendor'), '--agreement', this.agreement, '--source', 'sealed']
    return this.measured(...what, '--state', to.state, '--url', to.url, '--token-file', to.tokenFile, ...more)
  }

  /** The address that `git push` takes, with the token in it. */
  async pushAddress(url: string, tokenFile: string): Promise<string> {
    const { agreement } = openAgreement(await readFile(this.agreement)).body
    const token = (await readFile(tokenFile, 'utf8')).trim()
    return `${url.replace('//', `//ci:${token}@`)}/git/${agreement}/product.git`
  }

  /** The recipient of the vault: what `age -r` needs. */
  async recipient(): Promise<string> {
    return epochOf(openAgreement(await readFile(this.agreement)).body, 1).recipient
  }

  /** A token for a party. @returns its file. */
  async token(name: string): Promise<string> {
    await this.must('token', 'create', this.at(name, 'party.json'), '--out', this.at(`${name}.token`), ...this.atHome)
    return this.at(`${name}.token`)
  }

  get home(): string {
    return this.at('home')
  }

  private get objects(): string {
    return join(this.home, 'replicas', 'a', 'objects')
  }

  /** The agreement as its parties have it. */
  get agreementFile(): string {
    return this.agreement
  }

  /** `agreements/` of the first replica: what is registered and accepted. */
  get documents(): string {
    return join(this.objects, 'agreements')
  }

  /** The registered agreement, and the keys that the service signs with. */
  async signers(): Promise<{ readonly agreement: SignedAgreement; readonly signingKey: SigningKey; readonly logKey: SigningKey }> {
    const { agreement } = openAgreement(await readFile(this.agreement)).body
    const key = async (name: string) => signingKeyFromSeed(parseSigningKeyFile(await readFile(join(this.home, 'keys', name), 'utf8')))
    return {
      agreement: openAgreement(await readFile(join(this.documents, agreement, 'agreement-1.json'))),
      signingKey: await key(keyFileNames.signing),
      logKey: await key(keyFileNames.log),
    }
  }

  private get agreement(): string {
    return this.at('agreement', 'agreement.json')
  }

  private get released(): readonly string[] {
    return custodians.slice(0, threshold).map((name) => this.at('released', `${name}.age`))
  }

  private get atHome(): readonly string[] {
    return ['--home', this.home]
  }

  private at(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  private async agree(): Promise<void> {
    const draftOptions = ['--draft', this.at('draft.yaml'), '--service', join(this.home, 'service.json')]
    const parties = [join(this.home, 'keys'), ...['vendor', 'partner', ...custodians].map((name) => this.at(name))]
    const cards = parties.flatMap((party) => ['--party', party])
    const vault = ['--vault', this.at('vault', 'vault.json')]
    await this.must('agreement', 'create', ...draftOptions, ...vault, ...cards, '--out', this.at('agreement'))
    for (const name of ['vendor', 'partner']) await this.must('agreement', 'sign', this.agreement, '--as', this.at(name))
    await this.must('agreement', 'register', this.agreement, '--annex', this.at('agreement', 'annex.age'), ...this.atHome)
    for (const name of custodians) {
      const shares = [1, 2].flatMap((epoch) => ['--share', this.at('vault', 'shares', `${name}-epoch-${epoch}.age`)])
      const out = ['--out', this.at('acceptances', name)]
      await this.must('vault', 'accept', '--as', this.at(name), '--agreement', this.agreement, ...shares, ...out)
    }
    const signed = await readdir(this.at('acceptances'), { recursive: true, withFileTypes: true })
    const files = signed.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    await this.must('vault', 'arm', ...files, ...this.atHome)
  }

  private keygen(name: string, role: string, country: string): Promise<void> {
    const who = ['--party', name, '--role', role, '--country', country, '--organisation', `The ${name}`]
    return this.must('keygen', this.at(name), ...who)
  }

  /** The laptop's, with remotes on loopback allowed and perhaps another database. */
  private async config({ postgresUrl, redisUrl, jobs = {} }: ArmWish): Promise<string> {
    const laptop = parse(laptopConfig({ origin: 'bench.example/1', country: 'CH', control: 'CH' })) as Record<string, unknown>
    const remotes = { allowLocalPaths: true, allowHttp: true, allowPrivateAddresses: true }
    const database =
      postgresUrl === undefined ? laptop['database'] : { kind: 'postgres', urlFile: await this.secret('postgres', postgresUrl) }
    const queue = redisUrl === undefined ? { kind: 'database' } : { kind: 'redis', urlFile: await this.secret('redis', redisUrl) }
    return stringify({ ...laptop, remotes, database, queue, jobs })
  }

  private async secret(name: string, text: string): Promise<string> {
    await writeFile(this.at(`${name}-url`), text, { mode: 0o600 })
    return this.at(`${name}-url`)
  }

  private async must(...argv: readonly string[]): Promise<void> {
    const words: string[] = []
    const say = (line: string) => void words.push(line)
    const terminal = { out: say, err: say, redraw: () => undefined, interactive: false }
    const exitCode = await runEscrow(argv, terminal, new AbortController().signal)
    if (exitCode !== 0) throw new Error(`escrow ${argv.join(' ')} ended with ${exitCode}: ${words.join('\n')}`)
  }

  private async measured(...argv: readonly string[]): Promise<EscrowCost> {
    const { cost, result } = await measureChild<EscrowRun>('escrow', { argv })
    return { cost, own: result.own }
  }
}

function draft(url: string | undefined, names: readonly string[]): string {
  const endsAt = new Date(new SystemClock().now().getTime() + yearMs).toISOString()
  const jurisdiction = {
    storeCountries: ['CH'],
    storeControlExcluded: ['US'],
    custodianCountriesMin: 2,
    custodianOrganisationsMin: threshold,
    approverCountries: [...countries],
  }
  const pushed = [
    { source: 'product', mode: 'push', everyHours: 24 },
    { source: 'sealed', mode: 'sealed', everyHours: 24 },
  ]
  const sources = url === undefined ? pushed : names.map((source) => ({ source, url, everyHours: 24 }))
  return stringify({ title: 'Bench', endsAt, retentionDays: 30, sources, jurisdiction })
}
