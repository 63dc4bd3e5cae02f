import type { Reader, Writer } from '../../bytes/index.ts'
import { writeCount } from './limits.ts'

/** RFC 7296 §3.10. `notify` is a `NotifyType` or an unknown number; `protocol` a `ProtocolId`, 0 when `spi` is empty. */
export interface NotifyPayload {
  readonly kind: 'N'
  readonly critical: boolean
  readonly protocol: number
  readonly spi: Uint8Array
  readonly notify: number
  readonly data: Uint8Array
}

/**
 * Decodes the body of a Notify payload; `spi` and `data` are borrowed. RFC 7296 §3.10.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Protocol ID  |   SPI Size    |      Notify Message Type      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                Security Parameter Index (SPI)                 ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                       Notification Data                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeNotify(reader: Reader, critical: boolean): NotifyPayload {
  const protocol = reader.u8('Protocol ID')
  const spiSize = reader.u8('SPI Size')
  const notify = reader.u16('Notify Message Type')
  const spi = reader.take(spiSize, 'SPI')
  return { kind: 'N', critical, protocol, spi, notify, data: reader.rest() }
}

export function encodeNotify(payload: NotifyPayload, writer: Writer): void {
  writer.u8(payload.protocol)
  writeCount(writer, payload.spi.length, 'notify.spi')
  writer.u16(payload.notify).bytes(payload.spi).bytes(payload.data)
}
