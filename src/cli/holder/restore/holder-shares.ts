// Released shares become the identity of one epoch. It exists in this process only while it restores.
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { openBytes } from '../../../crypto/holder/open-envelope.js'
import { checkShare, combineShares, type Share } from '../../../crypto/holder/vault-shares.js'
import { checkVault } from '../../../crypto/vault-commitments.js'
import type { Vault, VaultEpoch } from '../../../format/agreement.js'
import { parseReleasedShare } from '../../../format/share.js'
import { readNamedFile } from '../../files.js'

const shareFileBytesMax = 64 * 1024

/** A vault's identity, and whose shares gave it. */
export interface CombinedShares {
  /** AGE-SECRET-KEY-1...: opens every envelope of the epoch. */
  readonly identity: string
  /** Indices that were used. */
  readonly used: readonly number[]
  /** Files that gave no share of this epoch, with the reason; they were left out. */
  readonly refused: readonly { readonly file: string; readonly reason: string }[]
}

/** A released share with the name under which it is spoken of. */
export interface ShareFile {
  readonly file: string
  /** The age file. */
  readonly envelope: Uint8Array
}

/** Released shares from files that a person named. @throws EscrowError `FILE_UNREADABLE`, `FORMAT_INVALID` */
export async function readShareFiles(files: readonly string[]): Promise<readonly ShareFile[]> {
  return Promise.all(files.map(async (file) => ({ file, envelope: await readNamedFile(file, shareFileBytesMax) })))
}

/**
 * Open released shares and combine those that belong to an epoch.
 *
 * @param files - age files to the beneficiary; anybody may have made them.
 * @throws EscrowError `SHARES_TOO_FEW` naming every file that was of no use
 */
export function combineFiles(
  files: readonly ShareFile[],
  wanted: { readonly vault: Vault; readonly epoch: VaultEpoch; readonly identity: string },
): CombinedShares {
  const vault = checkVault(wanted.epoch, wanted.vault.threshold)
  const shares: Share[] = []
  const refused: { file: string; reason: string }[] = []
  for (const { file, envelope } of files) {
    try {
      const plain = openBytes(envelope, wanted.identity)
      const share = parseReleasedShare(plain)
      plain.fill(0)
      const twin = shares.find((other) => other.index === share.index)
      checkIn(wanted, share)
      if (twin !== undefined) throw new EscrowError('SHARE_INVALID', `share ${share.index} was given already`)
      shares.push(share)
    } catch (error) {
      if (!isEscrowError(error)) throw error
      refused.push({ file, reason: `${error.message} [${error.code}]` })
    }
  }
  try {
    const { identity, used } = combineShares(vault, shares)
    return { identity, used, refused }
  } catch (error) {
    if (!isEscrowError(error, 'SHARES_TOO_FEW')) throw error
    const words = refused.map(({ file, reason }) => `; ${file}: ${reason}`).join('')
    throw new EscrowError(
      'SHARES_TOO_FEW',
      `expected ${vault.threshold} shares of epoch ${wanted.epoch.epoch}, got ${shares.length}${words}`,
      { cause: error },
    )
  } finally {
    for (const share of shares) share.value.fill(0)
  }
}

/** A share of another epoch of the same vault is told apart from one that opens nothing: its holder took the wrong file. */
function checkIn({ vault, epoch }: { readonly vault: Vault; readonly epoch: VaultEpoch }, share: Share): void {
  try {
    checkShare(checkVault(epoch, vault.threshold), share)
  } catch (error) {
    if (!isEscrowError(error, 'SHARE_INVALID')) throw error
    const other = vault.epochs.find((candidate) => candidate.epoch !== epoch.epoch && opens(candidate, vault, share))
    if (other === undefined) throw error
    const words = `expected a share of epoch ${epoch.epoch}, got share ${share.index} of epoch ${other.epoch}`
    throw new EscrowError('SHARE_INVALID', words, { cause: error })
  }
}

function opens(epoch: VaultEpoch, vault: Vault, share: Share): boolean {
  try {
    checkShare(checkVault(epoch, vault.threshold), share)
    return true
  } catch (error) {
    if (isEscrowError(error, 'SHARE_INVALID')) return false
    throw error
  }
}
