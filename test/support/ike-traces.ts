import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fromHex } from '../../src/bytes/index.ts'
import type { TraceIkeSa } from './trace.ts'
import { loadTrace } from './vectors.ts'

/** One recorded conversation of `vectors/traces`, as the codec sees it: its messages and what protects them. */
export interface MessageTrace {
  readonly id: string
  readonly packets: readonly TracePacket[]
  readonly ikeSas: readonly TraceIkeSa[]
}

export interface TracePacket {
  readonly n: number
  readonly kind: 'ike' | 'esp'
  readonly srcPort: number
  readonly dstPort: number
  readonly udpPayload: string
  readonly header: TraceHeader
  readonly payloads?: readonly TracePayload[]
  readonly decrypted?: TraceDecrypted
  /** With several key exchanges: which of the SA's `keySets` protects this packet. */
  readonly keySet?: number
}

export interface TraceHeader {
  readonly spiI: string
  readonly spiR: string
  readonly exchange: string
  readonly exchangeType: number
  readonly initiator: boolean
  readonly response: boolean
  readonly messageId: number
  readonly length: number
}

export interface TracePayload {
  readonly type: number
  readonly name: string
  readonly body: string
}

export interface TraceDecrypted {
  readonly skType: number
  readonly iv: string
  readonly padLength: number
  readonly payloads?: readonly TracePayload[]
  readonly fragment?: number
  readonly total?: number
  readonly innerBytes?: string
  /** True for the fragment that completed a message, whose payloads it then names. */
  readonly reassembled?: boolean
}

const folders = ['../../vectors/traces/', '../../../shared/vectors/traces/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

/** Names of the carried traces, and of those in the collection beside the repository: each must be run. */
export const traceNames = [
  ...new Set(
    folders
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder))
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length)),
  ),
]

/** The IKE packets of a carried trace, and its IKE SAs. */
export function loadMessageTrace(name: string): MessageTrace {
  const trace = loadTrace<MessageTrace>(name)
  if (trace === undefined) throw new Error(`vectors/traces/${name}.json is missing`)
  return { ...trace, packets: trace.packets.filter((packet) => packet.kind === 'ike') }
}

/** The IKE message in a packet, without the non-ESP marker. */
export function ikeMessage(packet: Pick<TracePacket, 'udpPayload' | 'srcPort' | 'dstPort'>): Uint8Array {
  const payload = fromHex(packet.udpPayload)
  return packet.srcPort === 500 || packet.dstPort === 500 ? payload : payload.subarray(4)
}
