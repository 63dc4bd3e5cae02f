import { compareBytes, fromHex, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { RandomSource } from './provider.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/**
 * Draws the private value of a key exchange from `random`. Every provider uses this one, so that the same random
 * octets give the same handshake to the byte. The caller owns and wipes the result.
 *
 * - MODP: 64 octets, 68 for MODP-6144 and 78 for MODP-8192. RFC 3526 §8 asks for at most 480, 540 and 620 bits; longer
 *   exponents cost time and add nothing, because these groups have safe primes (RFC 6989 §2.1).
 * - ECP: a scalar of the field's size from 1 to n-1, by rejection, which unlike a reduction modulo n has no bias.
 * - X25519 and X448: 32 and 56 octets as they are; the functions themselves clamp them (RFC 7748 §5).
 * - ML-KEM: 64 octets d | z as they are (FIPS 203 §7.1).
 */
export function drawPrivateValue(group: KeGroupInfo, random: RandomSource): Uint8Array {
  const exact = exactBytes[group.kind]
  if (exact !== undefined) return random(exact, 'private-value')
  const length = group.kind === 'modp' ? modpExponentBytes(group) : group.sharedBytes
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const value = random(length, 'private-value')
    // The order of P-521 has 521 bits in 66 octets: without the mask 127 of 128 draws would be refused.
    if (group.id === KeGroup.ECP_521) value[0] = value[0]! & 1
    if (isPrivateValue(group, value)) return value
    wipe(value)
  }
  throw new UsageError('random', `gave no usable private value in ${maxAttempts} draws`)
}

/**
 * A private value that came from elsewhere in the form that the providers use: a copy, for ECP as long as the field.
 * Throws `UsageError` when it is out of range.
 */
export function fitPrivateValue(group: KeGroupInfo, privateValue: Uint8Array): Uint8Array {
  const fitted = normalise(group, privateValue)
  if (fitted === undefined || !isPrivateValue(group, fitted)) {
    wipe(fitted)
    throw new UsageError('privateValue', `out of range for key exchange group ${group.id}`)
  }
  return fitted
}

const modpExponentBytes = (group: KeGroupInfo): number => {
  if (group.id === KeGroup.MODP_8192) return 78
  return group.id === KeGroup.MODP_6144 ? 68 : 64
}
/** Octets of a private value that may be anything. */
const exactBytes: Partial<Record<KeGroupInfo['kind'], number>> = { x25519: 32, x448: 56, 'ml-kem': 64 }
const maxAttempts = 64

function normalise(group: KeGroupInfo, value: Uint8Array): Uint8Array | undefined {
  const exact = exactBytes[group.kind]
  if (exact !== undefined) return value.length === exact ? value.slice() : undefined
  let zeros = 0
  while (zeros < value.length && value[zeros] === 0) zeros++
  const digits = value.subarray(zeros)
  if (group.kind === 'modp') return digits.length <= group.publicBytes ? digits.slice() : undefined
  if (digits.length > group.sharedBytes) return undefined
  const padded = new Uint8Array(group.sharedBytes)
  padded.set(digits, padded.length - digits.length)
  return padded
}

function isPrivateValue(group: KeGroupInfo, value: Uint8Array): boolean {
  if (group.kind in exactBytes) return true
  const last = value.length - 1
  const isZero = value.every((octet) => octet === 0)
  if (group.kind === 'modp') return !isZero && !(value[last] === 1 && value.subarray(0, last).every((o) => o === 0))
  const order = ecpOrders.get(group.id)
  return order !== undefined && !isZero && compareBytes(value, order) < 0
}

/** The order n of each curve's base point. SEC 2 §§2.4-2.6, FIPS 186-4 D.1.2, RFC 5639 §3. */
const ecpOrders: ReadonlyMap<number, Uint8Array> = new Map([
  [KeGroup.ECP_256, fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')],
  [
    KeGroup.ECP_384,
    fromHex('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
  ],
  [
    KeGroup.ECP_521,
    fromHex(
      '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa' +
        '51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    ),
  ],
  [KeGroup.BRAINPOOL_P224R1, fromHex('d7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939f')],
  [KeGroup.BRAINPOOL_P256R1, fromHex('a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7')],
  [
    KeGroup.BRAINPOOL_P384R1,
    fromHex('8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565'),
  ],
  [
    KeGroup.BRAINPOOL_P512R1,
    fromHex(
      'aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870' +
        '553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069',
    ),
  ],
])
