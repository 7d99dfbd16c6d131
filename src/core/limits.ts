/** Limits of formats, deposits, stores, log and releases, each with its unit in the name and its reason beside it. Of the door: http-limits.ts; of queues: job-limits.ts. */
/** Every limit of the service, with its unit in the name and its reason beside it. */

const KiB = 1024
const MiB = 1024 * KiB

/** Sealed bytes are hashed, uploaded and spot-checked in parts of this size. S3 wants 5 MiB to 5 GiB; 8 MiB costs 139 MiB of memory with minio. */
export const partBytes = 8 * MiB
/** S3 allows 10,000 parts: with 8 MiB that is 78 GiB, the largest sealed file. */
export const partsMax = 10_000
/** Bytes read from a file at once: 64 KiB reads drove V8 into marking loops, 1 MiB reads do not. */
export const readBlockBytes = MiB

/** A pack that git is writing into a file is looked at again after so long: nobody says when there is more of it. */
export const packPollMs = 25

/** An age header before parsing: typage has no cap of its own. */
export const envelopeHeaderBytesMax = 64 * KiB
/** Recipients of one envelope: with about 100 bytes each, the header stays well below its cap. */
export const envelopeRecipientsMax = 500
/** The STREAM construction of age: plaintext bytes in one chunk. */
export const envelopeChunkBytes = 64 * KiB

/** Options of one push (`git push -o`). */
export const pushOptionsMax = 16
/** A push that takes longer is cut: 64 GiB at 3 MB/s. */
export const pushTimeMaxMs = 6 * 3_600_000
/** What comes before the pack of a push has so long: 128 MiB of names at 1 Mbit/s. */
export const pushNamesTimeMaxMs = 20 * 60_000
/** Somebody who pushes sees a sign of life this often, so that no proxy cuts a connection while git works deltas out. */
export const pushKeepAliveMs = 5000
/** Somebody who pushes waits so long for the receipt; after that it is issued without them. */
export const pushReceiptWaitMs = 20_000
/** A sealed deposit is sent in pieces of this size; a connection that breaks costs one. */
export const offerPieceBytes = 64 * MiB
/** While a deposit is being sealed, so much of it is waited for before the next piece is sent ahead. */
export const aheadPieceBytes = 16 * MiB
/** Sealed deposits of one source that wait for their rest; with one more the oldest is forgotten. */
export const offersPerSourceMax = 3
/** Attachments of one source that have begun to arrive and wait for their rest; a depositor sends four at a time. */
export const attachmentsArrivingMax = 8
/** Attachments that a depositor sends at the same time. */
export const attachmentSendsMax = 4
/** How often a piece, or the question whether a deposit was received, is sent again when the service does not answer. */
export const sendAttemptsMax = 6
/** Before the second attempt; doubled each time. */
export const sendPauseMs = 1000
/** Commits of one deposit whose parents the inventory of a pushed source lists: 80,000 of git/git are 7 MB. */
export const archivedCommitsMax = 200_000
/** Parents of a commit that is listed: the largest known merge has 66. */
export const archivedParentsMax = 100
/** Tags of one chain that no ref names: those inside other tags, and those whose refs were deleted. */
export const innerTagsMax = 10_000
/** Refs in one listing. git/git has about 1,000, the largest forges 500,000. */
export const refsMax = 500_000
/** A ref name; git itself stops at what the file system takes. */
export const refNameBytesMax = 4096
/** One pkt-line, by the protocol (gitprotocol-common). */
export const pktLineBytesMax = 65_520
/**
 * What git may allocate at once (`GIT_ALLOC_LIMIT`). A delta of twenty bytes makes an object of gigabytes, and a chain of them terabytes, each of
 * which git wants in memory; its table of the objects of a pack takes 88 bytes for each, so that 24 million still fit.
 */
