import * as fc from 'fast-check'
import { test } from 'vitest'
import { EscrowError } from '../../../src/core/errors.js'
import { formatAddCheckpoint, parseAddCheckpoint } from '../../../src/format/add-checkpoint.js'
import { openCheckpoint, checkpointPolicy, parseCheckpointText } from '../../../src/format/checkpoint.js'
import { verifyCosignatures } from '../../../src/format/cosignature.js'
import { parseLogEntry } from '../../../src/format/log-entry.js'
import { verifyConsistency, verifyInclusion } from '../../../src/format/merkle.js'
import { parseNote, parseNoteKey, parseSignatureLine } from '../../../src/format/note.js'
import { parseProof, verifyProof } from '../../../src/format/proof.js'
import { formatEntryBundle, parseEntryBundle, parseHashTile, parseTilePath, tilePath } from '../../../src/format/tile.js'
import { NaiveMerkle } from '../../doubles/naive-merkle.js'
import logEntry from '../../vectors/log-entry.json' with { type: 'json' }
import sample from '../../vectors/proof.json' with { type: 'json' }

const policy = checkpointPolicy(sample.policy)
const checkpoint = sample.proof.slice(sample.proof.indexOf('\n\n') + 2)
const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Valid bytes with a few of them flipped, dropped, doubled or cut off. */
function mutated(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(valid.length - 1)
  const change = fc.oneof(
    fc.tuple(place, fc.nat(255)).map(
      ([at, byte]) =>
        (bytes: Uint8Array) =>
          Uint8Array.from(bytes, (old, other) => (other === at ? byte : old)),
    ),
    fc.tuple(place, fc.nat(40)).map(
      ([at, n]) =>
        (bytes: Uint8Array) =>
          Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + n)]),
    ),
    fc.tuple(place, fc.nat(40)).map(
      ([at, n]) =>
        (bytes: Uint8Array) =>
          Buffer.concat([bytes.subarray(0, at + n), bytes.subarray(at)]),
    ),
    place.map((at) => (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, at))),
  )
  return fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map((changes) => changes.reduce<Uint8Array>((bytes, apply) => apply(bytes), valid))
}

/** Whatever anybody sends, a parser returns or throws our own error; anything else is a bug of ours. */
function survives(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (error instanceof EscrowError) return true
    throw error
  }
}

const parsers: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
  ['notes', encode(checkpoint), (bytes) => verifyCosignatures(parseNote(bytes), policy.witnesses)],
  ['checkpoints', encode(checkpoint), (bytes) => openCheckpoint(bytes, policy)],
  ['checkpoint texts', encode(checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1)), (bytes) => parseCheckpointText(decode(bytes))],
  ['proofs', encode(sample.proof), (bytes) => verifyProof(parseProof(decode(bytes)), encode(sample.entry), policy)],
  ['log entries', encode(logEntry.entries[0]!.entry), parseLogEntry],
  ['verifier keys', encode(sample.policy.key), (bytes) => parseNoteKey(decode(bytes))],
  ['signature lines', encode(checkpoint.split('\n')[4]!), (bytes) => parseSignatureLine(decode(bytes))],
  [
    'witness requests',
    formatAddCheckpoint({ oldSize: 3, proof: [new Uint8Array(32)], checkpoint: encode(checkpoint) }),
    parseAddCheckpoint,
  ],
  ['entry bundles', formatEntryBundle([encode('a'), encode('bc')]), (bytes) => parseEntryBundle(bytes, 2)],
  ['hash tiles', new Uint8Array(64), (bytes) => parseHashTile(bytes, 2)],
  ['tile paths', encode('tile/entries/x001/234.p/7'), (bytes) => parseTilePath(decode(bytes))],
]

test.for(parsers)('random and mutated %s are read or refused, never worse', ([, valid, parse]) => {
  const input = fc.oneof(mutated(valid), fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }).map(encode))
  fc.assert(
    fc.property(input, (bytes) => survives(() => parse(bytes))),
    { numRuns: 400 },
  )
})

test('a mutated checkpoint that still opens says the same as the original', () => {
  const original = openCheckpoint(encode(checkpoint), policy)
  const law = fc.property(mutated(encode(checkpoint)), (bytes) => {
    let opened
    try {
      opened = openCheckpoint(bytes, policy)
    } catch {
      return true
    }
    return opened.size === original.size && Buffer.compare(opened.root, original.root) === 0 && opened.cosignatures.length <= 2
  })
  fc.assert(law, { numRuns: 400 })
})

test('every tile path reads back as the tile it names', () => {
  const level = fc.oneof(fc.nat(63), fc.constant('entries' as const))
  const tile = fc.record({ level, index: fc.maxSafeNat(), width: fc.integer({ min: 1, max: 256 }) })
  fc.assert(
    fc.property(tile, (one) => {
      const read = parseTilePath(tilePath(one))
      return read.level === one.level && read.index === one.index && read.width === one.width
    }),
  )
})

const tree = new NaiveMerkle(Array.from({ length: 70 }, (_, at) => Buffer.of(at)))
/** A proof with one hash changed, dropped or added somewhere. */
function spoiled(proof: readonly Uint8Array[]): fc.Arbitrary<Uint8Array[]> {
  const place = fc.nat(proof.length)
  return fc.oneof(
    place.map((at) => [...proof.slice(0, at), Buffer.alloc(32, at), ...proof.slice(at)]),
    place.filter((at) => at < proof.length).map((at) => proof.filter((_, other) => other !== at)),
    fc
      .tuple(place, fc.nat(255))
      .filter(([at]) => at < proof.length)
      .map(([at, bit]) => proof.map((hash, other) => (other === at ? flip(hash, bit) : hash))),
  )
}
const flip = (hash: Uint8Array, bit: number) => Uint8Array.from(hash, (byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))

test('no spoiled inclusion proof verifies', () => {
  const which = fc.integer({ min: 2, max: 70 }).chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1)))
  const attempt = which.chain(([size, index]) => fc.tuple(fc.constant(size), fc.constant(index), spoiled(tree.path(index, 0, size))))
  fc.assert(
    fc.property(attempt, ([size, index, proof]) => {
      try {
        verifyInclusion({ index, size, leafHash: tree.root(index, index + 1), root: tree.root(0, size) }, proof)
        return false
      } catch (error) {
        return error instanceof EscrowError
      }
    }),
    { numRuns: 500 },
  )
})

test('no spoiled consistency proof verifies', () => {
  const which = fc.integer({ min: 2, max: 70 }).chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size - 1 })))
  const attempt = which.chain(([size, oldSize]) =>
    fc.tuple(fc.constant(size), fc.constant(oldSize), spoiled(tree.consistency(oldSize, size))),
  )
  fc.assert(
    fc.property(attempt, ([newSize, oldSize, proof]) => {
      try {
        verifyConsistency({ oldSize, newSize, oldRoot: tree.root(0, oldSize), newRoot: tree.root(0, newSize) }, proof)
        return false
      } catch (error) {
        return error instanceof EscrowError
      }
    }),
    { numRuns: 500 },
  )
})
