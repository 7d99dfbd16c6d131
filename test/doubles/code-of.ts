import { EscrowError, isEscrowError } from '../../src/core/errors.js'

/** What becomes of it: the code of the `EscrowError` that is thrown, `accepted`, or words about whatever else is thrown. */
export function codeOf(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return isEscrowError(error) ? error.code : `not ours: ${String(error)}`
  }
}

/** The code with which an action is refused; null when it is not. */
export function refusal(action: () => unknown): string | null {
  try {
    action()
    return null
  } catch (error) {
    if (error instanceof EscrowError) return error.code
    throw error
  }
}
