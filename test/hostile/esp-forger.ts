import { concat, writeU16, writeU32 } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { createEspCipher, type EspCipher, type EspSaParameters } from '../../src/esp/index.ts'
import { buildIcmpEcho, buildIp, buildIpv6, buildUdp, type PacketAddresses, parseIp } from '../../src/ip/index.ts'
import type { Dice } from '../../src/testing/hostile-dice.ts'

/** Makes ESP packets with a good ICV around anything. RFC 4303 §2. */
export class EspForger {
  readonly spi: number
  /** Addresses that the SA's traffic selectors take. */
  readonly inner: PacketAddresses
  readonly #cipher: EspCipher
  #sequence = 0

  constructor(parameters: Pick<EspSaParameters, 'spi' | 'encr' | 'integ'>, source: string) {
    this.spi = parameters.spi
    this.inner = { source: parseIp(source), destination: parseIp('10.1.0.9') }
    this.#cipher = createEspCipher(nodeProvider, { ...parameters, esn: false, replayWindow: 0 })
  }

  /** The packet around `inner`, padded as it should be. */
  seal(inner: Uint8Array, nextHeader: number): Uint8Array {
    const alignment = Math.max(4, this.#cipher.blockBytes)
    const padding = (alignment - ((inner.length + 2) % alignment)) % alignment
    const trailer = Uint8Array.from({ length: padding + 2 }, (_, i) => i + 1)
    trailer.set([padding, nextHeader], padding)
    return this.sealText(concat(inner, trailer))
  }

  /** The packet around a text that need not end in a trailer; cut to whole blocks. */
  sealText(text: Uint8Array): Uint8Array {
    const { ivBytes, icvBytes, blockBytes } = this.#cipher
    const length = text.length - (text.length % blockBytes)
    const packet = new Uint8Array(8 + ivBytes + length + icvBytes)
    this.#sequence++
    writeU32(packet, 0, this.spi)
    writeU32(packet, 4, this.#sequence)
    writeU32(packet, 8 + ivBytes - 4, this.#sequence)
    packet.set(text.subarray(0, length), 8 + ivBytes)
    this.#cipher.seal(packet, 0, length, 0)
    return packet
  }
}

const v6 = { source: parseIp('fd66::9'), destination: parseIp('fd01::9') }
const data = new Uint8Array(40)

/** ESP packets with a good ICV and an inside that must not pass. */
const malformed: readonly ((forger: EspForger, dice: Dice) => Uint8Array)[] = [
  function badPadding(forger, dice) {
    return forger.sealText(
      concat(
        buildUdp({ ...forger.inner, sourcePort: 1, destinationPort: 2, data }),
        Uint8Array.of(9, 9, 2, 4),
        new Uint8Array(dice.below(16)),
      ),
    )
  },
  function padLengthTooLong(forger, dice) {
    return forger.sealText(concat(dice.octets(14), Uint8Array.of(dice.pick([15, 16, 200, 255]), 4)))
  },
  function noTrailer(forger, dice) {
    return forger.sealText(dice.octets(16 * dice.below(2)))
  },
  function wrongNextHeader(forger, dice) {
    return forger.seal(
      buildIcmpEcho('request', { ...forger.inner, identifier: 1, sequence: 1, data }),
      dice.pick([0, 1, 6, 17, 41, 50, 58, 255]),
    )
  },
  function truncatedHeader(forger, dice) {
    return forger.seal(
      buildUdp({ ...forger.inner, sourcePort: 1, destinationPort: 2, data }).slice(0, dice.below(20)),
      4,
    )
  },
  function lyingLength(forger, dice) {
    const packet = buildUdp({ ...forger.inner, sourcePort: 1, destinationPort: 2, data })
    writeU16(packet, 2, dice.pick([0, 19, packet.length + 1, 0x7fff, 0xffff]))
    return forger.seal(packet, 4)
  },
  function lyingHeaderLength(forger, dice) {
    const packet = buildUdp({
      ...forger.inner,
      sourcePort: 1,
      destinationPort: 2,
      data: dice.chance(50) ? data : new Uint8Array(0),
    })
    packet[0] = 0x40 | dice.pick([0, 1, 4, 14, 15])
    return forger.seal(packet, 4)
  },
  function wrongVersion(forger, dice) {
    const packet = buildUdp({ ...forger.inner, sourcePort: 1, destinationPort: 2, data })
    packet[0] = (dice.pick([0, 1, 5, 6, 7, 15]) << 4) | 5
    return forger.seal(packet, dice.pick([4, 41]))
  },
  function extensionHeaderChain(forger, dice) {
    const count = dice.pick([1, 8, 9, 100])
    const header = Uint8Array.from({ length: 8 }, (_, i) => (i === 0 ? dice.pick([0, 43, 60, 44]) : 0))
    const chain = concat(...Array.from({ length: count }, () => header))
    return forger.seal(buildIpv6({ ...v6, protocol: 0, payload: chain }), 41)
  },
  function extensionHeaderTooLong(forger, dice) {
    const payload = Uint8Array.of(17, dice.pick([1, 200, 255]), 0, 0, 0, 0, 0, 0)
    return forger.seal(buildIpv6({ ...v6, protocol: dice.pick([0, 43, 60]), payload }), 41)
  },
  function lyingPayloadLength(forger, dice) {
    const packet = buildUdp({ ...v6, sourcePort: 1, destinationPort: 2, data })
    writeU16(packet, 4, dice.pick([1, 7, packet.length, 0xffff]))
    return forger.seal(packet, 41)
  },
  function foreignAddress(forger, dice) {
    const source = parseIp(
      dice.pick(['10.2.0.1', '10.3.0.1', '10.1.0.1', '127.0.0.1', '0.0.0.0', '255.255.255.255', '224.0.0.1']),
    )
    const destination = parseIp(dice.pick(['10.1.0.9', '10.2.0.1', '127.0.0.1', '192.0.2.1']))
    return forger.seal(buildUdp({ source, destination, sourcePort: 1, destinationPort: 2, data }), 4)
  },
  function laterFragment(forger, dice) {
    const source = parseIp('10.2.0.1')
    const payload = dice.octets(24)
    const packet = buildIp({ source, destination: forger.inner.destination, protocol: 6, payload })
    writeU16(packet, 6, 0x2000 | dice.below(0x2000))
    return forger.seal(packet, 4)
  },
  function nestedEsp(forger, dice) {
    const payload = forger.seal(dice.octets(32), 4)
    return forger.seal(
      buildIp({ source: parseIp('10.3.0.1'), destination: forger.inner.destination, protocol: 50, payload }),
      4,
    )
  },
  function noise(forger, dice) {
    return forger.seal(dice.octets(dice.below(200)), dice.pick([4, 41, dice.below(256)]))
  },
]

export const forgeMalformed = (forger: EspForger, dice: Dice): Uint8Array => dice.pick(malformed)(forger, dice)

/** A packet that the victim should deliver when the SA's traffic selectors take it. */
export const forgeGood = (forger: EspForger): Uint8Array =>
  forger.seal(buildUdp({ ...forger.inner, sourcePort: 1, destinationPort: 53, data }), 4)
