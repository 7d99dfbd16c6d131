import { Option, type Command } from 'commander'
import { collect, wholeNumber, type Action } from './command.js'
import { addAmendmentCommands } from './program-custody.js'
import { reaching } from './reach.js'

const roles = ['depositor', 'beneficiary', 'custodian', 'agent', 'supervisor', 'arbiter', 'approver']

/** The commands with which parties make keys, agree and send deposits. */
export function addPartyCommands(program: Command, action: Action): void {
  program.commandsGroup('Parties (work on their own files):')
  program
    .command('keygen')
    .argument('<folder>', 'where the keys will lie; keep it to yourself, give others only its party.json')
    .description('make the keys of a party: age identity, Ed25519 signing key, public card')
    .requiredOption('--party <name>', 'short name in agreements: a-z 0-9 -')
    .addOption(new Option('--role <role>', 'what the party is').choices(roles).makeOptionMandatory())
    .requiredOption('--country <code>', 'country of seat')
    .option('--control <code>', 'country of ultimate control (default: --country)')
    .option('--name <words>', 'name for people (default: --party)')
    .option('--organisation <words>', 'organisation (default: --name)')
    .option('--ssh-key <file>', 'sign with this SSH key (Ed25519 or FIDO sk-), by its .pub file; nothing of it is copied')
    .option('--ssh-keygen <program>', 'which ssh-keygen signs with it', 'ssh-keygen')
    .option('--foreign-capital-largest <percent>', 'largest single holder from outside EU, EEA and CH', wholeNumber(0, 100), 0)
    .option('--foreign-capital-total <percent>', 'all holders from outside EU, EEA and CH', wholeNumber(0, 100), 0)
    .action(action(async () => (await import('./holder/agreement/holder-keygen.js')).keygen))
  addAgreementCommands(program, action)
  addDepositCommands(program, action)
}

function addAgreementCommands(program: Command, action: Action): void {
  const agreement = program.command('agreement').description('write, sign, register and show agreements')
  agreement
    .command('create')
    .description('write an agreement and its sealed annex from a draft, the cards of the parties and a dealt vault')
    .requiredOption(
      '--draft <file>',
      'YAML: title, endsAt, retentionDays, sources, jurisdiction, witnesses, release (docs/formats/agreement.md, "The draft")',
    )
    .requiredOption('--service <file>', "the agent's service.json")
    .requiredOption('--vault <file>', 'the vault.json that `escrow vault deal` wrote')
    .requiredOption('--party <card>', 'party.json of a party; once for each, the agent included', collect)
    .requiredOption('--out <folder>', 'where agreement.json and annex.age will lie')
    .action(action(async () => (await import('./holder/agreement/holder-agreement.js')).createAgreement))
  agreement
    .command('sign')
    .argument('<agreement.json>', 'the agreement; the signature is added to it')
    .description('sign an agreement as one of its parties')
    .requiredOption('--as <folder>', 'the keys of the party')
    .option(
      '--before <file>',
      'the version before: a depositor or beneficiary with other keys signs with the new ones, then with the old ones',
    )
    .action(action(async () => (await import('./holder/agreement/holder-agreement.js')).signAgreement))
  agreement
    .command('register')
    .argument('<agreement.json>', 'signed by depositor and beneficiaries')
    .description('operator: countersign an agreement, store it on every replica and know its sources')
    .requiredOption('--annex <file>', 'the annex.age beside it')
    .option('--credential <source=file>', 'file with the credential of a source (docs/OPERATING.md); only its path is kept', collect)
    .action(action(async () => (await import('./agent/agent-agreement.js')).registerAgreement))
  addAmendmentCommands(agreement, action)
  reaching(agreement.command('show'), 'door')
    .argument('[id or file]', 'an id in the home folder, or an agreement.json; all of the home folder when left out')
    .description('show agreements: digest, parties with fingerprints, vault, sources and their newest deposits')
    .action(action(async () => (await import('./door/door-agreement.js')).showAgreement))
}

