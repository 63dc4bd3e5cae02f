import type { EspEncapsulator } from '../esp/index.ts'
import { IPV6_HEADER_BYTES } from '../ip/index.ts'
import { PAD_TO_PATH } from '../xfrm/port.ts'
import type { XfrmState } from '../xfrm/state.ts'
import { LEAST_IPV6_MTU, mostEspBytesOf } from './path-mtu.ts'
import { HEADROOM, TAILROOM } from './room.ts'

/**
 * The octets to which an inner packet of `length` octets is padded: `state.tfcPad`, and no more than goes through the path whole; its own when it is
 * longer. Only a whole IP packet tells its length, so only tunnel mode has this. RFC 4303 §2.7. No allocation.
 */
export function paddedLength(state: XfrmState, esp: EspEncapsulator, length: number): number {
  const { tfcPad } = state
  if (tfcPad <= length || state.mode !== 'tunnel') return length
  const fits = esp.maxInnerLength(mostToPad(state))
  return Math.max(length, Math.min(tfcPad, fits))
}

/** Octets of the ESP packet: where the path is not known, or is TCP's business, what every path takes. */
function mostToPad(state: XfrmState): number {
  const toPath = state.tfcPad === PAD_TO_PATH
  if (toPath && state.encap?.type === 'tcp') return LEAST_IPV6_MTU - IPV6_HEADER_BYTES
  return mostEspBytesOf(state, toPath && state.pathMtu === Number.POSITIVE_INFINITY ? LEAST_IPV6_MTU : state.pathMtu)
}

/**
 * A buffer with room for padding, where a packet's own has none. Lent out while a packet is sent, because that may lead back here:
 * then there is another one.
 */
export class PaddingRoom {
  #buffer: Uint8Array | undefined

  /** The packet stands at `HEADROOM` of what is returned, with room for the longest packet. Give it back. */
  take(buffer: Uint8Array, at: number, length: number): Uint8Array {
    const spare = this.#buffer ?? new Uint8Array(HEADROOM + PAD_TO_PATH + TAILROOM)
    this.#buffer = undefined
    for (let i = 0; i < length; i++) spare[HEADROOM + i] = buffer[at + i]!
    return spare
  }

  giveBack(spare: Uint8Array): void {
    this.#buffer = spare
  }
}
