import {
  Fragment,
  type IcmpError,
  isIcmp,
  isIcmpError,
  type PacketFlow,
  parseIcmpError,
  reverseFlow,
} from '../ip/index.ts'

/**
 * For an ICMP error at `buffer[offset]`, of which `flow` is the outside: the flow of the packet that it quotes, turned round, so that it
 * goes the same way as the error. It stands in `error` until that is filled again. Undefined for all other packets, and
 * for an error that does not go to the sender of what it quotes: it could go to any host, whatever policies say. RFC 4301 §6.
 */
export function quotedBack(
  buffer: Uint8Array,
  offset: number,
  flow: PacketFlow,
  error: IcmpError,
): PacketFlow | undefined {
  if (!isIcmp(flow.protocol) || !flow.portsKnown || flow.fragment !== Fragment.NONE) return undefined
  if (!isIcmpError(flow.protocol, flow.sourcePort >>> 8)) return undefined
  const at = flow.transportOffset
  if (!parseIcmpError(buffer, at, offset + flow.totalLength - at, flow.protocol, error)) return undefined
  reverseFlow(error.quoted)
  return goesToSame(flow, error.quoted) ? error.quoted : undefined
}

function goesToSame(a: PacketFlow, b: PacketFlow): boolean {
  for (let i = 0; i < a.addressBytes; i++) if (a.destination[i] !== b.destination[i]) return false
  return a.addressBytes === b.addressBytes
}
