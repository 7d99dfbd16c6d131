import { Option, type Command } from 'commander'
import { collect, wholeNumber, type Action } from './command.js'
import { LegalCheck, LegalOutcome } from '../format/statement.js'
import { signing } from './program-release.js'

/** The commands around an agreement that is in force: orders against the operator, holds. */
export function addWatchCommands(program: Command, action: Action): void {
  program.commandsGroup('Around an agreement:')
  addLegalCommands(program, action)
  addKeyCommand(program, action)
  addHoldCommand(program, action)
  addAvailabilityCommand(program, action)
  addDrillCommands(program, action)
}

/** The commands with which an agreement gets another version. */
export function addAmendmentCommands(agreement: Command, action: Action): void {
  agreement
    .command('revise')
    .description('write the next version of an agreement, unsigned, and its sealed annex')
    .requiredOption('--as <folder>', 'the keys of a party, to open the annex')
    .requiredOption('--agreement <file>', 'the version in force')
    .requiredOption('--annex <file>', 'its annex')
    .option('--draft <file>', 'YAML: what is to be other of title, endsAt, retentionDays, sources, jurisdiction, release')
    .option('--vault <file>', 'a vault.json with shares dealt anew')
    .option('--party <card>', 'party.json that takes the place of the party of this name, or is new; once for each', collect)
    .option('--without <party>', 'a party that leaves; once for each', collect)
    .requiredOption('--out <folder>', 'where agreement.json and annex.age will lie')
    .action(action(async () => (await import('./holder/agreement/holder-amend.js')).revise))
  signing(agreement.command('agree'))
    .argument('<agreement.json>', 'the next version')
    .description('show what the next version changes, and sign that it may take the place of the one you have pinned')
    .requiredOption('--reason <words>', 'why')
    .action(action(async () => (await import('./holder/agreement/holder-amend.js')).agree))
  agreement
    .command('amend')
    .argument('<agreement.json>', 'the next version, signed by depositor and beneficiaries; gets our signature once every body has agreed')
    .argument('<statement...>', 'what `agreement agree` and, where shares were dealt anew, `vault accept` made')
    .description('operator: put the next version into force when everybody has agreed who must; exit 3 while somebody is missing')
    .requiredOption('--annex <file>', 'the annex.age beside it')
    .option('--credential <source=file>', 'file with the credential of a source (docs/OPERATING.md); only its path is kept', collect)
    .action(action(async () => (await import('./agent/agent-amend.js')).amend))
}

function addLegalCommands(program: Command, action: Action): void {
  const legal = program
    .command('legal')
    .description('operator: orders of courts and offices against the operator itself; never a way to any material')
  legal
    .command('register')
    .description('register an order; parties are notified unless that is forbidden')
    .requiredOption('--agreement <id>', 'the agreement that it concerns')
    .addOption(
      new Option('--kind <kind>', 'what it demands').choices(['disclosure', 'seizure', 'preservation', 'other']).makeOptionMandatory(),
    )
    .requiredOption('--issuer <words>', 'court or office')
    .requiredOption('--jurisdiction <code>', 'its country')
    .requiredOption('--reference <words>', 'its number')
    .requiredOption('--document <title=file>', 'the order itself; once for each document', collect)
    .option('--received-at <instant>', 'when it arrived (default: now)')
    .option('--contest-until <instant>', 'its own time limit (default: ten business days)')
    .option('--gag', 'it forbids to notify the parties', false)
    .option('--gag-until <instant>', 'it forbids it until then')
    .action(action(async () => (await import('./agent/agent-legal.js')).registerLegal))
  const step = (name: string, words: string) =>
    legal
      .command(name)
      .argument('<order>', 'digest of the order')
      .requiredOption('--proof <file>', 'the document behind it; only its digest is recorded')
      .description(words)
  step('check', 'record that a check of the list is done')
    .addOption(new Option('--check <name>', 'which one').choices(LegalCheck.options).makeOptionMandatory())
    .action(action(async () => (await import('./agent/agent-legal.js')).checkLegal))
  step('contest', 'record that the order is contested')
    .requiredOption('--until <instant>', 'when the court is expected to have ruled')
    .action(action(async () => (await import('./agent/agent-legal.js')).contestLegal))
  step('allow-notice', 'record that the parties may be notified; everything about the order is shown to them').action(
    action(async () => (await import('./agent/agent-legal.js')).allowNotice),
  )
  step('answer', 'close an order whose checks are done')
    .addOption(new Option('--outcome <outcome>', 'what it ended in').choices(LegalOutcome.options).makeOptionMandatory())
    .action(action(async () => (await import('./agent/agent-legal.js')).answerLegal))
  legal
    .command('show')
    .description('list orders with their clocks and open checks; exit 3 when an answer is overdue')
    .action(action(async () => (await import('./agent/agent-legal.js')).showLegal))
}

