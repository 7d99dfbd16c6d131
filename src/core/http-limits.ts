/** Limits of the door and of those who knock at it, each with its unit in the name and its reason beside it. */

const KiB = 1024
const MiB = 1024 * KiB

/** A JSON body over HTTP that is no signed document: the largest of ours has a dozen fields. */
export const jsonBodyBytesMax = 64 * KiB
/** Acceptances of one custodian for 64 epochs in one JSON body, in base64: about 2 KiB each. */
export const acceptancesBytesMax = MiB
/** A client has so long for the header of a request. */
export const httpHeadersTimeoutMs = 30_000
/** How often Node looks whether a header takes too long: its own half a minute would double the limit. */
export const httpCheckEveryMs = 5000
/** A client has so long for a body that is not a stream: 8 MiB at 1 Mbit/s. */
export const httpBodyTimeoutMs = 60_000
/** A connection on which nothing moves for so long is closed, in the middle of a stream too. */
export const httpIdleTimeoutMs = 120_000
/** A connection between two requests: longer than the 60 s of usual proxies, so that they close first. */
export const httpKeepAliveMs = 65_000
/** Requests under way have so long to end when the service stops. */
export const httpShutdownMs = 20_000
/** Connections of one process; each costs some 50 KiB. */
export const httpConnectionsMax = 2000
/** The row of an API token is believed for so long (decision 0015). */
export const tokenKeptMs = 1000
/** Tokens that one process keeps. */
export const tokensKeptMax = 10_000
/** Clients whose rate is remembered; the oldest is forgotten. */
export const rateClientsMax = 10_000
/** A download that runs longer is judged again in between: a grant may have ended meanwhile. */
export const accessRecheckMs = 30_000
/** Refused downloads of one party and release that the log takes in an hour; each is an object under retention. */
export const refusalsLoggedPerHourMax = 20
/** A service that a command asks answers within this, but for downloads. */
export const serviceTimeoutMs = 120_000
/** What such an answer may hold: the files of a case in base64 are the largest. */
export const serviceAnswerBytesMax = 256 * MiB
