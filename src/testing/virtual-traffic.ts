import { readU32, writeU32 } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { buildUdp } from '../ip/build.ts'
import { type FlowReport, NumberedPacket, PacketLedger } from './packet-ledger.ts'
import type { Scheduled } from './virtual-clock.ts'
import type { VirtualGateway } from './virtual-gateway.ts'

/** Begins the data of every numbered packet. */
const MAGIC = 0x7479_7073
const UDP_HEADER_BYTES = 8
const LEAST_DATA_BYTES = 12

export interface TrafficOptions {
  /** Inner addresses of a host behind each gateway; by default the second address of the first CHILD_SA of the first connection. */
  readonly hostA?: string
  readonly hostB?: string
  /** Octets of each inner packet; default 100. */
  readonly bytes?: number
  /** Ms between two packets of one direction; default 100. */
  readonly everyMs?: number
  /** UDP port of both hosts; default 40000. Tells two traffics between the same hosts apart. */
  readonly port?: number
}

export interface TrafficReport {
  readonly aToB: FlowReport
  readonly bToA: FlowReport
}

interface Flow {
  readonly gateway: VirtualGateway
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ledger: PacketLedger
}

/**
 * Numbered packets both ways between two gateways, and exact books: which arrived, which the network dropped, and which the
 * VPN lost though the network did its part. A gateway that is down sends nothing.
 */
export class VirtualTraffic {
  readonly #aToB: Flow
  readonly #bToA: Flow
  readonly #everyMs: number
  readonly #dataBytes: number
  readonly #port: number
  readonly #endings: (() => void)[]
  #next: Scheduled | undefined

  constructor(a: VirtualGateway, b: VirtualGateway, options: TrafficOptions = {}) {
    const { bytes = 100, everyMs = 100, port = 40_000 } = options
    const hostA = options.hostA === undefined ? hostBehind(a) : parseIp(options.hostA)
    const hostB = options.hostB === undefined ? hostBehind(b) : parseIp(options.hostB)
    this.#aToB = { gateway: a, source: hostA, destination: hostB, ledger: new PacketLedger() }
    this.#bToA = { gateway: b, source: hostB, destination: hostA, ledger: new PacketLedger() }
    this.#everyMs = everyMs
    this.#port = port
    this.#dataBytes = bytes - ipHeaderBytes(hostA.length) - UDP_HEADER_BYTES
    if (this.#dataBytes < LEAST_DATA_BYTES) throw new UsageError('bytes', 'leaves no room for the number')
    this.#endings = [
      ...this.#attach(this.#aToB, b),
      ...this.#attach(this.#bToA, a),
      a.segment.network.observe((fate) => {
        const { note } = fate.datagram
        if (note?.kind !== 'esp' || !(note.cargo instanceof NumberedPacket)) return
        const { ledger } = note.cargo
        if (ledger === this.#aToB.ledger || ledger === this.#bToA.ledger) ledger.note(note.cargo, fate)
      }),
    ]
  }

  /** Sends one packet each way at this moment. */
  send(): void {
    for (const flow of [this.#aToB, this.#bToA]) this.#sendOn(flow)
  }

  /** Sends one packet each way now and again and again, until `stop`. */
  start(): void {
    if (this.#next !== undefined) return
    const { clock } = this.#aToB.gateway.segment.network
    const next = (): Scheduled =>
      clock.schedule(clock.now + this.#everyMs, () => {
        this.#next = next()
        this.send()
      })
    this.#next = next()
    this.send()
  }

  stop(): void {
    this.#next?.cancel()
    this.#next = undefined
  }

  /** What became of all packets so far. Give those under way time to arrive first. */
  report(): TrafficReport {
    return { aToB: this.#aToB.ledger.report(), bToA: this.#bToA.ledger.report() }
  }

  /** Stops, and listens no more. */
  close(): void {
    this.stop()
    for (const end of this.#endings.splice(0)) end()
  }

  #sendOn({ gateway, source, destination, ledger }: Flow): void {
    if (gateway.isDown) return
    const packet = ledger.begin(gateway.now)
    const data = new Uint8Array(this.#dataBytes)
    writeU32(data, 0, MAGIC)
    writeU32(data, 4, this.#port)
    writeU32(data, 8, packet.number)
    const ports = { sourcePort: this.#port, destinationPort: this.#port }
    ledger.left(packet, gateway.inject(buildUdp({ source, destination, ...ports, data })))
  }

  /** The packets of a flow are known where they are sent, and where they arrive. */
  #attach({ gateway, source, ledger }: Flow, receiver: VirtualGateway): (() => void)[] {
    const watcher = {
      cargoOf: (buffer: Uint8Array, offset: number) => {
        const number = this.#numberAt(buffer, offset, source)
        return number === undefined ? undefined : ledger.find(number)
      },
      refused: (cargo: object, counter: string) => {
        if (cargo instanceof NumberedPacket && cargo.ledger === ledger) ledger.refused(cargo, counter)
      },
    }
    const arrived = (packet: Uint8Array) => {
      const number = this.#numberAt(packet, 0, source)
      if (number !== undefined) ledger.arrived(number)
    }
    return [gateway.watch(watcher), receiver.watch({ ...watcher, cargoOf: () => undefined }), receiver.onInner(arrived)]
  }

  /** The number of the inner packet at `buffer[offset]`, undefined when it is none of the flow from `source`. */
  #numberAt(buffer: Uint8Array, offset: number, source: IpAddress): number | undefined {
    const isV4 = source.length === 4
    if (buffer[offset]! >> 4 !== (isV4 ? 4 : 6)) return undefined
    const data = offset + ipHeaderBytes(source.length) + UDP_HEADER_BYTES
    if (data + LEAST_DATA_BYTES > buffer.length) return undefined
    if (readU32(buffer, data) !== MAGIC || readU32(buffer, data + 4) !== this.#port) return undefined
    const from = offset + (isV4 ? 12 : 8)
    for (let i = 0; i < source.length; i++) if (buffer[from + i] !== source[i]) return undefined
    return readU32(buffer, data + 8)
  }
}

const ipHeaderBytes = (addressBytes: number): number => (addressBytes === 4 ? 20 : 40)

function hostBehind(gateway: VirtualGateway): IpAddress {
  const range = gateway.options.connections[0]?.children[0]?.localTs[0]
  if (range === undefined) throw new UsageError('host', 'must be given: there is no CHILD_SA to take it from')
  const host = range.startAddress.slice()
  const last = host.length - 1
  if (host[last] !== 255 && range.endAddress.some((octet, i) => octet !== host[i])) host[last] = host[last]! + 1
  return host
}
