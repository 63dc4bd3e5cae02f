import { compareBytes, fromHex, wipe } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { RandomSource } from './provider.ts'
import { KeGroup, type KeGroupInfo } from './transforms.ts'

/**
 * Draws the private value of a key exchange from `random`. Every provider uses this one, so that the same random
 * octets give the same handshake to the byte. The caller owns and wipes the result.
 *
 * - MODP: 64 octets. RFC 3526 §8 asks for at most 480 bits up to MODP-4096; longer exponents cost time and add nothing,
 *   because these groups have safe primes (RFC 6989 §2.1).
 * - ECP: a scalar of the field's size from 1 to n-1, by rejection, which unlike a reduction modulo n has no bias.
 * - X25519: 32 octets as they are; the function itself clamps them (RFC 7748 §5).
 * - ML-KEM: 64 octets d | z as they are (FIPS 203 §7.1).
 */
export function drawPrivateValue(group: KeGroupInfo, random: RandomSource): Uint8Array {
  const exact = exactBytes[group.kind]
  if (exact !== undefined) return random(exact, 'private-value')
  const length = group.kind === 'modp' ? modpExponentBytes : group.sharedBytes
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

const modpExponentBytes = 64
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

/** The order n of each curve's base point. SEC 2 §§2.4-2.6, FIPS 186-4 D.1.2. */
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
])
