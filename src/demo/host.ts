import type { Endpoint } from '../endpoint/endpoint.ts'
import { answerIcmpEcho, buildIcmpEcho, buildUdp, type IpAddress } from '../ip/index.ts'
import type { MemoryTun } from '../tap-tun/index.ts'

/** The octets in front of the data of a UDP datagram over IPv4. */
const udpHeadersBytes = 28

/** A host behind an endpoint, with one inner address: it answers pings and counts what arrives. */
export class Host {
  readonly endpoint: Endpoint
  readonly tun: MemoryTun
  readonly address: IpAddress
  /** UDP datagrams with distinct numbers that came whole. */
  packetsReceived = 0
  #seen = new Set<number>()
  #onReply: (() => void) | undefined

  constructor(endpoint: Endpoint, tun: MemoryTun, address: IpAddress) {
    this.endpoint = endpoint
    this.tun = tun
    this.address = address
    tun.onWritten((packet) => this.#receive(packet))
  }

  /** Pings another host. Resolves to the round trip in ms, undefined when no reply came in time. */
  ping(other: Host, sequence: number, timeoutMs = 1_000): Promise<number | undefined> {
    const startedAt = performance.now()
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs)
      this.#onReply = () => {
        clearTimeout(timer)
        resolve(performance.now() - startedAt)
      }
      const addresses = { source: this.address, destination: other.address }
      this.tun.inject(buildIcmpEcho('request', { ...addresses, identifier: 1, sequence, data: new Uint8Array(56) }))
    })
  }

  /** Sends a numbered UDP packet of `bytes` inner octets. */
  sendNumbered(other: Host, number: number, bytes: number): void {
    const data = new Uint8Array(bytes - udpHeadersBytes).fill(number & 0xff)
    new DataView(data.buffer).setUint32(0, number)
    const addresses = { source: this.address, destination: other.address }
    this.tun.inject(buildUdp({ ...addresses, sourcePort: 40_000, destinationPort: 40_001, data }))
  }

  #receive(packet: Uint8Array): void {
    if (packet[9] === 17) {
      this.#receiveNumbered(packet)
      return
    }
    const reply = answerIcmpEcho(packet)
    if (reply !== undefined) this.tun.inject(reply)
    else this.#onReply?.()
  }

  #receiveNumbered(packet: Uint8Array): void {
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(udpHeadersBytes)
    const filling = number & 0xff
    for (let i = udpHeadersBytes + 4; i < packet.length; i++) if (packet[i] !== filling) return
    if (this.#seen.has(number)) return
    this.#seen.add(number)
    this.packetsReceived++
  }
}