export const gitAllocationBytesMax = 2 * 1024 * MiB
/** Words of a remote that we keep and show. */
export const remoteWordsBytesMax = 4 * KiB
/** A pack that is read a second time, by isomorphic-git, unless the configuration says otherwise: that takes seven times its size in memory (decision 0020). */
export const secondOpinionBytesMaxDefault = 8 * MiB
/** One object of such a pack, and all of them: express packs 164 MB into 10. */
export const secondOpinionObjectBytesMax = 32 * MiB
export const secondOpinionUnpackedBytesMax = 2048 * MiB
/** A second opinion that takes longer is done without: express took 7 s of one core. */
export const secondOpinionTimeMaxMs = 180_000
/** A pack, unless the configuration says otherwise. */
export const packBytesMaxDefault = 64 * 1024 * MiB
/** Bundles that one agreement pushes or seals within 24 hours, unless the configuration says otherwise: four packs of the largest size. */
export const bytesPerDayMaxDefault = 4 * packBytesMaxDefault

/** Any signed document: manifest, receipt, statement, agreement. */
export const documentBytesMax = 4 * MiB
/** The same in DSSE's base64, with its signatures. */
export const signedDocumentBytesMax = 8 * MiB
/** Signatures on one document: every party of an agreement, and a few second keys. */
export const documentSignaturesMax = 1024
/** Signature checks that one document may cost, at about 0.1 ms each: signatures whose keyid names no pinned key are tried with all. */
export const documentSignatureChecksMax = 16_384
/** An inventory names every ref, so it may be large. */
export const inventoryBytesMax = 256 * MiB
/** Objects below one agreement: a hundred thousand sources with a hundred deposits of six files each. A longer listing is no archive. */
export const archiveObjectsMax = 60_000_000
/** Explanations of one deposit: one for each finding is usual. */
export const explanationsMax = 100
/** The header of a bundle: `refsMax` refs with names of 60 bytes, twice over. */
export const bundleHeaderBytesMax = 128 * MiB
/** Nesting of canonical JSON: ours is at most 8 deep. */
export const jsonDepthMax = 32

/** A statement may be dated this much after our own clock: computers of parties are seldom minutes apart. */
export const statementClockSkewMs = 5 * 60 * 1000
/** A depositor's word on what it has now: daily jobs run late, or twice. */
export const statedAgeMaxMs = 24 * 3_600_000
/** A statement that nobody used for so long is not what its signer means today. */
export const statementLifetimeDaysMax = 400
/** Requests that one approval covers; nobody signs five hundred times. */
export const coversMax = 10_000
/** Documents that one statement names as evidence. */
export const evidenceMax = 200
/** What a person writes into a statement: reasons, grounds; some ten pages. */
export const wordsCharactersMax = 20_000
/** One document of evidence: a scanned judgment of a few hundred pages. */
export const evidenceBytesMax = 64 * MiB
/** What opens one deposit to one verifier: a few digests and keys. */
export const sealDisclosureBytesMax = 4 * KiB
/** A share sealed to one recipient is an age file of about 400 bytes. */
export const sealedShareBytesMax = 4 * KiB

/** Custodians of one vault; the index is one byte and 0 is the secret itself. */
export const custodiansMax = 255
/** Parties of one agreement. */
export const partiesMax = 1000
/** Sources of one agreement. */
export const sourcesMax = 100_000

/** Incrementals that may rest on one full deposit. */
export const chainLengthMaxDefault = 120
/** Days until a full deposit is due again. */
export const fullEveryDaysDefault = 30
/** Nothing is locked beyond this: a store that counts seconds in 32 bits (Ceph 16) would take 2126 for 1990. Locks are lengthened as time passes. */
export const retainUntilMaxMs = Date.UTC(2100, 0, 1)
/** Findings of one code that are listed in full; the count is always exact. */
export const findingsListedMax = 200

/** A remote that sends nothing for so long is given up. */
export const remoteIdleTimeoutMs = 120_000
/** A store that does not answer one request for so long is given up. */
export const storeTimeoutMs = 120_000
/** How often one request that changes nothing when it arrives twice is sent to a store that does not answer. */
export const storeAttemptsMax = 3
/** What an upload left in a store is swept when nothing was written to it for so long: no living upload pauses for a day. */
export const uploadLeaseMs = 24 * 60 * 60 * 1000
/** One file of the log head: an entry bundle holds 256 leaves of at most 65,535 bytes (c2sp.org/tlog-tiles). */
export const logHeadBytesMax = 17 * MiB
/** Addresses of one host behind ssh that are tried in turn when nobody answers: two of each kind. */
export const sshAddressesMax = 4
/** Redirects followed for one remote. */
export const redirectsMax = 3