function addDepositCommands(program: Command, action: Action): void {
  const deposit = program
    .command('deposit')
    .argument('<repository>', 'a local path, or a URL')
    .description(
      'take a deposit at the depositor: the operator never sees plaintext; with --url send it, and go on where an earlier run stopped',
    )
    .requiredOption('--sealed', 'seal before anything leaves this machine')
    .requiredOption('--as <folder>', 'the keys of the depositor')
    .requiredOption('--agreement <file>', 'the registered agreement.json')
    .requiredOption('--source <name>', 'the source in the agreement')
    .requiredOption('--state <folder>', "the depositor's own record of earlier deposits of this source")
    .option('--out <folder>', 'where the sealed deposit will lie, for `escrow receive` (with --url: below --state)')
    .option('--receipt <file>', 'what the agent gave back for the deposit before: accepted.json or its receipt.json')
    .option('--epoch <n>', "epoch of the vault to seal to (default: the agreement's first)", wholeNumber(1, 1_000_000))
    .option('--annex <file>', 'the annex.age of the agreement, to match submodules with its sources; without it none is')
    .option(
      '--disclose-to <card>',
      'party.json of a verifier entitled to the plaintext: what `escrow verify-seal` needs is sealed to it, below --state',
    )
    .option(
      '--attach <kind[:name]=file>',
      'a file that belongs to this deposit and those after it, like sbom=product.spdx.json; build-secrets need a name; may be repeated',
      collect,
    )
    .option(
      '--no-fsck',
      'trust this repository: git copies its pack and hashes no object again, which is several times faster; the deposit says so (PACK_NOT_CHECKED)',
    )
    .option('--full', 'a full deposit even where an incremental would do', false)
    .action(action(async () => (await import('./holder/deposit/holder-deposit.js')).depositSealed))
  reaching(deposit, 'door')
  program
    .command('verify-seal')
    .argument('<file>', 'what the depositor disclosed with `deposit --sealed --disclose-to`')
    .description('verifier: see without any custodian that the vault opens a sealed deposit')
    .requiredOption('--as <folder>', 'the keys of the verifier')
    .requiredOption('--agreement <file>', 'the signed agreement, as pinned')
    .requiredOption('--from <folder>', 'a copy of the archive')
    .option('--bundle <file>', 'keep the opened git bundle here')
    .action(action(async () => (await import('./holder/restore/holder-verify-seal.js')).verifySeal))
  reaching(program.command('deposit-statement'), 'sends')
    .argument('<repository>', 'a local path, or a URL')
    .description('depositor: sign what a repository holds, to be compared with what arrives; prints it as options for git push')
    .requiredOption('--as <folder>', 'the keys of the depositor')
    .requiredOption('--agreement <file>', 'the registered agreement.json')
    .requiredOption('--source <name>', 'the source in the agreement, of mode push or sealed')
    .requiredOption('--out <file>', 'where the signed statement will lie')
    .option('--epoch <n>', "epoch of the vault (default: the agreement's first)", wholeNumber(1, 1_000_000))
    .action(action(async () => (await import('./holder/deposit/holder-stated.js')).stateDeposit))
  reaching(program.command('explain'), 'sends')
    .argument('<manifest.json>', 'of the deposit, in a copy of the archive')
    .description('depositor: explain blocking findings of a deposit, so that beneficiaries open it by default again')
    .requiredOption('--as <folder>', 'the keys of the depositor')
    .requiredOption('--agreement <file>', 'the registered agreement.json')
    .requiredOption('--explanation <words>', 'what happened, in words for the other parties')
    .requiredOption('--out <file>', 'where the signed statement will lie, for `escrow record`')
    .option('--code <finding>', 'only this finding; may be repeated (default: every blocking one)', collect)
    .action(action(async () => (await import('./holder/deposit/holder-explain.js')).explain))
}

/** How complete deposits are: for the operator and for parties. */
export function addCompletenessCommand(program: Command, action: Action): void {
  const levels = ['L0', 'L1', 'L2']
  reaching(program.command('completeness'), 'door')
    .description(
      'report how complete a deposit is by the check list of docs/COMPLETENESS.md, and what to add: the operator on --home, a party with --as and --from, or with --as and --url',
    )
    .requiredOption('--agreement <id or file>', 'the operator: its id; a party: the signed agreement, as pinned')
    .requiredOption('--source <name>', 'the source')
    .option('--sequence <n>', 'this deposit (default: the newest)', wholeNumber(1, 999_999_999))
    .option('--as <folder>', 'the keys of a party; depositor, beneficiary and supervisor see names, others levels and counts')
    .option('--from <folder>', 'a copy of the archive')
    .addOption(new Option('--format <format>', 'for a terminal, a browser or a program').choices(['text', 'html', 'json']).default('text'))
    .option('--out <file>', 'write the report there instead of printing it')
    .addOption(new Option('--demand <level>', 'exit 3 when this level is not reached').choices(levels))
    .action(action(async () => (await import('./door/completeness.js')).completeness))
}

