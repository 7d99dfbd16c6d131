import { Command, CommanderError, Option } from 'commander'
import { defaultHome } from '../../config/load.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { commandContext, collect, printResult, wholeNumber, type Action, type RunCommand } from './command.js'
import { exitCodeOf, type ExitCode } from './exit-code.js'
import { addWatchCommands } from './program-custody.js'
import { checkForms } from './option-forms.js'
import { addCompletenessCommand, addCustodyCommands, addPartyCommands } from './program-parties.js'
import { helpEpilogue } from './program-help.js'
import { addReleaseCommands } from './program-release.js'
import { reaching, sendsWhatItSigned, serviceOf } from './reach.js'
import type { Terminal } from './terminal.js'

/** As in src/format/attachment.ts, which `--help` does not load. */
const attachedKinds = ['build-environment', 'image', 'documentation', 'sbom', 'other', 'build-secrets']

/** How a run ended, for whoever started it. */
export interface Ending {
  exitCode: ExitCode
}

/**
 * Run one `escrow` command line.
 *
 * @param argv - the words after `escrow`.
 * @param signal - aborted on interrupt; nothing half-done stays visible.
 * @returns the exit code; errors have been printed. Never throws.
 */
export async function runEscrow(argv: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<ExitCode> {
  const ending: Ending = { exitCode: 0 }
  const program = buildProgram(terminal, signal, ending)
  // Usage errors are JSON too then, and nothing else is on standard error.
  if (argv.includes('--json')) silence(program)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return ending.exitCode
  } catch (error) {
    const json = argv.includes('--json')
    if (!(error instanceof CommanderError)) printError(terminal, json, error)
    else if (error.exitCode === 0) return 0
    else {
      if (json) printError(terminal, json, new EscrowError('ARGUMENT_INVALID', error.message.replace(/^error: /, '')))
      return 2
    }
    return signal.aborted ? 130 : exitCodeOf(error)
  }
}

/** All commands of `escrow`, not run yet. @param ending - gets the exit code of the command that is run. */
export function buildProgram(terminal: Terminal, signal: AbortSignal, ending: Ending): Command {
  const program = new Command('escrow')
    .description('Source-code escrow and continuity: mirror, seal, store, prove and release git repositories.')
    .addOption(new Option('--home <folder>', 'the home folder of the service (or ESCROW_HOME)').default(defaultHome()))
    .option('--url <service url>', 'a service over the network instead of a home folder; --help of a command says whether it takes it')
    .option('--token-file <file>', 'the token for --url, as `escrow token create` wrote it')
    .option('--json', 'print results as JSON on standard output', false)
    .exitOverride()
    .showHelpAfterError('(--help tells more)')
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', helpEpilogue())
  const action =
    <Options>(load: () => Promise<RunCommand<Options>>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command
      const { home, json, ...where } = command.optsWithGlobals<{ home: string; json: boolean; url?: string; tokenFile?: string }>()
      const context = commandContext({ terminal, json, home, service: serviceOf(command, where), signal, run: runEscrow })
      const args = given.slice(0, -2).flatMap((one) => one as string | string[])
      const run = await load()
      const options = command.opts<Options & object>()
      const done = await run(context, options, ...args)
      const sends = context.service !== null && sendsWhatItSigned(command)
      const result = sends
        ? await (await import('./door/send-signed.js')).sendSigned(context, done, (options as unknown as { out: string }).out)
        : done
      printResult(context, result)
      ending.exitCode = result.exitCode ?? 0
    }
  addServiceCommands(program, action)
  addServerCommands(program, action)
  addProofCommands(program, action)
  addPartyCommands(program, action)
  addCustodyCommands(program, action)
  addReleaseCommands(program, action)
  addWatchCommands(program, action)
  addEveryonesCommands(program, action)
  checkForms(program)
  return program
}

function silence(command: Command): void {
  command.configureOutput({ writeErr: () => undefined })
  for (const below of command.commands) silence(below)
}

