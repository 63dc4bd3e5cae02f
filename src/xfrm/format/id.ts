import type { KernelSaInfo } from '../netlink/structs.ts'
import { xfrmProtocolName } from './protocol-names.ts'
import { type FormatOptions, formatAddress, hex8 } from './style.ts'

const modeNames: readonly string[] = ['transport', 'tunnel', 'ro', 'in_trigger', 'beet']

/** What states and templates begin with. */
export interface IdFields extends Pick<KernelSaInfo, 'id' | 'saddr' | 'family' | 'reqid' | 'mode'> {}

/** Addresses, then SPI, reqid and mode behind `indent`: two lines. An SPI of 0 is left out unless it is wanted. */
export function formatId(fields: IdFields, indent: string, spiWanted: boolean, options: FormatOptions): string {
  const { id, saddr, family, reqid, mode } = fields
  const stats = options.stats === true
  const spi = stats || spiWanted || id.spi !== 0 ? `${formatSpi(id.spi, stats)} ` : ''
  const reqidText = stats ? `${reqid}(0x${hex8(reqid)})` : `${reqid}`
  return (
    `src ${formatAddress(saddr, family)} dst ${formatAddress(id.daddr, family)}\n` +
    `${indent}proto ${xfrmProtocolName(id.proto)} ${spi}reqid ${reqidText} mode ${modeNames[mode] ?? mode}\n`
  )
}

/** `spi 0x00001001`, in decimal too with `stats`. */
export const formatSpi = (spi: number, stats: boolean): string => `spi 0x${hex8(spi)}${stats ? `(${spi})` : ''}`
