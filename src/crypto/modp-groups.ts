import { KeGroup } from './transforms.ts'

/** A MODP group of the "pi" family: a safe prime and the generator 2. */
export interface ModpGroup {
  readonly id: number
  readonly bits: number
  /** The prime p; (p-1)/2 is prime too. */
  readonly prime: bigint
  /** p as big-endian octets, `bits/8` of them. */
  readonly primeBytes: Uint8Array
}

/** The generator of every group here. */
export const modpGenerator = 2

/** The group of an IKEv2 number, undefined when it is none of this table. RFC 7296 appendix B.2, RFC 3526 §§2-5. */
export const modpGroup = (id: number): ModpGroup | undefined => groups.get(id)

/** `value` as exactly `length` big-endian octets. */
export function bigintToBytes(value: bigint, length: number): Uint8Array {
  const digits = value.toString(16).padStart(2 * length, '0')
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Big-endian octets as a number. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  let digits = '0x0'
  for (const octet of bytes) digits += octet.toString(16).padStart(2, '0')
  return BigInt(digits)
}

/** floor(2^3966 * pi): the middle of the largest prime, and shifted right that of all smaller ones. */
const piBits = 3966
const pi = BigInt(
  '0xc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b' +
    '0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f2411' +
    '7c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f3562085' +
    '52bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28f' +
    'b5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33a855' +
    '21abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d226' +
    '1ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5' +
    'ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c1a946834b6150bda' +
    '2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed1f61' +
    '2970cee2d7afb81bdd762170481cd0069127d5b05aa993b4ea988d8fddc186ffb7dc90a6c08f4df435c934028492',
)

/** p = 2^bits - 2^(bits-64) - 1 + 2^64 * (floor(2^(bits-130) * pi) + offset), the form in which the RFCs print it. */
function group(id: number, bits: number, offset: bigint): ModpGroup {
  const size = BigInt(bits)
  const middle = (pi >> BigInt(piBits - (bits - 130))) + offset
  const prime = (1n << size) - (1n << (size - 64n)) - 1n + (middle << 64n)
  return { id, bits, prime, primeBytes: bigintToBytes(prime, bits / 8) }
}

const groups: ReadonlyMap<number, ModpGroup> = new Map(
  [
    group(KeGroup.MODP_1024, 1024, 129093n),
    group(KeGroup.MODP_1536, 1536, 741804n),
    group(KeGroup.MODP_2048, 2048, 124476n),
    group(KeGroup.MODP_3072, 3072, 1690314n),
    group(KeGroup.MODP_4096, 4096, 240904n),
  ].map((row) => [row.id, row]),
)
