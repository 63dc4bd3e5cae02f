import { readdirSync } from 'node:fs'
import { fromHex } from '../../src/bytes/index.ts'

/** A recorded datagram: `payload` as on the wire, to port 500 or 4500. */
export interface Recorded {
  readonly port: 500 | 4500
  readonly payload: Uint8Array
}

/** Every datagram of every recorded conversation. */
export function recordedDatagrams(loadTrace: (name: string) => RecordedTrace | undefined): Recorded[] {
  return readdirSync('vectors/traces')
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => loadTrace(file.slice(0, -'.json'.length))?.packets ?? [])
    .filter(({ udpPayload }) => udpPayload !== undefined)
    .map(({ dstPort, udpPayload }) => ({ port: dstPort === 500 ? 500 : 4500, payload: fromHex(udpPayload!) }))
}

interface RecordedTrace {
  readonly packets: readonly { readonly dstPort?: number; readonly udpPayload?: string }[]
}
