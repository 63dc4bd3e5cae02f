import { equalBytes } from '../bytes/index.ts'
import type { IpAddress } from '../ip/index.ts'
import type { PortRange, UdpEncap, XfrmLifetime, XfrmSelector, XfrmTemplate } from './port.ts'
import { isAnyPort } from './selector.ts'

/** A power of two. */
const SLOTS = 256

const noTemplates: readonly XfrmTemplate[] = Object.freeze([])
const anyPort: PortRange = Object.freeze({ first: 0, last: 65535 })

/**
 * Copies what the databases keep of a call. The states and policies of one CHILD_SA come one after the other and have
 * the same addresses and selectors, and many have those of this machine: what was copied lately is given out again. Copies are
 * never changed.
 */
export class SharedParts {
  readonly #addresses: (IpAddress | undefined)[] = []
  #selector: XfrmSelector | undefined
  #template: XfrmTemplate | undefined
  #templates = noTemplates
  #lifetime: XfrmLifetime | undefined
  #encap: UdpEncap | undefined
  #label = ''

  address(address: IpAddress): IpAddress {
    const slot = slotOf(address)
    const known = this.#addresses[slot]
    if (known !== undefined && equalBytes(known, address)) return known
    const copy = address.slice()
    this.#addresses[slot] = copy
    return copy
  }

  selector(selector: XfrmSelector): XfrmSelector {
    const last = this.#selector
    if (last !== undefined && sameSelector(last, selector)) return last
    const { source, destination, protocol, sourcePort, destinationPort } = selector
    this.#selector = {
      source: { start: this.address(source.start), end: this.address(source.end) },
      destination: { start: this.address(destination.start), end: this.address(destination.end) },
      protocol,
      sourcePort: portsOf(sourcePort),
      destinationPort: portsOf(destinationPort),
    }
    return this.#selector
  }

  template(template: XfrmTemplate): XfrmTemplate {
    const last = this.#template
    if (last !== undefined && sameTemplate(last, template)) return last
    this.#template = { ...template, saddr: this.address(template.saddr), daddr: this.address(template.daddr) }
    return this.#template
  }

  templates(templates: readonly XfrmTemplate[]): readonly XfrmTemplate[] {
    if (templates.length === 0) return noTemplates
    const last = this.#templates
    const same = last.length === templates.length && templates.every((template, i) => sameTemplate(last[i]!, template))
    if (!same) this.#templates = templates.map((template) => this.template(template))
    return this.#templates
  }

  lifetime(lifetime: XfrmLifetime): XfrmLifetime {
    const last = this.#lifetime
    if (last !== undefined && sameLifetime(last, lifetime)) return last
    this.#lifetime = { ...lifetime }
    return this.#lifetime
  }

  encap(encap: UdpEncap): UdpEncap {
    const last = this.#encap
    if (last?.sport === encap.sport && last.dport === encap.dport && last.type === encap.type) return last
    this.#encap = { ...encap }
    return this.#encap
  }

  /** A text that was put together anew for each call need not be kept each time. */
  label(label: string): string {
    if (this.#label !== label) this.#label = label
    return this.#label
  }
}

function slotOf(address: IpAddress): number {
  let slot = 0
  for (let i = 0; i < address.length; i++) slot = (slot * 31 + address[i]!) & (SLOTS - 1)
  return slot
}

const portsOf = (range: PortRange): PortRange => (isAnyPort(range) ? anyPort : { first: range.first, last: range.last })

const samePorts = (a: PortRange, b: PortRange): boolean => a.first === b.first && a.last === b.last

const sameSelector = (a: XfrmSelector, b: XfrmSelector): boolean =>
  a.protocol === b.protocol &&
  samePorts(a.sourcePort, b.sourcePort) &&
  samePorts(a.destinationPort, b.destinationPort) &&
  equalBytes(a.source.start, b.source.start) &&
  equalBytes(a.source.end, b.source.end) &&
  equalBytes(a.destination.start, b.destination.start) &&
  equalBytes(a.destination.end, b.destination.end)

const sameTemplate = (a: XfrmTemplate, b: XfrmTemplate): boolean =>
  a.reqid === b.reqid &&
  a.proto === b.proto &&
  a.mode === b.mode &&
  a.spi === b.spi &&
  a.level === b.level &&
  equalBytes(a.saddr, b.saddr) &&
  equalBytes(a.daddr, b.daddr)

const sameLifetime = (a: XfrmLifetime, b: XfrmLifetime): boolean =>
  a.softBytes === b.softBytes &&
  a.hardBytes === b.hardBytes &&
  a.softPackets === b.softPackets &&
  a.hardPackets === b.hardPackets &&
  a.softMs === b.softMs &&
  a.hardMs === b.hardMs &&
  a.softUseMs === b.softUseMs &&
  a.hardUseMs === b.hardUseMs