function addServiceCommands(program: Command, action: Action): void {
  program.commandsGroup('Operator (works on --home):')
  program
    .command('init')
    .description('make a home folder: configuration, keys, index and replicas')
    .option('--origin <key name>', 'the name of this service in statements and in the log, like escrow.example/1')
    .option(
      '--config <file>',
      'a configuration like config/escrow.example.yaml, for PostgreSQL and S3; default: two folders and a built-in index',
    )
    .option('--organisation <words>', 'who operates it', 'Reduit operator')
    .option('--country <code>', 'country of seat of the operator and its stores', 'CH')
    .option('--control <code>', 'country of ultimate control (default: --country)')
    .action(action(async () => (await import('./agent/agent-init.js')).init))
  program
    .command('mirror')
    .description('take a deposit of every pulled source that has something new')
    .option('--agreement <id>', 'only the sources of this agreement')
    .option('--source <name>', 'only this source')
    .option('--full', 'a full deposit even where an incremental would do', false)
    .action(action(async () => (await import('./agent/agent-mirror.js')).mirror))
  reaching(program.command('attach'), 'door')
    .argument('<file...>', 'files that belong to a source: they are sealed at once, and named by its next deposit and those after it')
    .description(
      'attach files to the deposits of a source; one of the same name takes the place of the one before. With --url the depositor seals them itself',
    )
    .requiredOption('--agreement <id or file>', 'the operator: its id; with --url: the signed agreement, as pinned')
    .requiredOption('--source <name>', 'the source')
    .addOption(new Option('--kind <kind>', 'what they are').choices(attachedKinds).makeOptionMandatory())
    .option('--name <file name>', 'what parties will see (default: its own name); of build secrets a label, their own name is sealed')
    .option('--epoch <n>', "with --url: epoch of the vault (default: the agreement's first)", wholeNumber(1, 1_000_000))
    .option('--state <folder>', 'with --url: keep what was sealed there until it is sent, so that an interrupted command goes on')
    .action(action(async () => (await import('./door/door-attach.js')).attach))
  program
    .command('receive')
    .argument('<folder>', 'what `escrow deposit --sealed --out` made')
    .description('store a deposit that the depositor has sealed, and countersign it')
    .action(action(async () => (await import('./agent/agent-receive.js')).receive))
}

/** The service as others reach it. */
function addServerCommands(program: Command, action: Action): void {
  program
    .command('serve')
    .description('serve the home folder over HTTP and do what is due, until interrupted')
    .addOption(
      new Option('--role <role>', 'answer parties, do jobs, or both; as many processes of each as wanted')
        .choices(['api', 'worker', 'all'])
        .default('all'),
    )
    .action(action(async () => (await import('./agent/agent-serve.js')).serve))
  const token = program.command('token').description('tokens with which parties use the HTTP service')
  token
    .command('create')
    .argument('<card>', 'party.json of the party; the token is bound to its first key and its role')
    .description('make a token; its secret is written once and kept nowhere')
    .requiredOption('--out <file>', 'where the token will lie')
    .option('--label <words>', 'what you call it (default: the name of the party)')
    .option('--days <n>', 'how long it is valid', wholeNumber(1, 366), 90)
    .action(action(async () => (await import('./agent/agent-token.js')).createToken))
  token
    .command('list')
    .description('list tokens: for whom, until when, last used')
    .action(action(async () => (await import('./agent/agent-token.js')).showTokens))
  token
    .command('revoke')
    .argument('<token>', 'id of the token, like tok_...')
    .description('revoke a token at once')
    .action(action(async () => (await import('./agent/agent-token.js')).revokeToken))
}

/** What an operator does to keep its word checkable. */
function addProofCommands(program: Command, action: Action): void {
  reaching(program.command('log'), 'door')
    .description('bring pending entries into the log, ask the witnesses, issue receipts, and show how it stands; exit 3 when degraded')
    .action(action(async () => (await import('./door/door-log.js')).log))
  reaching(program.command('record'), 'door')
    .argument('<statement...>', 'statements that a party has signed, as `escrow explain` makes them')
    .description("record a depositor's explanations of findings, beside their deposits and in the log")
    .action(action(async () => (await import('./door/door-record.js')).record))
  program
    .command('check')
    .description(
      'read stored objects again, compare their digests, and lengthen locks that end soon; exit 3 when something is not as it must be',
    )
    .option('--all', 'everything, not only what is due', false)
    .option('--replica <name>', 'only this replica')
    .action(action(async () => (await import('./agent/agent-check.js')).check))
  program
    .command('repair')
    .description(
      'replace copies that were found bad or missing from a replica that verifies; fill up a replica that was added later, log included',
    )
    .option('--replica <name>', 'only this replica')
    .action(action(async () => (await import('./agent/agent-check.js')).repair))
  program
    .command('check-log')
    .description('recompute the whole log from what every replica holds, and compare; exit 3 when something differs')
    .option('--no-events', 'only tiles, entries, checkpoints and index, not the event behind every leaf')
    .action(action(async () => (await import('./agent/agent-check-log.js')).checkLog))
  program
    .command('attest')
    .description('sign what happened to every due time of a source in a period, with all that proves it; exit 3 when one was not met')
    .requiredOption('--source <name>', 'the source')
    .requiredOption('--from <moment>', 'due times from here: a day, or a moment in UTC')
    .requiredOption('--to <moment>', 'up to, but without, this moment')
    .option('--agreement <id>', 'where several agreements have a source of this name')
    .requiredOption('--out <file>', 'where attestation.json will lie; every leaf of the log goes to <file>.leaves')
    .action(action(async () => (await import('./agent/agent-attest.js')).attest))
  program
    .command('evidence')
    .description('collect all that proves an agreement into a folder: documents, proofs, accounts, a verifier and a report for people')
    .requiredOption('--agreement <id>', 'the agreement')
    .requiredOption('--out <folder>', 'a new folder')
    .action(action(async () => (await import('./agent/agent-evidence.js')).evidence))
  program
    .command('tick')
    .description('record deadlines that have passed without a deposit; exit 3 when there were any')
    .action(action(async () => (await import('./agent/agent-mirror.js')).tick))
  program
    .command('rebuild')
    .description('make the index anew from the replicas and the log alone, after it was lost or is older than the log')
    .option('--replace', 'set the index that is there aside; without it only an empty one is filled', false)
    .action(action(async () => (await import('./agent/agent-rebuild.js')).rebuild))
  program
    .command('replicate')
    .description('copy the ciphertext of the archive into a folder, verified; harmless without a quorum of shares')
    .requiredOption('--to <folder>', 'a new folder, or one that an earlier run has filled')
    .option('--agreement <id>', 'only this agreement')
    .action(action(async () => (await import('./agent/agent-replicate.js')).replicate))
}

