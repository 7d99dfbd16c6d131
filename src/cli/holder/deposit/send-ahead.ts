import { assert } from '../../../core/errors.js'
import { aheadPieceBytes } from '../../../core/limits.js'
import type { GrowingFile } from '../../../store/growing-file.js'
import type { ObjectKey } from '../../../store/object-key.js'
import type { ServiceAddress } from '../../service/service-http.js'
import { offerOf, pathInOffer } from './holder-send.js'
import { SendingDesk } from './sending-desk.js'

/**
 * Send the envelope of a deposit while it is still being sealed and checked, so that little is left to send afterwards (decision 0025).
 *
 * What goes wrong here goes wrong again when the deposit is sent, and is said then: this stops at the first fault and says nothing.
 *
 * @param key - of the envelope.
 * @param signal - the deposit is done, and the rest is sent as if there had been no haste; or given up, and the service forgets what was sent of it.
 * @returns when all of it was sent, or nothing more will be.
 */
export async function sendAhead(service: ServiceAddress, key: ObjectKey, file: GrowingFile, signal: AbortSignal): Promise<void> {
  const offer = offerOf(key)
  assert(offer !== null, 'the key of an envelope names its attempt')
  const path = pathInOffer(offer.attempt, key)
  try {
    const desk = await SendingDesk.open(service, offer.source, signal, 1)
    for (let sentBytes = 0, ended = false; !ended;) {
      // Whole pieces while it grows: each is a request.
      const { finalBytes, finished } = await file.beyond(sentBytes + aheadPieceBytes - 1, signal)
      const piece = { name: key, path: file.path, sizeBytes: finalBytes }
      if (finalBytes > sentBytes) await desk.sendFile(piece, { from: sentBytes, path, onBytes: () => undefined })
      sentBytes = finalBytes
      ended = finished
    }
  } catch {
    // As above.
  }
}
