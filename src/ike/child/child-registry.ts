import { equalBytes, toHex } from '../../bytes/index.ts'
import type { IpAddress } from '../../ip/address.ts'
import type { XfrmStateId } from '../../xfrm/port.ts'
import type { ChildSa } from './child-sa.ts'

/**
 * The CHILD_SAs of one endpoint by the SPIs of their states. Inbound SPIs are our choice, each of them unique. Outbound
 * ones are the choice of the peers, so that (address, SPI) must be checked before it is used: two states of one (daddr,
 * SPI) could not be told apart.
 */
export class ChildRegistry {
  readonly #inbound = new Map<number, ChildSa>()
  readonly #outbound = new Map<string, ChildSa>()

  /** The CHILD_SA that receives on this SPI. */
  ofInbound(spi: number): ChildSa | undefined {
    return this.#inbound.get(spi)
  }

  /** The CHILD_SA that sends to this address with this SPI. */
  ofOutbound(daddr: IpAddress, spi: number): ChildSa | undefined {
    return this.#outbound.get(outboundKey(daddr, spi))
  }

  /** The CHILD_SA of which this is a state, in either direction. */
  find({ daddr, spi }: XfrmStateId): ChildSa | undefined {
    const inbound = this.#inbound.get(spi)
    return inbound !== undefined && equalBytes(inbound.localAddress, daddr)
      ? inbound
      : this.#outbound.get(outboundKey(daddr, spi))
  }

  /**
   * True when packets to `daddr` cannot have this SPI, because another state has it: an outbound one of any CHILD_SA but
   * `except`, or one of our own inbound ones, where the peer's address is ours as well (loopback, hairpin).
   */
  isTaken(daddr: IpAddress, spi: number, except?: ChildSa): boolean {
    const inbound = this.#inbound.get(spi)
    if (inbound !== undefined && equalBytes(inbound.localAddress, daddr)) return true
    const outbound = this.#outbound.get(outboundKey(daddr, spi))
    return outbound !== undefined && outbound !== except
  }

  addInbound(child: ChildSa): void {
    this.#inbound.set(child.spiIn, child)
  }

  removeInbound(child: ChildSa): void {
    this.#inbound.delete(child.spiIn)
  }

  /** `isTaken` has said no. */
  addOutbound({ daddr, spi }: XfrmStateId, child: ChildSa): void {
    this.#outbound.set(outboundKey(daddr, spi), child)
  }

  removeOutbound({ daddr, spi }: XfrmStateId): void {
    this.#outbound.delete(outboundKey(daddr, spi))
  }
}

const outboundKey = (daddr: IpAddress, spi: number): string => `${toHex(daddr)}/${spi}`
