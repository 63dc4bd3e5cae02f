import { concat, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { Encr } from '../crypto/transforms.ts'

/** A subscriber's key and the operator's variant of the algorithm, 16 octets each. */
export interface MilenageKey {
  readonly k: Uint8Array
  readonly opc: Uint8Array
}

/** What f1 to f5* give. Octets: `macA`, `macS`, `res` 8, `ck`, `ik` 16, `ak`, `akStar` 6. 3GPP TS 33.102 §6.3. */
export interface MilenageOutput {
  /** f1. */
  readonly macA: Uint8Array
  /** f1*. */
  readonly macS: Uint8Array
  /** f2. */
  readonly res: Uint8Array
  /** f3. */
  readonly ck: Uint8Array
  /** f4. */
  readonly ik: Uint8Array
  /** f5. */
  readonly ak: Uint8Array
  /** f5*. */
  readonly akStar: Uint8Array
}

/** OPc of an operator's OP, 16 octets each. 3GPP TS 35.206 §4.1. */
export const milenageOpc = (crypto: CryptoProvider, k: Uint8Array, op: Uint8Array): Uint8Array =>
  xor(encryptBlock(crypto, k, op), op)

/** All the functions at once. Octets: `rand` 16, `sqn` 6, `amf` 2. 3GPP TS 35.206 §4.1. */
export function milenage(
  crypto: CryptoProvider,
  { k, opc }: MilenageKey,
  rand: Uint8Array,
  sqn: Uint8Array,
  amf: Uint8Array,
): MilenageOutput {
  const temp = encryptBlock(crypto, k, xor(rand, opc))
  const out1 = xor(encryptBlock(crypto, k, xor(temp, rotate(xor(concat(sqn, amf, sqn, amf), opc), 8))), opc)
  const [out2, out3, out4, out5] = turns.map(([octets, constant]) => {
    const block = rotate(xor(temp, opc), octets)
    block[15] = block[15]! ^ constant
    return xor(encryptBlock(crypto, k, block), opc)
  }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  wipe(temp)
  return {
    macA: out1.slice(0, 8),
    macS: out1.slice(8),
    res: out2.slice(8),
    ak: out2.slice(0, 6),
    ck: out3,
    ik: out4,
    akStar: out5.slice(0, 6),
  }
}

/** r2 to r5 in octets, and the last octet of c2 to c5. */
const turns = [
  [0, 1],
  [4, 2],
  [8, 4],
  [12, 8],
] as const

/** AES of one block: CBC with a zero IV. */
function encryptBlock(crypto: CryptoProvider, key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = crypto.cipher(Encr.ENCR_AES_CBC, key)
  const out = block.slice()
  cipher.encrypt(new Uint8Array(16), out, 0, 16)
  cipher.destroy()
  return out
}

/** `a` xor `b`, as long as `a`. */
export const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((octet, at) => octet ^ b[at]!)

/** To the left by whole octets. */
const rotate = (block: Uint8Array, octets: number): Uint8Array =>
  concat(block.subarray(octets), block.subarray(0, octets))