/** The commands around shares, and the one that opens. */
export function addCustodyCommands(program: Command, action: Action): void {
  program.commandsGroup('Custody and release:')
  const vault = program.command('vault').description('deal, accept, arm and prove the shares of a vault')
  vault
    .command('deal')
    .argument('<folder>', 'a new folder for vault.json and the sealed shares')
    .description('depositor: deal the key of a vault and of its reserve among custodians; nobody keeps it')
    .requiredOption('--threshold <t>', 'how many custodians open it together', wholeNumber(2, 253))
    .requiredOption('--custodian <card>', 'party.json of a custodian; once for each, in the order of their indices', collect)
    .option('--epoch <n>', 'number of the first of the two; above every earlier one when shares are dealt anew', wholeNumber(1, 999_999), 1)
    .action(action(async () => (await import('./holder/agreement/holder-vault.js')).dealVault))
  vault
    .command('accept')
    .description('custodian: check the shares of every epoch against the agreement and sign for them')
    .requiredOption('--as <folder>', 'the keys of the custodian')
    .requiredOption('--agreement <file>', 'the signed agreement')
    .requiredOption('--share <file>', 'a sealed share; once for each epoch', collect)
    .requiredOption('--out <folder>', 'where the signed acceptances will lie')
    .action(action(async () => (await import('./holder/agreement/holder-vault.js')).acceptVault))
  reaching(vault.command('arm'), 'door')
    .argument('<file...>', 'acceptances of the custodians')
    .description('operator: record acceptances; the vault is armed when all custodians have accepted')
    .action(action(async () => (await import('./door/door-agreement.js')).armVault))
  reaching(vault.command('health'), 'door')
    .argument('[file...]', 'proofs of custodians, to be verified')
    .description(
      'custodian: prove that a share is still there (--as); anybody: verify such proofs and count them, and see the alarms of the agreement; exit 3 then',
    )
    .requiredOption('--agreement <file>', 'the signed agreement')
    .option('--as <folder>', 'the keys of the custodian')
    .option('--share <file>', 'a sealed share; once for each epoch', collect)
    .option('--out <folder>', 'where the proofs will lie')
    .action(action(async () => (await import('./door/door-custody.js')).vaultHealth))
  reaching(vault.command('alarms'), 'door')
    .description('list what is wrong with the custody of agreements: quorums out of reach, shares not proved, drills overdue; exit 3 then')
    .action(action(async () => (await import('./door/door-custody.js')).listCustodyAlarms))
  const share = program.command('share').description('hand out a share')
  share
    .command('release')
    .description('custodian: seal a share anew to the pinned key of a beneficiary')
    .requiredOption('--as <folder>', 'the keys of the custodian')
    .requiredOption('--agreement <file>', 'the signed agreement')
    .requiredOption('--share <file>', 'the sealed share of the epoch')
    .requiredOption('--to <party>', 'the beneficiary, by its name in the agreement')
    .requiredOption('--out <file>', 'where the released share will lie')
    .action(action(async () => (await import('./holder/release/holder-share.js')).releaseShare))
  program
    .command('open')
    .description('beneficiary: verify a chain, combine shares, decrypt, and restore a bare repository')
    .requiredOption('--as <folder>', 'the keys of the beneficiary')
    .requiredOption('--agreement <file>', 'the signed agreement, as pinned')
    .requiredOption('--to <folder>', 'the bare repository to make')
    .option('--from <folder>', 'a copy of the archive: what was handed over, a directory replica, or what `escrow replicate` wrote')
    .option('--mailbox <folder>', 'take the case from <folder>/<request>, and what was handed over from <folder>/<request>/archive')
    .option('--case <folder>', 'a released case: source, deposit and shares are taken from it')
    .option('--request <request>', 'the request that the case must be')
    .option('--source <name>', 'the source')
    .option('--share <file>', 'a released share; once for each custodian', collect)
    .option('--sequence <n>', 'this deposit (default: the newest without an unexplained blocking finding)', wholeNumber(1, 999_999_999))
    .action(action(async () => (await import('./holder/restore/holder-open.js')).open))
}
