/** Limits of queues, schedules and notices, each with its unit in the name and its reason beside it. */

/** A queue that does not accept a connection for so long is unavailable. */
export const queueConnectTimeoutMs = 10_000
/** A queue that does not take a job within this time is unavailable; what is due is asked for again at the next tick. */
export const queueAddTimeoutMs = 10_000
/** Jobs under way have so long to end by themselves when the process stops. */
export const jobGraceMs = 5_000
/** A job that was told to stop has so long to let go of what it holds: git is killed, uploads are given up. */
export const jobStopMs = 15_000
/** A worker that says nothing of its job for so long is taken for dead. It speaks twice in that time. */
export const jobLockMs = 60_000
/** A source that was enqueued is looked at again after so long: a queue that loses it costs this delay, no more. */
export const lookAgainMs = 5 * 60_000
/** A copy that could not be read in the background is read again after so long before anybody is told. */
export const unreadableAgainMs = 15 * 60_000
/** Sources that metrics name, those that were fresh longest ago: a line for each of 100,000 would fill Prometheus. */
export const sourcesShownMax = 500
/** Parts of large copies that one round of spot checks reads: 32 MiB a minute. */
export const spotPartsPerRound = 4
/** Neighbouring copies among which one round draws. */
export const spotCandidatesMax = 5000
/** A source that was fresh so much later than now was looked at under a wrong clock. */
export const clockMendMs = 60 * 60_000
/** A credential is tried so long before its deposit is due: people sleep, and tokens are renewed in office hours. */
export const credentialAheadMs = 24 * 60 * 60_000
/** A source that was fresh within this time has just used its credential: hourly ones need no other trial. */
export const credentialRestMs = 6 * 60 * 60_000
/** Remotes asked at once to try credentials; each host has its own budget beside. */
export const credentialsAtOnce = 8
/** A deposit that comes to its schedule is begun within so long, each source at its own moment: a thousand daily sources start at midnight. */
export const startSpreadMaxMs = 10 * 60_000
/** A host that has enough to do is asked again after so long, spread over as long again. */
export const hostBusyMs = 20_000
/** Events older than this are announced to nobody: they come from an index that was rebuilt. */
export const noticeAgeMaxMs = 7 * 24 * 60 * 60_000
/** A receiver of notices that has not answered by then is cut. */
export const noticeTimeoutMs = 10_000
/** Notices on their way at once in one process. */
export const noticeSendsMax = 8
/** Tries to deliver one notice; with the pauses between them some three days. */
export const noticeAttemptsMax = 14
/** The first pause after a failed delivery, doubled with each try up to `noticePauseMaxMs`. */
export const noticePauseMs = 60_000
export const noticePauseMaxMs = 12 * 60 * 60_000
/** Contacts of one party in one agreement. */
export const noticeContactsMax = 20
/** Sources that one tick of one process takes; the others wait for the next, five seconds later. 400 a second are more than a process mirrors. */
export const dueSweepMax = 2000
