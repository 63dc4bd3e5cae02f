import { Encr, encrInfo, Integ, integInfo, transformName } from '../crypto/transforms.ts'
import { formatIp, formatRange, IpProtocol, isIcmp } from '../ip/index.ts'
import { PolicyDirection, type XfrmPolicy } from './policy.ts'
import type { PortRange, XfrmSelector } from './port.ts'
import { isAnyPort } from './selector.ts'
import { StatePhase, type XfrmState } from './state.ts'

/** The kernel's names of transforms. */
const encrNames: Readonly<Record<number, string>> = {
  [Encr.ENCR_3DES]: 'cbc(des3_ede)',
  [Encr.ENCR_AES_CBC]: 'cbc(aes)',
  [Encr.ENCR_AES_CTR]: 'rfc3686(ctr(aes))',
  [Encr.ENCR_AES_CCM_8]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_CCM_12]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_CCM_16]: 'rfc4309(ccm(aes))',
  [Encr.ENCR_AES_GCM_8]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_AES_GCM_12]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_AES_GCM_16]: 'rfc4106(gcm(aes))',
  [Encr.ENCR_CHACHA20_POLY1305]: 'rfc7539esp(chacha20,poly1305)',
}
const integNames: Readonly<Record<number, string>> = {
  [Integ.AUTH_HMAC_SHA1_96]: 'hmac(sha1)',
  [Integ.AUTH_AES_XCBC_96]: 'xcbc(aes)',
  [Integ.AUTH_AES_CMAC_96]: 'cmac(aes)',
  [Integ.AUTH_HMAC_SHA2_256_128]: 'hmac(sha256)',
  [Integ.AUTH_HMAC_SHA2_384_192]: 'hmac(sha384)',
  [Integ.AUTH_HMAC_SHA2_512_256]: 'hmac(sha512)',
}
const protocolNames: Readonly<Record<number, string>> = {
  [IpProtocol.ICMP]: 'icmp',
  [IpProtocol.TCP]: 'tcp',
  [IpProtocol.UDP]: 'udp',
  [IpProtocol.ICMPV6]: 'ipv6-icmp',
  [IpProtocol.SCTP]: 'sctp',
}
const directionNames = { [PolicyDirection.IN]: 'in', [PolicyDirection.OUT]: 'out', [PolicyDirection.FWD]: 'fwd' }

/** iproute2's words under the option `nokeys`. Nothing else is possible: a state does not keep the octets of its keys. */
const HIDDEN_KEYS = '<<Keys hidden>>'

/**
 * A state as `ip xfrm state list nokeys` prints it, lines ended by newlines. With `now` (monotonic ms) the lifetime and
 * the statistics of `ip -s` follow, ages in place of calendar times.
 */
export function formatState(state: XfrmState, now?: number): string {
  const lines = [
    `src ${formatIp(state.saddr)} dst ${formatIp(state.daddr)}`,
    `\tproto esp spi 0x${hex8(state.spi)} reqid ${state.reqid} mode tunnel`,
  ]
  if (state.phase === StatePhase.LARVAL) {
    lines.push(
      '\treplay-window 0 ',
      '\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000',
      `\tsel src ${formatIp(state.saddr)}/${state.saddr.length * 8} dst ${formatIp(state.daddr)}/${state.daddr.length * 8} `,
    )
  } else {
    lines.push(
      `\treplay-window ${state.replayWindow} flag af-unspec${state.esn ? ' esn' : ''}`,
      ...transformLines(state),
      ...encapLines(state),
      ...replayLines(state),
      `\tdir ${state.direction}`,
    )
  }
  if (now !== undefined) lines.push(...lifetimeLines(state, now))
  return `${lines.join('\n')}\n`
}

/** A policy as `ip xfrm policy` prints it, lines ended by newlines. Ranges that are no prefix are written `start-end`. */
export function formatPolicy(policy: XfrmPolicy): string {
  const lines = [
    formatSelector(policy.selector),
    `\tdir ${directionNames[policy.direction]} ${policy.block ? 'action block ' : ''}priority ${policy.priority} ptype main `,
  ]
  const { template } = policy
  if (template !== undefined) {
    lines.push(
      `\ttmpl src ${formatIp(template.saddr)} dst ${formatIp(template.daddr)}`,
      `\t\tproto esp reqid ${template.reqid} mode tunnel`,
    )
  }
  return `${lines.join('\n')}\n`
}

