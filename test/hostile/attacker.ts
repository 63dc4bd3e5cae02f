import { concat, equalBytes, readU32 } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { encrInfo } from '../../src/crypto/transforms.ts'
import {
  decodeHeader,
  ExchangeType,
  encodeMessage,
  type IkeHeader,
  NotifyType,
  type Payload,
  PayloadType,
  type TrafficSelector,
} from '../../src/ike/codec/index.ts'
import { type IpAddress, parseIp, type SocketAddress } from '../../src/ip/index.ts'
import { natDetectionHash } from '../../src/nat-t/detection.ts'
import type { Dice } from '../../src/testing/hostile-dice.ts'
import { encodeInner } from '../../src/testing/hostile-payloads.ts'
import type { EspForger } from './esp-forger.ts'
import type { Datagram } from './gateway.ts'
import type { AttackerIkeSa } from './keys.ts'

const marker = new Uint8Array(4)

/** Whom attackers attack, and how their datagrams get there. */
export interface Target {
  readonly dice: Dice
  readonly address: IpAddress
  readonly ports: { readonly ike: number; readonly nat: number }
  /** Whether the target holds an established IKE_SA of this SPI. */
  stands(SPIi: Uint8Array): boolean
  /** Sends a datagram that is not hostile, but puts an attacker into the place to send one. */
  setUp(datagram: Datagram): void
  /** Takes the datagrams away that came to an attacker. */
  take(address: string): Datagram[]
}

/** A request of the victim that waits for the attacker's answer. */
export interface VictimRequest {
  readonly message: Uint8Array
  readonly exchange: number
  readonly messageId: number
}

/** What initiators and responders among the attackers have in common: an address, an IKE_SA with its keys, and message ids. */
export abstract class Attacker<Victim extends Target = Target> {
  readonly world: Victim
  readonly address: string
  sa: AttackerIkeSa | undefined
  established = false
  /** The message id of the next request to the victim. */
  nextId = 0
  readonly forgers: EspForger[] = []
  readonly asked: VictimRequest[] = []

  constructor(world: Victim, address: string) {
    this.world = world
    this.address = address
  }

  socket(port: number): SocketAddress {
    return { address: parseIp(this.address), port }
  }

  /** An unprotected message to port 500. */
  plain(header: Partial<IkeHeader> & Pick<IkeHeader, 'SPIi' | 'SPIr'>, payloads: readonly Payload[]): Datagram {
    return this.to500(encodeMessage(headerOf(header), payloads))
  }

  to500(payload: Uint8Array): Datagram {
    return { from: this.socket(500), to: { address: this.world.address, port: this.world.ports.ike }, payload }
  }

  to4500(payload: Uint8Array): Datagram {
    return { from: this.socket(4500), to: { address: this.world.address, port: this.world.ports.nat }, payload }
  }

  /** A correctly protected message around `inner`, whatever that is. */
  protectedRaw(header: Partial<IkeHeader>, first: number, inner: Uint8Array, padLength?: number): Datagram {
    const sa = this.sa!
    const initiator = sa.role === 'initiator'
    const { flags, ...rest } = header
    const full = headerOf({
      SPIi: sa.SPIi,
      SPIr: sa.SPIr,
      messageId: this.nextId,
      exchangeType: ExchangeType.INFORMATIONAL,
      ...rest,
      flags: { initiator, response: false, higherVersion: false, ...flags },
    })
    const { blockBytes } = sa.outbound.suite.encr
    const choices = padLength === undefined || blockBytes > 1 ? {} : { padding: this.world.dice.octets(padLength) }
    return this.to4500(concat(marker, sa.outbound.protectRaw(full, first, inner.subarray(0, 60_000), choices)))
  }

  protected(header: Partial<IkeHeader>, payloads: readonly Payload[]): Datagram {
    const { first, inner } = encodeInner(payloads)
    return this.protectedRaw(header, first, inner)
  }

