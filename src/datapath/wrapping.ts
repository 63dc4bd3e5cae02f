import {
  type EspPlace,
  Fragment,
  findEspPlace,
  IPV6_HEADER_BYTES,
  IpProtocol,
  lastNextHeaderField,
  newEspPlace,
  type PacketFlow,
} from '../ip/index.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { beetHeaderBytes, writeBeetHeader } from './beet-header.ts'
import type { DatapathOptions } from './options.ts'
import type { OuterFields } from './outer.ts'
import { fillOwnOuter, fillTunnelOuter } from './outer-header.ts'

/** Which part of an inner packet goes into ESP, by the mode of its state. `find` changes nothing in the packet, `write` does. */
export class Wrapping {
  /** Where the payload of ESP begins, from the start of the buffer, its octets, and its next header. */
  at = 0
  length = 0
  nextHeader = 0
  readonly #headerOptions: NonNullable<DatapathOptions['headerOptions']>
  readonly #isLabelled: boolean
  readonly #place: EspPlace = newEspPlace()
  /** A pseudo header with options is to be written. A packet of protocol 94 has its own, which is payload. */
  #hasBeetHeader = false

  constructor({ headerOptions = 'refuse', flowLabels = 'flow' }: DatapathOptions) {
    this.#headerOptions = headerOptions
    this.#isLabelled = flowLabels === 'flow'
  }

  /** Fills itself and `outer`; `flow` is what the packet at `buffer[offset]` is. False when the mode cannot carry it. */
  find(state: XfrmState, buffer: Uint8Array, offset: number, flow: PacketFlow, outer: OuterFields): boolean {
    this.#hasBeetHeader = false
    if (state.mode === 'transport') return this.#findTransport(state, buffer, offset, flow, outer)
    if (state.mode === 'beet') return this.#findBeet(state, buffer, offset, flow, outer)
    this.at = offset
    this.length = flow.totalLength
    this.nextHeader = flow.family === 4 ? IpProtocol.IPV4 : IpProtocol.IPV6
    fillTunnelOuter(outer, state, buffer, offset, flow, this.#isLabelled)
    return true
  }

  /** Makes the packet ready for ESP, whose header takes `espHeaderBytes`. False when there is no room in front of it. */
  write(buffer: Uint8Array, outer: OuterFields, espHeaderBytes: number): boolean {
    if (this.#hasBeetHeader) writeBeetHeader(buffer, this.at, this.#place.optionBytes, this.#place.nextHeader)
    const { optionBytes } = outer
    if (optionBytes === 0) return true
    const from = this.at - optionBytes
    if (from - espHeaderBytes < 0) return false
    const to = from - espHeaderBytes
    buffer.copyWithin(to, from, this.at)
    if (outer.firstHeader !== IpProtocol.ESP) {
      buffer[lastNextHeaderField(buffer, to, optionBytes, outer.firstHeader)] = IpProtocol.ESP
    }
    return true
  }

  #findTransport(state: XfrmState, buffer: Uint8Array, offset: number, flow: PacketFlow, outer: OuterFields): boolean {
    // RFC 4303 §3.3.4: it is for whole packets. The addresses of a packet to be sent are those of the outer header.
    if (flow.fragment !== Fragment.NONE || !isBetween(flow, state.saddr, state.daddr)) return false
    const place = this.#place
    findEspPlace(buffer, offset, place)
    if (place.nextHeader === IpProtocol.FRAGMENT || place.nextHeader === IpProtocol.NO_NEXT_HEADER) return false
    const isCarried = this.#headerOptions === 'carry'
    if (place.optionBytes > 0 && !isCarried && (this.#headerOptions === 'refuse' || place.isRouted)) return false
    this.at = place.at
    this.length = offset + flow.totalLength - place.at
    this.nextHeader = place.nextHeader
    fillOwnOuter(outer, state, buffer, offset, flow)
    if (!isCarried) return true
    outer.optionBytes = place.optionBytes
    outer.firstHeader = place.firstHeader
    return true
  }

  #findBeet(state: XfrmState, buffer: Uint8Array, offset: number, flow: PacketFlow, outer: OuterFields): boolean {
    const { selector } = state
    if (selector === undefined || !isBetween(flow, selector.source.start, selector.destination.start)) return false
    const place = this.#place
    if (flow.family === 6) {
      // All extension headers go inside, so that fragments do too.
      this.at = offset + IPV6_HEADER_BYTES
      this.nextHeader = buffer[offset + 6]!
    } else {
      // The other end makes a header of its own, which cannot say what part of a packet this is.
      if (flow.fragment !== Fragment.NONE) return false
      findEspPlace(buffer, offset, place)
      this.#hasBeetHeader = place.optionBytes > 0
      // The other end would take the payload for a header of options, and what is behind that for another protocol's.
      if (!this.#hasBeetHeader && place.nextHeader === IpProtocol.BEET) return false
      this.at = place.at - beetHeaderBytes(place.optionBytes)
      this.nextHeader = this.#hasBeetHeader ? IpProtocol.BEET : place.nextHeader
    }
    if (this.nextHeader === IpProtocol.NO_NEXT_HEADER) return false
    this.length = offset + flow.totalLength - this.at
    fillOwnOuter(outer, state, buffer, offset, flow)
    return true
  }
}

function isBetween(flow: PacketFlow, source: Uint8Array, destination: Uint8Array): boolean {
  return (
    isAddress(flow.source, flow.addressBytes, source) && isAddress(flow.destination, flow.addressBytes, destination)
  )
}

function isAddress(padded: Uint8Array, bytes: number, address: Uint8Array): boolean {
  if (address.length !== bytes) return false
  for (let i = 0; i < bytes; i++) if (padded[i] !== address[i]) return false
  return true
}
