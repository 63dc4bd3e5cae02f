import type { Reader, Writer } from '../../bytes/index.ts'
import { maxCfgAttributes, patchLength } from './limits.ts'

/** RFC 7296 §3.15. `cfgType` is a `CfgType`. */
export interface CpPayload {
  readonly kind: 'CP'
  readonly critical: boolean
  readonly cfgType: number
  readonly attributes: readonly ConfigurationAttribute[]
}

/** `type` is a `CfgAttribute` or an unknown number, 15 bits; an empty `value` in a request asks for any. */
export interface ConfigurationAttribute {
  readonly type: number
  readonly value: Uint8Array
}

const typeMask = 0x7fff

/**
 * Decodes the body of a Configuration payload; values are borrowed. RFC 7296 §3.15, §3.15.1.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   CFG Type    |                    RESERVED                   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                   Configuration Attributes                    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |R|         Attribute Type      |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                             Value                             ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function decodeCp(reader: Reader, critical: boolean): CpPayload {
  const cfgType = reader.u8('CFG Type')
  reader.skip(3, 'RESERVED')
  const attributes: ConfigurationAttribute[] = []
  while (reader.remaining > 0) {
    if (attributes.length === maxCfgAttributes) reader.fail(`more than ${maxCfgAttributes} attributes`)
    const type = reader.u16('Attribute Type') & typeMask
    attributes.push({ type, value: reader.take(reader.u16('Length'), 'Value') })
  }
  return { kind: 'CP', critical, cfgType, attributes }
}

export function encodeCp(payload: CpPayload, writer: Writer): void {
  writer.u8(payload.cfgType).zeros(3)
  for (const { type, value } of payload.attributes) {
    const start = writer.u16(type & typeMask).u16(0).position
    writer.bytes(value)
    patchLength(writer, start, start - 2, 'configuration attribute')
  }
}
