import { Option, type Command } from 'commander'
import { collect, wholeNumber, type Action } from './command.js'
import { reaching } from './reach.js'

/** The commands of a release: the operator's below `escrow release`, and those with which parties sign. */
export function addReleaseCommands(program: Command, action: Action): void {
  addOperatorCommands(program, action)
  addSigningCommands(program, action)
  addCustodianCommands(program, action)
}

function addOperatorCommands(program: Command, action: Action): void {
  program.commandsGroup('Release:')
  const release = program
    .command('release')
    .description('operator: record statements, let clocks run, show cases, hand material to the parties')
  reaching(release.command('record'), 'door')
    .argument('<file...>', 'signed statements: requests, orders, votes, shares ...')
    .description('verify statements and record them wherever they say something; then do what is due')
    .action(action(async () => (await import('./door/door-release.js')).recordRelease))
  release
    .command('tick')
    .description("do what is due: clocks, effective orders, released shares, grants, the dead man's switch")
    .action(action(async () => (await import('./agent/agent-release.js')).tickReleases))
  reaching(release.command('show'), 'door')
    .argument('[request]', 'one request with its history; all requests and orders when left out')
    .description('show how requests and orders stand')
    .action(action(async () => (await import('./door/door-release.js')).showReleases))
  reaching(release.command('publish'), 'door')
    .requiredOption('--to <folder>', 'the mailbox: one folder for each case')
    .description('write each case as a folder of material that parties verify themselves')
    .action(action(async () => (await import('./door/door-release.js')).publishCases))
  release
    .command('hand-over')
    .argument('<request>', 'id of a released request')
    .requiredOption('--to <party>', 'the beneficiary')
    .requiredOption(
      '--into <folder>',
      'where the archive will lie, for `escrow open --from`, or as <mailbox>/<request>/archive for `--mailbox`; what lies there already is not fetched again',
    )
    .option('--address <address>', 'from where it fetches, for the network rule of the agreement', 'folder')
    .description('write what was granted to a beneficiary into a folder; recorded like any download')
    .action(action(async () => (await import('./agent/agent-hand-over.js')).handOver))
  release
    .command('served')
    .argument('<request or order>', 'id of a request, or digest of an order')
    .requiredOption('--proof <file>', 'proof of service; only its digest is recorded')
    .description('record that the depositor was served')
    .action(action(async () => (await import('./agent/agent-release.js')).recordService))
  release
    .command('check')
    .argument('<request>', 'id of a request')
    .option('--reject <file>', 'the written reason for turning it down; only its digest is recorded')
    .description('record the formal check of a request')
    .action(action(async () => (await import('./agent/agent-release.js')).checkRequest))
}

/** The options of every command with which a party signs. */
export function signing(command: Command): Command {
  return reaching(command, 'sends')
    .requiredOption('--as <folder>', 'the keys of the party')
    .requiredOption('--agreement <file>', 'the registered agreement.json, as pinned')
    .requiredOption('--out <file>', 'where the signed statement will lie')
}

