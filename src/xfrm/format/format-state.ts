import type { XfrmAttributes } from '../netlink/attributes.ts'
import { ExtraFlag, StateFlag } from '../netlink/numbers.ts'
import type { KernelSaInfo } from '../netlink/structs.ts'
import { formatAttributes } from './attributes.ts'
import { formatId } from './id.ts'
import { formatLifetime, formatStats } from './lifetime.ts'
import { isIpsec } from './protocol-names.ts'
import { formatSelector, isZeroSelector } from './selector.ts'
import { type FormatOptions, formatFlags } from './style.ts'

const flagNames = [
  [StateFlag.NOECN, 'noecn'],
  [StateFlag.DECAP_DSCP, 'decap-dscp'],
  [StateFlag.NOPMTUDISC, 'nopmtudisc'],
  [StateFlag.WILDRECV, 'wildrecv'],
  [StateFlag.ICMP, 'icmp'],
  [StateFlag.AF_UNSPEC, 'af-unspec'],
  [StateFlag.ALIGN4, 'align4'],
  [StateFlag.ESN, 'esn'],
] as const
const extraFlagNames = [
  [ExtraFlag.DONT_ENCAP_DSCP, 'dont-encap-dscp'],
  [ExtraFlag.OSEQ_MAY_WRAP, 'oseq-may-wrap'],
] as const

/** A state as `ip xfrm state` of iproute2 6.1 prints it, lines ended by newlines. */
export function formatSaInfo(sa: KernelSaInfo, attributes: XfrmAttributes, options: FormatOptions = {}): string {
  const selector = isZeroSelector(sa.selector) ? '' : `\tsel ${formatSelector(sa.selector, sa.family, options)}\n`
  const limits =
    options.stats === true ? formatLifetime(sa.lifetime, sa.current, '\t', options) + formatStats(sa.stats, '\t') : ''
  return (
    formatId(sa, '\t', isIpsec(sa.id.proto), options) +
    formatHead(sa, attributes, options) +
    formatAttributes(attributes, { ...options, family: sa.family, indent: '\t' }) +
    selector +
    limits
  )
}

function formatHead(
  { replayWindow, seq, flags }: KernelSaInfo,
  { extraFlags }: XfrmAttributes,
  options: FormatOptions,
) {
  const stats = options.stats === true
  const seqText = stats ? `seq 0x${String(seq).padStart(8, '0')} ` : ''
  const flagText = stats || flags !== 0 ? `flag ${formatFlags(flags, flagNames)}` : ''
  const extraText = stats && extraFlags !== undefined ? `extra_flag ${formatFlags(extraFlags, extraFlagNames)}` : ''
  const bits = stats ? ` (0x${flags.toString(2).padStart(8, '0')})` : ''
  return `\treplay-window ${replayWindow} ${seqText}${flagText}${extraText}${bits}\n`
}
