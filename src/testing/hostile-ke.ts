import { fromHex } from '../bytes/index.ts'
import { modpGroup } from '../crypto/modp-groups.ts'
import { keGroupInfo } from '../crypto/transforms.ts'
import type { Dice } from './hostile-dice.ts'

/** Points of small order of curve25519, RFC 7748 §6.1 and what reduces to them: each gives a shared secret of zero. */
const smallOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(fromHex)

/**
 * A key exchange value that must be refused, or at least looks as if: 0, 1, p-1, p and above for MODP, points off the curve
 * or of small order, wrong lengths. RFC 6989 §2, RFC 7748 §6.
 */
export function hostileKeValue(group: number, dice: Dice): Uint8Array {
  const bytes = keGroupInfo(group)?.publicBytes ?? dice.pick([0, 1, 32, 256])
  if (dice.chance(15)) return dice.octets(dice.pick([0, 1, bytes + 1, Math.max(0, bytes - 1), 2 * bytes]))
  const modp = modpGroup(group)
  if (modp !== undefined) {
    const value = dice.chance(50) ? modp.primeBytes.slice() : new Uint8Array(bytes)
    // p is odd and does not end in ..ff..fe, so this makes 0, 1, 2, p-1, p, or a number near them.
    value[bytes - 1] = dice.chance(70) ? (value[bytes - 1]! & 0xfe) + dice.below(2) : dice.u32()
    return value
  }
  if (group === 31 && dice.chance(60)) return dice.pick(smallOrder)
  return dice.chance(30) ? new Uint8Array(bytes).fill(dice.pick([0, 0xff])) : dice.octets(bytes)
}