/** Hash tiles are 256 wide (c2sp.org/tlog-tiles). */
export const tileWidth = 256
/** A signed note with its cosignatures. */
export const noteBytesMax = 64 * KiB
/** Signatures on one note. */
export const noteSignaturesMax = 64
/** A witness must answer within this time; a deposit never waits longer for it. */
export const witnessTimeoutMs = 10_000
/** A witness that failed is left alone for so long, doubled with each failure in a row up to `witnessPauseMaxMs`: a slow one must not slow the log. */
export const witnessPauseMs = 15_000
/** The longest pause: a witness that is up again is asked within the hour. */
export const witnessPauseMaxMs = 1_800_000
/** What a witness may answer: a few signature lines, or a checkpoint. */
export const witnessAnswerBytesMax = noteBytesMax
/** Forks that a witness keeps as evidence, of all logs together; 64 KiB each. */
export const witnessEvidenceMax = 100
/** Logs that one witness watches. */
export const witnessLogsMax = 1000
/** Events that one attestation holds: at about 900 bytes each with its proof, below `documentBytesMax`. A longer period is attested in parts. */
export const attestedEventsMax = 3000
/** A cron line in an agreement: 24 hours and 12 months written out have about 100 characters. */
export const cronCharactersMax = 200
/** Due times that one attestation answers for: a year of hours would be 8,784. */
export const attestedPeriodsMax = 10_000
/** Files of one folder of evidence: four for each of a quarter of a million deposits. */
export const evidenceFilesMax = 1_000_000
/** The list of them: a name of this archive has about 120 bytes, its digest 66. */
export const evidenceSumsBytesMax = 256 * MiB
/** The report or the static verifier in a folder of evidence. */
export const evidencePageBytesMax = 64 * MiB
/** Checkpoints that a verifier of receipts remembers: neighbours lead to the same ones. */
export const checkpointsKeptMax = 64
/** Leaves that one sequencing step takes. */
export const sequenceBatchMax = 2048
/** How often an event takes the next number of its chain because another process had the one before: the second time the others wait, but for those under way. */
export const appendAttemptsMax = 20
/** Event files written to the store at once. */
export const eventWritesMax = 16
/** The right to sequence lapses after so long without a word; one step takes seconds. */
export const sequenceLeaseMs = 120_000
/** Tiles that a reader of proofs keeps in memory; 8 KiB each. */
export const tilesKeptMax = 256

/** A scratch folder whose owner we cannot ask (another host or container) is dead after so long: no deposit takes two days. */
export const scratchForeignAgeMaxMs = 48 * 60 * 60 * 1000
/** Free space that a deposit needs before it starts: a small pack, its index, and the sealed file. */
export const scratchBytesMin = 64 * MiB
/** A deposit needs its pack and its sealed file on scratch, and the index: measured 2.1 to 2.2 times the pack of git/git. */
export const scratchPerPackByte = 2.5

/** A repository loses more than half of its refs at once only by accident or intent: merged branches go one by one. */
export const refsShrunkPercent = 50
/** Below so many refs, halving is ordinary work. */
export const refsShrunkMin = 10
/** A full pack that halves was rewritten or emptied; a repack by the remote changed git/git's by less than a tenth. */
export const packShrunkPercent = 50
/** Below this size a pack halves when one picture is removed. */
export const packShrunkBytesMin = MiB

/** Branches of one deposit whose history is proven by a fetch of its own; a remote with more is answered "not proven". */
export const ancestryProofsMax = 16
/** Bytes of one such fetch: a year of git/git is about 30 MiB. */
export const ancestryProofBytesMax = 64 * MiB