function transformLines(state: XfrmState): string[] {
  const name = encrNames[state.encrId] ?? transformName(1, state.encrId)
  const tagBits = (encrInfo(state.encrId)?.tagBytes ?? 0) * 8
  if (state.integId === 0) return [`\taead ${name} ${HIDDEN_KEYS} ${tagBits}`]
  const integ = integNames[state.integId] ?? transformName(3, state.integId)
  const icvBits = (integInfo(state.integId)?.icvBytes ?? 0) * 8
  return [`\tauth-trunc ${integ} ${HIDDEN_KEYS} ${icvBits}`, `\tenc ${name} ${HIDDEN_KEYS}`]
}

function encapLines({ encap }: XfrmState): string[] {
  return encap === undefined ? [] : [`\tencap type espinudp sport ${encap.sport} dport ${encap.dport} addr 0.0.0.0`]
}

function replayLines(state: XfrmState): string[] {
  const { replay } = state.decapsulator ?? { replay: undefined }
  const seqHigh = (replay?.high ?? 0).toString(16)
  const seq = (replay?.low ?? 0).toString(16)
  const oseqHigh = (state.encapsulator?.sequenceHigh ?? 0).toString(16)
  const oseq = (state.encapsulator?.sequenceLow ?? 0).toString(16)
  if (!state.esn) return [`\tanti-replay context: seq 0x${seq}, oseq 0x${oseq}`]
  return ['\tanti-replay esn context:', `\t seq-hi 0x${seqHigh}, seq 0x${seq}, oseq-hi 0x${oseqHigh}, oseq 0x${oseq}`]
}

function lifetimeLines(state: XfrmState, now: number): string[] {
  const { lifetime } = state
  const limit = (value: number) => (Number.isFinite(value) ? `${value}` : '(INF)')
  const seconds = (ms: number) => (Number.isFinite(ms) ? Math.round(ms / 1000) : 0)
  const age = (at: number) => (at < 0 ? '-' : `${seconds(now - at)}(sec) ago`)
  return [
    '\tlifetime config:',
    `\t  limit: soft ${limit(lifetime.softBytes)}(bytes), hard ${limit(lifetime.hardBytes)}(bytes)`,
    `\t  limit: soft ${limit(lifetime.softPackets)}(packets), hard ${limit(lifetime.hardPackets)}(packets)`,
    `\t  expire add: soft ${seconds(lifetime.softMs)}(sec), hard ${seconds(lifetime.hardMs)}(sec)`,
    '\t  expire use: soft 0(sec), hard 0(sec)',
    '\tlifetime current:',
    `\t  ${state.bytes}(bytes), ${state.packets}(packets)`,
    `\t  add ${age(state.addedAt)} use ${age(state.usedAt)}`,
    '\tstats:',
    `\t  replay-window ${state.replayWindowDrops} replay ${state.replayDrops} failed ${state.integrityFailures}`,
  ]
}

function formatSelector(selector: XfrmSelector): string {
  const protocol = selector.protocol === 0 ? '' : `proto ${protocolNames[selector.protocol] ?? selector.protocol} `
  const ports = isIcmp(selector.protocol)
    ? formatIcmp(selector.sourcePort)
    : `${formatPort('sport', selector.sourcePort)}${formatPort('dport', selector.destinationPort)}`
  return `src ${formatRange(selector.source)} dst ${formatRange(selector.destination)} ${protocol}${ports}`
}

function formatPort(name: string, range: PortRange): string {
  if (isAnyPort(range)) return ''
  return `${name} ${range.first === range.last ? range.first : `${range.first}-${range.last}`} `
}

function formatIcmp(range: PortRange): string {
  if (isAnyPort(range)) return ''
  if (range.first !== range.last) return formatPort('type-code', range)
  return `type ${range.first >>> 8} code ${range.first & 0xff} `
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0')
}
