import { toHex } from '../../bytes/index.ts'
import type { Algorithm, AlgorithmWithIcv } from '../netlink/algorithm.ts'
import type { KernelReplayEsn, XfrmAttributes } from '../netlink/attributes.ts'
import { EncapType } from '../netlink/numbers.ts'
import type { KernelTemplate } from '../netlink/structs.ts'
import { formatId } from './id.ts'
import { alternateHex, type FormatOptions, formatAddress, formatTime, hex, hex8, interfaceName } from './style.ts'

const HIDDEN_KEYS = '<<Keys hidden>>'
/** XFRM_OFFLOAD_INBOUND. */
const OFFLOAD_INBOUND = 2
const bitmapWordsInLine = 8

const encapNames: Readonly<Record<number, string>> = {
  [EncapType.UDP_NON_IKE]: 'espinudp-nonike',
  [EncapType.UDP]: 'espinudp',
  [EncapType.TCP]: 'espintcp',
}
const shareNames: readonly string[] = ['any', 'session', 'user', 'unique']
const directionNames: readonly string[] = ['', 'in', 'out']

export const shareName = (share: number): string => shareNames[share] ?? String(share)

/** What else is told of a state. `family` is that of its addresses. */
export interface AttributeStyle extends FormatOptions {
  readonly family: number
  /** Before each line. */
  readonly indent: string
}

/** The attributes of a state or policy, each on lines of its own. */
export function formatAttributes(attributes: XfrmAttributes, style: AttributeStyle): string {
  const lines = [
    ...algorithmLines(attributes, style),
    ...encapLines(attributes, style),
    ...(attributes.templates ?? []).flatMap((template) => templateLines(template, style)),
    ...usageLines(attributes, style),
    ...replayLines(attributes),
    ...placeLines(attributes, style),
  ]
  const { indent } = style
  return markLine(attributes) + lines.map((line) => `${indent}${line}\n`).join('')
}

/** The only line that is not indented as the others are. */
function markLine({ mark, setMark, setMarkMask }: XfrmAttributes): string {
  const own = mark === undefined ? '' : `mark ${alternateHex(mark.value)}/${alternateHex(mark.mask)} `
  const mask = setMarkMask === undefined ? '' : `/0x${hex(setMarkMask)}`
  const output = setMark === undefined ? '' : `output-mark 0x${hex(setMark)}${mask}`
  return own === '' && output === '' ? '' : `\t${own}${output}\n`
}

function algorithmLines(attributes: XfrmAttributes, style: AttributeStyle): string[] {
  const { algAuth, algAuthTrunc, algAead, algCrypt, algComp } = attributes
  const line = (type: string, algorithm: Algorithm | undefined) =>
    algorithm === undefined ? [] : [`${type} ${formatAlgorithm(algorithm, style)}`]
  const lineWithIcv = (type: string, algorithm: AlgorithmWithIcv | undefined) =>
    line(type, algorithm).map((text) => `${text} ${algorithm!.icvBits | 0}`)
  return [
    ...(algAuthTrunc === undefined ? line('auth', algAuth) : []),
    ...lineWithIcv('auth-trunc', algAuthTrunc),
    ...lineWithIcv('aead', algAead),
    ...line('enc', algCrypt),
    ...line('comp', algComp),
  ]
}

function formatAlgorithm({ name, key }: Algorithm, { keys, stats }: AttributeStyle): string {
  if (keys !== true) return `${name} ${HIDDEN_KEYS}`
  if (key.length === 0) return `${name} `
  return `${name} 0x${toHex(key)}${stats === true ? ` (${8 * key.length} bits)` : ''}`
}

function encapLines({ encap }: XfrmAttributes, { family }: AttributeStyle): string[] {
  if (encap === undefined) return []
  const { type, sport, dport, originalAddress } = encap
  const address = formatAddress(originalAddress, family)
  return [`encap type ${encapNames[type] ?? type} sport ${sport} dport ${dport} addr ${address}`]
}

function templateLines(template: KernelTemplate, style: AttributeStyle): string[] {
  const stats = style.stats === true
  const { optional, share, ealgos, aalgos, calgos } = template
  // The second line is indented as the first one is, and once more.
  const head = `tmpl ${formatId(template, `${style.indent}\t`, false, style)}`.slice(0, -1)
  const levels = ['required', 'use']
  const level = stats || optional !== 0 ? `level ${levels[optional] ?? optional} ` : ''
  const lines = [head]
  if (level !== '') lines.push(`\t${level}${stats ? `share ${shareName(share)} ` : ''}`)
  if (stats) lines.push(`\tenc-mask ${hex8(ealgos)} auth-mask ${hex8(aalgos)} comp-mask ${hex8(calgos)}`)
  return lines
}

function usageLines({ careOfAddress, lastUsed }: XfrmAttributes, style: AttributeStyle): string[] {
  return [
    ...(careOfAddress === undefined ? [] : [`coa ${formatAddress(careOfAddress, style.family)}`]),
    ...(lastUsed === undefined ? [] : [`lastused ${formatTime(lastUsed, style)}`]),
  ]
}

function replayLines({ replay, replayEsn }: XfrmAttributes): string[] {
  const lines: string[] = []
  if (replay !== undefined) {
    const { seq, oseq, bitmap } = replay
    lines.push(`anti-replay context: seq 0x${hex(seq)}, oseq 0x${hex(oseq)}, bitmap 0x${hex8(bitmap)}`)
  }
  return replayEsn === undefined ? lines : [...lines, ...replayEsnLines(replayEsn)]
}

function replayEsnLines({ seqHi, seq, oseqHi, oseq, replayWindow, bitmap }: KernelReplayEsn): string[] {
  const words = bitmap.map((word) => `${hex8(word)} `).reverse()
  const lines: string[] = []
  for (let at = 0; at < words.length; at += bitmapWordsInLine) {
    lines.push(` ${words.slice(at, at + bitmapWordsInLine).join('')}`)
  }
  return [
    'anti-replay esn context:',
    ` seq-hi 0x${hex(seqHi)}, seq 0x${hex(seq)}, oseq-hi 0x${hex(oseqHi)}, oseq 0x${hex(oseq)}`,
    ` replay_window ${replayWindow}, bitmap-length ${bitmap.length}`,
    ...lines,
  ]
}

function placeLines({ offload, ifId, tfcPad, saDirection }: XfrmAttributes, style: AttributeStyle): string[] {
  const lines: string[] = []
  if (offload !== undefined) {
    const direction = (offload.flags & OFFLOAD_INBOUND) === 0 ? 'out' : 'in'
    lines.push(`crypto offload parameters: dev ${interfaceName(offload.ifindex, style)} dir ${direction}`)
  }
  if (ifId !== undefined) lines.push(`if_id ${alternateHex(ifId)}`)
  if (tfcPad !== undefined) lines.push(`tfcpad ${tfcPad}`)
  if (saDirection !== undefined && style.direction === true) {
    lines.push(`dir ${directionNames[saDirection] || `other (${saDirection})`}`)
  }
  return lines
}