function addDrillCommands(program: Command, action: Action): void {
  const drill = program.command('drill').description('rehearse approval and restore; nothing is released by it')
  drill
    .command('start')
    .description('operator: summon the parties to a rehearsal')
    .requiredOption('--agreement <id>', 'the agreement that is rehearsed')
    .option('--condition <name>', 'approval drill: the condition to be voted on')
    .option('--rehearsal <id>', 'restore drill: an agreement with a vault of its own, whose shares open nothing real')
    .option('--source <name>', 'restore drill: its source')
    .option('--canary <oid>', 'restore drill: the commit that must be in what is restored')
    .option('--hours <n>', 'how long there is to answer', wholeNumber(1, 2160), 72)
    .requiredOption('--out <file>', 'where the signed summons will lie, for the parties')
    .action(action(async () => (await import('./agent/agent-drill.js')).startDrill))
  drill
    .command('list')
    .description('operator: list drills with what they came to and what was measured; exit 3 when one, or proofs of shares, are overdue')
    .action(action(async () => (await import('./agent/agent-drill.js')).listAllDrills))
  drill
    .command('report')
    .argument('<drill>', 'digest of the drill')
    .description('operator: what one drill came to: who answered when, what was measured; exit 3 unless it passed')
    .action(action(async () => (await import('./agent/agent-drill.js')).reportDrill))
  signing(drill.command('vote'))
    .argument('<file>', 'the signed summons')
    .description('custodian or group: answer an approval drill as you would a request')
    .requiredOption('--reason <words>', 'why')
    .option('--refuse', 'vote no', false)
    .action(action(async () => (await import('./holder/restore/holder-drill.js')).voteInDrill))
  signing(drill.command('restore'))
    .argument('<file>', 'the signed summons')
    .description('beneficiary: restore the canary of a rehearsal, measure it, and sign what came of it; exit 3 unless it passed')
    .requiredOption('--rehearsal <file>', "the rehearsal's signed agreement")
    .requiredOption('--from <folder>', 'a copy of the archive')
    .requiredOption('--share <file>', 'a released share of the rehearsal; once for each custodian', collect)
    .requiredOption('--to <folder>', 'the bare repository to make')
    .action(action(async () => (await import('./holder/restore/holder-drill.js')).restoreInDrill))
}

function addAvailabilityCommand(program: Command, action: Action): void {
  signing(program.command('unavailable'))
    .description(
      'say that a party can no longer vote or hand over its share: yourself, or with a second party, one of you supervisor or arbiter',
    )
    .option('--party <name>', 'who (default: the signer)')
    .addOption(new Option('--cause <cause>', 'why').choices(['share-lost', 'key-lost', 'gone', 'other']).makeOptionMandatory())
    .requiredOption('--reason <words>', 'what happened')
    .option('--available', 'the party is available again: takes your earlier word back', false)
    .action(action(async () => (await import('./holder/release/holder-request.js')).unavailable))
}

function addKeyCommand(program: Command, action: Action): void {
  signing(program.command('key-change'))
    .description('ask for other keys, signed with those you have; they count from the next version of the agreement on')
    .requiredOption('--to <card>', 'party.json with the new keys and recipients, or the folder that holds it')
    .option('--party <name>', 'whose keys (default: the signer)')
    .requiredOption('--reason <words>', 'why')
    .action(action(async () => (await import('./holder/agreement/holder-keys.js')).changeKeys))
}

function addHoldCommand(program: Command, action: Action): void {
  signing(program.command('hold'))
    .description('hold signer: let a request, or every request of the agreement and those to come, stand still until a day')
    .option('--case <folder>', 'the case in the mailbox (default: every request of the agreement)')
    .option('--lift', 'end a hold', false)
    .requiredOption('--until <instant>', 'when it ends by itself')
    .requiredOption('--reference <words>', 'number of the decision behind it')
    .requiredOption('--reason <words>', 'why')
    .action(action(async () => (await import('./holder/release/holder-request.js')).hold))
}
