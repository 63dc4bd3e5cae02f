import type { EspSaParameters } from '../../src/esp/index.ts'

/** One shape of an ESP packet. */
export interface Form {
  readonly mode: 'tunnel' | 'transport'
  /** IP versions of the outer and the inner packet, the same in transport mode. */
  readonly outer: 4 | 6
  readonly family: 4 | 6
  readonly udp: boolean
  readonly esn: boolean
  /** Padding for traffic flow confidentiality; tunnel mode. */
  readonly tfc: boolean
}

/** How we make and read a packet. The sequence number is that of the packet. */
export interface Way {
  /** The ESP packet of a whole inner packet, padded to `padTo` octets if it is shorter. */
  seal(sa: EspSaParameters, form: Form, inner: Uint8Array, padTo: number, low: number, high: number): Uint8Array
  /** What is different from `inner` in what comes out of an ESP packet; undefined for nothing. */
  open(
    sa: EspSaParameters,
    form: Form,
    packet: Uint8Array,
    inner: Uint8Array,
    low: number,
    high: number,
  ): string | undefined
}

const both = [false, true]
const versions = [4, 6] as const

/** All of them. */
export const forms: readonly Form[] = both.flatMap((udp) =>
  both.flatMap((esn) => [
    ...versions.flatMap((outer) =>
      versions.flatMap((family) => both.map((tfc): Form => ({ mode: 'tunnel', outer, family, udp, esn, tfc }))),
    ),
    ...versions.map((outer): Form => ({ mode: 'transport', outer, family: outer, udp, esn, tfc: false })),
  ]),
)
