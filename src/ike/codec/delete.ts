import type { Reader, Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'

/** RFC 7296 §3.11. For an IKE SA `spiSize` is 0 and `spis` empty; for AH and ESP each SPI has 4 octets. */
export interface DeletePayload {
  readonly kind: 'D'
  readonly critical: boolean
  /** A `ProtocolId`. */
  readonly protocol: number
  /** Octets of each SPI. */
  readonly spiSize: number
  readonly spis: readonly Uint8Array[]
}

/**
 * Decodes the body of a Delete payload; the SPIs are borrowed. RFC 7296 §3.11.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Protocol ID   |   SPI Size    |          Num of SPIs          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~               Security Parameter Index(es) (SPI)              ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeDelete(reader: Reader, critical: boolean): DeletePayload {
  const protocol = reader.u8('Protocol ID')
  const spiSize = reader.u8('SPI Size')
  const count = reader.u16('Num of SPIs')
  // Otherwise four octets could ask for 65,535 empty arrays.
  if (spiSize === 0 && count !== 0) reader.fail(`${count} SPIs of no octets`)
  const spis: Uint8Array[] = []
  if (reader.remaining !== count * spiSize) reader.fail(`${count} SPIs of ${spiSize} octets do not fill the payload`)
  for (let i = 0; i < count; i++) spis.push(reader.take(spiSize, 'SPI'))
  return { kind: 'D', critical, protocol, spiSize, spis }
}

export function encodeDelete(payload: DeletePayload, writer: Writer): void {
  if (payload.spis.some((spi) => spi.length !== payload.spiSize))
    throw new UsageError('delete.spis', `each must have ${payload.spiSize} octets`)
  writer.u8(payload.protocol).u8(payload.spiSize).u16(payload.spis.length)
  for (const spi of payload.spis) writer.bytes(spi)
}
