import type { ChildConfig } from '../ike/config.ts'
import type { XfrmPathOptions, XfrmStateFlags } from '../xfrm/port.ts'
import type { Section } from './section.ts'

/** How the headers of a child's packets are made, and what is known of their path. What is at its default is left out. */
export function readHeaders(section: Section): Pick<ChildConfig, 'flags' | 'path'> {
  const dscp = section.choice('copyDscp', ['out', 'in', 'yes', 'no']) ?? 'out'
  const df = section.choice('df', ['copy', 'set', 'clear']) ?? 'copy'
  const mtu = section.number('pathMtu')
  const mss = section.choice('mssClamp', ['path']) ?? section.number('mssClamp')
  const flags: XfrmStateFlags = {
    ...(dscp === 'in' || dscp === 'no' ? { dontEncapDscp: true } : {}),
    ...(dscp === 'in' || dscp === 'yes' ? { decapDscp: true } : {}),
    ...(section.flag('copyEcn') === false ? { noEcn: true } : {}),
    ...(section.choice('icmpErrors', ['quoted']) === undefined ? {} : { icmp: true }),
  }
  const path: XfrmPathOptions = {
    ...(df === 'copy' ? {} : { df }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(mss === undefined ? {} : { mss }),
  }
  return {
    ...(Object.keys(flags).length === 0 ? {} : { flags }),
    ...(Object.keys(path).length === 0 ? {} : { path }),
  }
}