function addEveryonesCommands(program: Command, action: Action): void {
  program.commandsGroup('Witnesses (on a machine of their own):')
  program
    .command('witness')
    .argument('<folder>', 'where it keeps its key and what it has seen; one process at a time')
    .description('watch logs and cosign their checkpoints, on a machine of your own; refuses forks')
    .requiredOption('--name <key name>', 'its key name, like witness.partner.example/escrow')
    .requiredOption('--log <key>', 'verifier key of a log to watch, as in service.json; may be given again', collect)
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'where to listen; 0 for any free one', wholeNumber(0, 65_535), 8095)
    .action(action(async () => (await import('./witness/witness-command.js')).witness))
  program
    .command('attest-outage')
    .argument('<folder>', 'of a witness, also of one that runs')
    .description('witness: sign that a log has shown no newer checkpoint than the one that was cosigned last')
    .requiredOption('--name <key name>', 'its key name, as agreements have it')
    .requiredOption('--log <key>', 'verifier key of the log')
    .requiredOption('--out <file>', 'where the attestation will lie, for the custodians')
    .action(action(async () => (await import('./witness/witness-command.js')).attestOutage))
  program.commandsGroup('Everybody (offline):')
  program
    .command('verify')
    .argument('<path>', 'a copy of the archive, a folder of evidence, or a single receipt.json or attestation.json')
    .description('verify signatures, chains, receipts and digests without any secret; exit 3 when something does not hold')
    .option('--agreement <file>', 'the agreement as you pinned it; without it the folder is only checked against itself')
    .option('--leaves <file>', 'of an attestation: every leaf of the log (default: <path>.leaves, if it is there)')
    .option(
      '--seen <file>',
      'of an attestation, evidence or a copy with its log: a receipt, attestation or checkpoint that you have from earlier: the log must have grown from it; may be given again',
      collect,
    )
    .option('--report <file>', 'of a folder of evidence: write a report of what was verified here, for people')
    .option('--annex <file>', 'of an attestation or evidence: the annex.age of the agreement, to check whose leaves they are')
    .option('--as <folder>', 'the keys of a party, to open the annex with')
    .action(action(async () => (await import('./verify/verify.js')).verifyArchive))
  addCompletenessCommand(program, action)
  program
    .command('demo')
    .argument('[repository]', 'a path or URL (default: this checkout)')
    .description('walk through all of it in a fresh folder: deal, arm, deposit, check, repair, release, open')
    .option('--keep', 'leave the folder for a look around', false)
    .action(action(async () => (await import('./demo/demo.js')).demo))
}

const interruptedAdvice = 'run it again: what was begun is finished or swept, and nothing half-done is visible'

/** Say what went wrong, in words or as one line of JSON. */
export function printError(terminal: Terminal, json: boolean, error: unknown): void {
  const { code, message, advice } = wordsFor(error)
  if (json) {
    const details = isEscrowError(error) ? { details: error.details } : {}
    terminal.err(JSON.stringify({ error: { code, message, ...(advice === null ? {} : { advice }), ...details } }))
    return
  }
  terminal.err(`escrow: ${message} [${code}]`)
  if (advice !== null) terminal.err(`        ${advice}`)
  else if (error instanceof Error && error.stack !== undefined) terminal.err(error.stack)
}

function wordsFor(error: unknown): { readonly code: string; readonly message: string; readonly advice: string | null } {
  if (isEscrowError(error)) return { code: error.code, message: error.message, advice: error.advice }
  const message = error instanceof Error ? error.message : String(error)
  // Whoever interrupts a run has seen no fault of ours.
  if (error instanceof Error && error.name === 'AbortError') return { code: 'INTERRUPTED', message, advice: interruptedAdvice }
  return { code: 'BUG', message, advice: null }
}