  /** The same with a Pad Length that lies; AEAD suites only. RFC 7296 §3.14. */
  withPadLength(datagram: Datagram, padLength: number): Datagram {
    const { suite, keys, role } = this.sa!
    const { saltBytes, ivBytes, tagBytes, kind } = encrInfo(suite.encr)!
    if (kind !== 'aead') return datagram
    const key = role === 'initiator' ? keys.SK_ei : keys.SK_er
    const aead = nodeProvider.aead(suite.encr, key.subarray(0, key.length - saltBytes))
    const message = datagram.payload.slice(marker.length)
    const ivAt = 28 + 4
    const textAt = ivAt + ivBytes
    const length = message.length - textAt - tagBytes
    const nonce = concat(key.subarray(key.length - saltBytes), message.subarray(ivAt, textAt))
    aead.open(nonce, message, 0, ivAt, message, textAt, length)
    message[textAt + length - 1] = padLength
    aead.seal(nonce, message, 0, ivAt, message, textAt, length)
    return { ...datagram, payload: concat(marker, message) }
  }

  /** Reads what the victim sent here: answers move the message id on, requests wait in `asked`. */
  absorb(): void {
    for (const { payload, from } of this.world.take(this.address)) {
      const marked = from.port === this.world.ports.nat
      if (payload.length < 28 || (marked && readU32(payload, 0) !== 0)) continue
      const message = marked ? payload.slice(4) : payload
      const header = decodeHeader(message)
      if (!header.flags.response) {
        this.asked.push({ message, exchange: header.exchangeType, messageId: header.messageId })
        if (this.asked.length > 4) this.asked.shift()
      } else if (this.sa !== undefined && equalBytes(header.SPIi, this.sa.SPIi)) {
        // First answers and INVALID_IKE_SPI are not protected, and answer nothing of this IKE_SA.
        if (header.nextPayload !== PayloadType.SK || header.messageId !== this.nextId) continue
        this.nextId++
        this.answered(message)
      }
    }
  }

  /** The victim answered our protected request. */
  protected answered(_message: Uint8Array): void {}

  forget(): void {
    this.sa?.outbound.destroy()
    this.sa?.inbound.destroy()
    this.sa = undefined
    this.established = false
    this.nextId = 0
    this.forgers.length = 0
    this.asked.length = 0
  }
}

const zeroSpi = new Uint8Array(8)

function headerOf(header: Partial<IkeHeader>): IkeHeader {
  return {
    SPIi: zeroSpi,
    SPIr: zeroSpi,
    majorVersion: 2,
    minorVersion: 0,
    exchangeType: ExchangeType.IKE_SA_INIT,
    flags: { initiator: true, response: false, higherVersion: false },
    messageId: 0,
    length: 0,
    ...header,
  }
}

/** The sender is behind a NAT, the receiver is not: as such it is followed where it goes. RFC 7296 §2.23. */
export function natDetection(SPIi: Uint8Array, SPIr: Uint8Array, destination: SocketAddress): Payload[] {
  const sha1 = (data: Uint8Array) => nodeProvider.hash('sha1', data)
  const hash = natDetectionHash(sha1, SPIi, SPIr, destination.address, destination.port)
  return [
    natNotify(NotifyType.NAT_DETECTION_SOURCE_IP, new Uint8Array(20)),
    natNotify(NotifyType.NAT_DETECTION_DESTINATION_IP, hash),
  ]
}

const natNotify = (notify: number, data: Uint8Array): Payload => ({
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: new Uint8Array(0),
  notify,
  data,
})

/** All addresses from `start` to `end`, any protocol and port. */
export function range(start: string, end: string): TrafficSelector {
  const [startAddress, endAddress] = [parseIp(start), parseIp(end)]
  return {
    tsType: startAddress.length === 4 ? 7 : 8,
    protocol: 0,
    startPort: 0,
    endPort: 65535,
    startAddress,
    endAddress,
  }
}
