/**
 * A second implementation of what docs/formats/share.md says, to compare ours with: written from RFC 8032, RFC 7748 and RFC 9591
 * appendix C with bigints alone, sharing no line and no library with src. Slow, not constant-time, never outside tests.
 */

export const p = 2n ** 255n - 19n
export const L = 2n ** 252n + 27742317777372353535851937790883648493n

const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = mod(base, modulus), rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % modulus) {
    if (rest & 1n) result = (result * square) % modulus
  }
  return result
}

const inverse = (value: bigint, modulus: bigint): bigint => power(value, modulus - 2n, modulus)
const d = mod(-121665n * inverse(121666n, p), p)
const rootOfMinusOne = power(2n, (p - 1n) / 4n, p)

export interface OraclePoint {
  readonly x: bigint
  readonly y: bigint
}

/** x² = (y² - 1) / (dy² + 1), RFC 8032 section 5.1.3; null when there is none. */
export function pointWithY(y: bigint, odd: boolean): OraclePoint | null {
  const square = mod((y * y - 1n) * inverse(mod(d * y * y + 1n, p), p), p)
  let x = power(square, (p + 3n) / 8n, p)
  if (mod(x * x - square, p) !== 0n) x = mod(x * rootOfMinusOne, p)
  if (mod(x * x - square, p) !== 0n) return null
  return { x: (x & 1n) === (odd ? 1n : 0n) ? x : mod(-x, p), y }
}

export const neutral: OraclePoint = { x: 0n, y: 1n }
export const base: OraclePoint = pointWithY(mod(4n * inverse(5n, p), p), false) ?? neutral

/** X = x·Z, Y = y·Z, T = x·y·Z */
type Extended = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint]

const extend = ({ x, y }: OraclePoint): Extended => [x, y, 1n, mod(x * y, p)]

/** RFC 8032 section 5.1.4; complete, so it doubles as well. */
function addExtended([X1, Y1, Z1, T1]: Extended, [X2, Y2, Z2, T2]: Extended): Extended {
  const [A, B, C, D] = [(Y1 - X1) * (Y2 - X2), (Y1 + X1) * (Y2 + X2), 2n * T1 * T2 * d, 2n * Z1 * Z2].map((value) => mod(value, p)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ]
  const [E, F, G, H] = [B - A, D - C, D + C, B + A]
  return [mod(E * F, p), mod(G * H, p), mod(F * G, p), mod(E * H, p)]
}

function affine([X, Y, Z]: Extended): OraclePoint {
  const scale = inverse(Z, p)
  return { x: mod(X * scale, p), y: mod(Y * scale, p) }
}

export const add = (a: OraclePoint, b: OraclePoint): OraclePoint => affine(addExtended(extend(a), extend(b)))

export function multiply(point: OraclePoint, scalar: bigint): OraclePoint {
  let sum = extend(neutral)
  let doubled = extend(point)
  for (let rest = scalar; rest > 0n; rest >>= 1n, doubled = addExtended(doubled, doubled)) if (rest & 1n) sum = addExtended(sum, doubled)
  return affine(sum)
}

const reverse = (hex: string): string => Buffer.from(Buffer.from(hex, 'hex').toReversed()).toString('hex')
export const toLittleEndian = (value: bigint): string => reverse(value.toString(16).padStart(64, '0'))
export const fromLittleEndian = (hex: string): bigint => BigInt(`0x${reverse(hex)}`)

export const compress = (point: OraclePoint): string => toLittleEndian(point.y | ((point.x & 1n) << 255n))

export function decompress(hex: string): OraclePoint {
  const value = fromLittleEndian(hex)
  const point = pointWithY(value & (2n ** 255n - 1n), value >> 255n === 1n)
  if (point === null) throw new Error('not a point')
  return point
}

/** The u coordinate, 32 bytes little-endian in hex. */
export const montgomeryU = (point: OraclePoint): string => toLittleEndian(mod((1n + point.y) * inverse(mod(1n - point.y, p), p), p))

/** RFC 7748 section 5, with the scalar clamped. */
export function x25519(scalarHex: string, u: bigint): string {
  const bytes = Buffer.from(scalarHex, 'hex')
  bytes[0] = (bytes[0] ?? 0) & 248
  bytes[31] = ((bytes[31] ?? 0) & 127) | 64
  const k = fromLittleEndian(bytes.toString('hex'))
  let [x2, z2, x3, z3] = [1n, 0n, u, 1n]
  for (let bit = 254n; bit >= 0n; bit -= 1n) {
    const swap = (k >> bit) & 1n
    if (swap) [x2, z2, x3, z3] = [x3, z3, x2, z2]
    const [a, b, c, e] = [x2 + z2, x2 - z2, x3 + z3, x3 - z3]
    const [aa, bb, da, cb] = [mod(a * a, p), mod(b * b, p), mod(e * a, p), mod(c * b, p)]
    const difference = mod(aa - bb, p)
    ;[x3, z3] = [mod((da + cb) * (da + cb), p), mod(u * (da - cb) * (da - cb), p)]
    ;[x2, z2] = [mod(aa * bb, p), mod(difference * (aa + 121665n * difference), p)]
    if (swap) [x2, z2, x3, z3] = [x3, z3, x2, z2]
  }
  return toLittleEndian(mod(x2 * inverse(z2, p), p))
}

/** f(i) for coefficients a_0, a_1, .. */
export const evaluate = (coefficients: readonly bigint[], index: bigint): bigint =>
  coefficients.reduceRight((sum, coefficient) => mod(sum * index + coefficient, L), 0n)

/** f(0) from points of f, Lagrange. */
export function interpolate(shares: ReadonlyMap<number, bigint>): bigint {
  let secret = 0n
  for (const [i, value] of shares) {
    let weight = 1n
    for (const j of shares.keys()) if (j !== i) weight = mod(weight * BigInt(j) * inverse(mod(BigInt(j - i), L), L), L)
    secret = mod(secret + weight * value, L)
  }
  return secret
}

/** sum i^j A_j */
export const evaluateInExponent = (commitments: readonly string[], index: number): OraclePoint =>
  commitments.reduceRight((sum, commitment) => add(multiply(sum, BigInt(index)), decompress(commitment)), neutral)