/** Files of HEAD's tree that the inventory looks at: the largest public repositories have about 400,000. */
export const inventoryFilesMax = 1_000_000
/** Depth of folders that the inventory looks at: paths end at 4096 bytes. */
export const inventoryDepthMax = 256
/** Bytes of trees that the inventory holds at once and reads in all. */
export const inventoryTreeBytesMax = 256 * MiB
/** A path in the inventory, in bytes; longer ones are counted, not listed (the limit of Linux). */
export const inventoryPathBytesMax = 4096
/** A path that a person names on a command line: PATH_MAX of Linux. */
export const pathBytesMax = 4096
/** Files listed as the largest. */
export const largestFilesMax = 100
/** Build recipes and licences listed, of each. */
export const recipesListedMax = 1000
/** LFS pointers and submodules listed, of each. */
export const lfsListedMax = 100_000
/** Attachments of one deposit: its manifest is a document of 4 MiB at most. */
export const attachmentsMax = 20_000
/** Bytes of one attachment: what a store takes in parts. */
export const attachmentBytesMax = 64 * 1024 * MiB
/** An attachment that is in no deposit yet is locked for so long; then it must be attached again. */
export const attachmentWaitDays = 30
/** The beginning of a compartment: a file name, a digest and a size. */
export const compartmentHeaderBytesMax = 4 * KiB
/** Objects asked for by one request to an LFS server: what git-lfs itself asks for. */
export const lfsBatchMax = 100
/** LFS objects fetched at the same time. */
export const lfsAtOnce = 4
/** An answer of an LFS server to a batch: 100 objects with long signed URLs. */
export const lfsAnswerBytesMax = 4 * MiB
/** A batch request of git-lfs: a thousand objects. */
export const lfsRequestBytesMax = MiB
/** A .lfsconfig: those known have a few lines. */
export const lfsConfigBytesMax = 64 * KiB
/** The address of an LFS server in it: what browsers and proxies take. */
export const lfsUrlBytesMax = 2048
/** An LFS pointer is shorter than 1024 bytes (git-lfs, docs/spec.md). */
export const lfsPointerBytesMax = 1024
/** A .gitmodules file. The largest known have a few thousand entries. */
export const gitmodulesBytesMax = MiB
/** Files that declare or fix dependencies, in one inventory: monorepos have a few thousand packages. */
export const dependencyFilesMax = 10_000
/** Compiled files that one inventory lists. */
export const binariesListedMax = 1000
/** A dependency manifest or SBOM that is looked into; larger ones speak by name alone. Written by hand, the largest known have 100 KiB. */
export const manifestBytesMax = 256 * KiB
/** All that are looked into for one inventory: at worst a second for each megabyte. */
export const manifestsBytesMax = 64 * MiB
/** Folders above a dependency manifest that counts. */
export const manifestDepthMax = 8
/** Sources of an agreement that submodules are matched with. */
export const siblingSourcesMax = 10_000
/** Sources whose known objects are asked for pinned commits; each costs 8 bytes for every object of its chain. */
export const siblingsAskedMax = 32
/** A commit, tree or tag whose links we follow: a folder of a million files is a tree of 40 MiB. */
export const linkedObjectBytesMax = 256 * MiB
/** Folders above a build recipe or licence that counts: deeper ones belong to vendored code. */
export const recipeDepthMax = 2

/** A database that does not accept a connection for so long is unavailable. */
export const databaseConnectTimeoutMs = 10_000
/** One statement, and one pause inside a transaction: ours take milliseconds. */
export const databaseStatementTimeoutMs = 60_000
/** One statement of a reader, while those of others wait behind it. */
export const databaseReadTimeoutMs = 10_000
/** How far the heap of a service may grow beyond what lived in it at the last collection. */
export const heapGrowthPercentMax = 25
/** How long the first of two processes that start at once waits for the other to give way. */
export const lockSettleMs = 500
/** How often it looks. */
export const lockSettlePollMs = 10
/** Rows that one query returns; longer lists are read page by page. */
export const rowsMax = 1000
/** A configuration file. */
export const configBytesMax = MiB
/** A file with one secret: a key, a password, a URL. */
export const secretBytesMax = 64 * KiB

/** A witness's word that a log is silent is believed so long: afterwards the service may be back. */
export const outageFreshHours = 72
/** Agreements whose requests and orders are moved at once: each waits for documents and events that are forced to disk. */
export const agreementsAtOnceMax = 8
/** Small documents that are written to the store at once. */
export const documentWritesMax = 8
/** Small documents that are read from the store at once: they wait for the network, not for us. */
export const documentReadsMax = 8
