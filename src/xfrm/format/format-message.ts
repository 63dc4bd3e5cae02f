import { UsageError } from '../../errors.ts'
import { encodeXfrmMessage, type XfrmMessage, type XfrmMessageBody } from '../netlink/message.ts'
import { AeventFlag, Family } from '../netlink/numbers.ts'
import type { KernelSaId } from '../netlink/structs.ts'
import { formatAttributes } from './attributes.ts'
import { formatPolicyInfo, policyTypeName } from './format-policy.ts'
import { formatSaInfo } from './format-state.ts'
import { formatSpi } from './id.ts'
import { protocolName, xfrmProtocolName } from './protocol-names.ts'
import { formatSelector } from './selector.ts'
import { type FormatOptions, formatAddress, hex, hex8 } from './style.ts'

/**
 * A message as `ip xfrm monitor` of iproute2 6.1 prints it, lines ended by newlines; empty for what it passes over. Throws `UsageError`
 * for a message of a deletion that does not say what was deleted.
 */
export function formatXfrmMessage(message: XfrmMessage, options: FormatOptions = {}): string {
  switch (message.type) {
    case 'newsa':
      return formatSaInfo(message.body, message.attributes, options)
    case 'updsa':
      return `Updated ${formatSaInfo(message.body, message.attributes, options)}`
    case 'delsa':
      return `Deleted ${formatSaInfo(present(message.attributes.sa), message.attributes, options)}`
    case 'expire':
      return `Expired ${formatSaInfo(message.body.state, message.attributes, options)}\thard ${message.body.hard}\n`
    case 'newpolicy':
      return formatPolicyInfo(message.body, message.attributes, options)
    case 'updpolicy':
      return `Updated ${formatPolicyInfo(message.body, message.attributes, options)}`
    case 'delpolicy':
      return `Deleted ${formatPolicyInfo(present(message.attributes.policy), message.attributes, options)}`
    case 'polexpire':
      return `Expired ${formatPolicyInfo(message.body.policy, message.attributes, options)}\thard ${message.body.hard}\n`
    default:
      return formatOther(message, options)
  }
}

function formatOther(message: XfrmMessage, options: FormatOptions): string {
  switch (message.type) {
    case 'acquire':
      return formatAcquire(message, options)
    case 'flushsa':
      return `Flushed state proto ${xfrmProtocolName(message.body.proto)}\n`
    case 'flushpolicy': {
      const { policyType } = message.attributes
      return `Flushed policy ${policyType === undefined ? '' : `ptype ${policyTypeName(policyType.type)} `}\n`
    }
    case 'report': {
      const { proto, selector } = message.body
      const style = { ...options, family: selector.family, indent: '  ' }
      const head = `report proto ${xfrmProtocolName(proto)} \n  sel ${formatSelector(selector, Family.UNSPEC, options)}\n`
      return head + formatAttributes(message.attributes, style)
    }
    case 'newae':
      return formatAevent(message.body)
    case 'mapping':
      return formatMapping(message.body)
    case 'error':
    case 'done':
      return ''
    default:
      return formatUnknown(encodeXfrmMessage(message))
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new UsageError('message', 'does not say what was deleted')
  return value
}

type Acquire = Extract<XfrmMessage, { type: 'acquire' }>

function formatAcquire({ body, attributes }: Acquire, options: FormatOptions): string {
  const stats = options.stats === true
  const { id, selector, policy, seq, ealgos, aalgos, calgos } = body
  const family = selector.family === Family.UNSPEC ? policy.selector.family : selector.family
  const spi = stats || id.spi !== 0 ? `${formatSpi(id.spi, stats)} ` : ''
  const masks = `enc-mask ${hex8(ealgos)} auth-mask ${hex8(aalgos)} comp-mask ${hex8(calgos)}`
  return (
    `acquire proto ${xfrmProtocolName(id.proto)} ${spi}\n` +
    `  sel ${formatSelector(selector, family, options)}\n` +
    formatPolicyInfo(policy, attributes, options, { title: '  policy ', indent: '    ' }) +
    (stats ? `  seq 0x${String(seq).padStart(8, '0')} ${masks}\n` : '\n')
  )
}

function formatAevent({ id, saddr, flags, reqid }: XfrmMessageBody<'newae'>): string {
  const causes = [
    (flags & AeventFlag.CR) === 0 ? '' : ' replay update ',
    (flags & AeventFlag.CE) === 0 ? '' : ' timer expired ',
    (flags & AeventFlag.CU) === 0 ? '' : ' policy updated ',
  ]
  return `Async event  (0x${hex(flags)}) ${causes.join('')}\n\tsrc ${formatAddress(saddr, id.family)} ${formatSaId(id, reqid)}\n`
}

function formatMapping({ id, reqid, oldSaddr, newSaddr, oldSport, newSport }: XfrmMessageBody<'mapping'>): string {
  const [before, after] = [formatAddress(oldSaddr, id.family), formatAddress(newSaddr, id.family)]
  return `Mapping change ${before}:${oldSport} -> ${after}:${newSport}\n\t${formatSaId(id, reqid)}\n`
}

function formatSaId({ daddr, family, proto, spi }: KernelSaId, reqid: number): string {
  return `dst ${formatAddress(daddr, family)}  reqid 0x${hex(reqid)} protocol ${protocolName(proto)}  SPI 0x${hex(spi)}`
}

/** iproute2 does not know the message: its length, type and flags. */
function formatUnknown(bytes: Uint8Array): string {
  const header = new DataView(bytes.buffer)
  const [type, flags] = [header.getUint16(4, true), header.getUint16(6, true)]
  return `Unknown message: ${String(bytes.length).padStart(8, '0')} 0x${hex8(type)} 0x${hex8(flags)}\n`
}