function addSigningCommands(program: Command, action: Action): void {
  signing(program.command('request'))
    .description('beneficiary: ask for a release')
    .requiredOption('--condition <name>', 'the release condition in the agreement')
    .requiredOption('--grounds <words>', 'why')
    .option('--source <name[@sequence]>', 'what is asked for; once for each (default: every source)', collect)
    .option('--to <party>', 'who receives it; once for each (default: the signer)', collect)
    .option('--order <file>', 'the effective shutdown order behind it')
    .option('--evidence <title=file>', 'a document, kept as it is for all parties to judge; once for each', collect)
    .option('--epoch <n>', 'the epoch that takes deposits now', wholeNumber(1, 1_000_000), 1)
    .action(action(async () => (await import('./holder/release/holder-request.js')).askForRelease))
  signing(program.command('order'))
    .description('register a shutdown order; a second party must register the same unless you are the depositor')
    .requiredOption('--issuer <words>', 'court or office')
    .requiredOption('--jurisdiction <code>', 'its country')
    .requiredOption('--reference <words>', 'its number')
    .requiredOption('--document <title=file>', 'the order itself; once for each document', collect)
    .option('--effective-at <instant>', 'its date, like 2026-11-22T10:00:00.000Z; the same for both parties (default: now)')
    .option('--depositor <words>', 'all agreements of this depositor (default: this agreement)')
    .action(action(async () => (await import('./holder/release/holder-request.js')).registerOrder))
  signing(program.command('contest'))
    .description('depositor: contest a shutdown order in court')
    .requiredOption('--order <file>', 'the order: its file, or its folder in the mailbox')
    .requiredOption('--court <words>', 'before which court')
    .requiredOption('--docket <words>', 'under which number')
    .requiredOption('--grounds <words>', 'why')
    .option('--evidence <title=file>', 'docket evidence, kept as it is for all parties to judge; once for each document', collect)
    .action(action(async () => (await import('./holder/release/holder-request.js')).contest))
  signing(program.command('object'))
    .description('depositor: object to a release request')
    .requiredOption('--case <folder>', 'the case in the mailbox')
    .requiredOption('--grounds <words>', 'why')
    .option('--evidence <title=file>', 'a document, kept as it is for all parties to judge; once for each', collect)
    .action(action(async () => (await import('./holder/release/holder-request.js')).objectTo))
  signing(program.command('rule'))
    .description('arbiter: rule on an order or a request that is contested; `escrow hold` stays any other')
    .option('--order <file>', 'the order: its file, or its folder in the mailbox')
    .option('--case <folder>', 'the case in the mailbox')
    .addOption(new Option('--outcome <outcome>', 'proceed, reject or stay').choices(['proceed', 'reject', 'stay']).makeOptionMandatory())
    .requiredOption('--grounds <words>', 'why')
    .option('--evidence <title=file>', 'a document, kept as it is for all parties to judge; once for each', collect)
    .action(action(async () => (await import('./holder/release/holder-request.js')).rule))
  signing(program.command('heartbeat'))
    .description("depositor: show that you are there; ends the dead man's switch's notice or proposal")
    .action(action(async () => (await import('./holder/release/holder-request.js')).heartbeat))
  signing(program.command('revoke'))
    .description("arbiter, guardian, hold signer or the beneficiary itself: end a beneficiary's access before its time")
    .requiredOption('--case <folder>', 'the case in the mailbox')
    .requiredOption('--party <name>', 'whose access')
    .requiredOption('--reason <words>', 'why')
    .action(action(async () => (await import('./holder/release/holder-request.js')).revokeGrant))
  signing(program.command('confirm-return'))
    .description('beneficiary: confirm that every copy of what was released is returned or destroyed')
    .requiredOption('--case <folder>', 'the case in the mailbox')
    .addOption(new Option('--outcome <outcome>', 'returned or destroyed').choices(['returned', 'destroyed']).makeOptionMandatory())
    .requiredOption('--account <words>', 'how, when and by whom')
    .action(action(async () => (await import('./holder/release/holder-request.js')).confirmReturn))
  for (const [name, words] of [
    ['withdraw', 'requester: take a request back'],
    ['veto', 'guardian: send a request back to approval, once'],
  ] as const) {
    signing(program.command(name))
      .description(words)
      .requiredOption('--case <folder>', 'the case in the mailbox')
      .requiredOption('--reason <words>', 'why')
      .action(action(async () => (await import('./holder/release/holder-request.js'))[name]))
  }
}

function addCustodianCommands(program: Command, action: Action): void {
  reaching(program.command('download'), 'service')
    .argument('<request>', 'id of a released request')
    .requiredOption('--into <folder>', 'where the archive will lie, for `escrow open`; what lies there already is not fetched again')
    .description('beneficiary: fetch what was granted from a service (--url); goes on where it broke off')
    .action(action(async () => (await import('./door/download.js')).download))
  program
    .command('gather')
    .argument('<file...>', 'signed statements that parties sent each other')
    .requiredOption('--agreement <file>', 'the registered agreement.json, as pinned')
    .requiredOption('--to <folder>', 'the folder of the case; what lies there stays')
    .description('anybody: make a case from files when there is no service to publish it')
    .action(action(async () => (await import('./holder/release/holder-gather.js')).gather))
  program
    .command('inbox')
    .argument('<folder>', 'the mailbox')
    .requiredOption('--agreement <file>', 'an agreement.json as pinned; once for each', collect)
    .description('custodian: list cases, each verified; exit 3 when one does not hold')
    .action(action(async () => (await import('./holder/release/holder-custody.js')).inbox))
  program
    .command('show')
    .argument('<case>', 'the folder of a case')
    .requiredOption('--agreement <file>', 'an agreement.json as pinned; once for each', collect)
    .option('--heard <file>', 'a statement that a party sent you directly; once for each', collect)
    .description('custodian: show a whole case from verified material')
    .action(action(async () => (await import('./holder/release/holder-custody.js')).show))
  for (const name of ['approve', 'refuse'] as const) {
    const command = reaching(program.command(name), 'sends')
      .argument('<case...>', 'folders of cases; one statement covers them all')
      .description(`custodian or group: ${name} after verifying each case`)
      .requiredOption('--as <folder>', 'the keys of the party')
      .requiredOption('--agreement <file>', 'an agreement.json as pinned; once for each', collect)
      .requiredOption('--reason <words>', 'why')
      .requiredOption('--out <file>', 'where the signed statement will lie')
      .action(action(async () => (await import('./holder/release/holder-custody.js'))[name]))
    if (name === 'refuse') continue
    command
      .option('--heard <file>', 'a statement that a party sent you directly, which the log must show; once for each', collect)
      .option('--unseen-evidence', 'judge although documents did not come with the case')
      .option('--outage <file>', 'the service is gone: a witness attests that its log is silent; once for each', collect)
  }
  signing(program.command('release-share'))
    .argument('<case>', 'the folder of a case')
    .description('custodian: seal the share to the pinned beneficiaries once the log shows the approvals')
    .requiredOption('--share <file>', 'the sealed share of the epoch')
    .option('--heard <file>', 'a statement that a party sent you directly, which the log must show; once for each', collect)
    .option('--outage <file>', 'the service is gone: a witness attests that its log is silent; once for each', collect)
    .action(action(async () => (await import('./holder/release/holder-custody.js')).releaseShareFor))
}
