/** The lower two bits of the traffic class. RFC 3168 §5. */
export const Ecn = { NOT_ECT: 0, ECT_1: 1, ECT_0: 2, CE: 3 } as const

/** What a tunnel's end is to do with a packet whose outer header arrived with this pair of codepoints. */
export const EcnFate = {
  /** As it should be. */
  FINE: 0,
  /** Forward it, but nothing that is known makes such a pair. RFC 6040 §4.2. */
  STRANGE: 1,
  /** Forward it; it may be an attack or a broken router, and is to be told. */
  ALARM: 2,
  /** Drop it and tell: congestion was marked, and the ends cannot hear of it. */
  DROP: 3,
} as const

/**
 * RFC 6040 §4.2, figure 4. A row for each codepoint of the inner header in the order of their numbers (Not-ECT, ECT(1), ECT(0), CE),
 * a column for each of the outer one; each entry is the codepoint to forward, and the fate times four.
 */
const decapsulated = Uint8Array.of(
  ...[0, 0 + 4 * 2, 0 + 4 * 2, 0 + 4 * 3],
  ...[1, 1, 1 + 4 * 1, 3],
  ...[2, 1, 2, 3],
  ...[3, 3 + 4 * 2, 3, 3],
)

/** The outer codepoint of a packet that enters a tunnel: `normal` copies it, else (compatibility) it is Not-ECT. RFC 6040 §4.1. */
export const encapsulatedEcn = (inner: number, normal: boolean): number => (normal ? inner & 3 : Ecn.NOT_ECT)

/** The inner codepoint behind the tunnel, and an `EcnFate`, which `ecnOf` and `fateOf` take apart. RFC 6040 §4.2. */
export const decapsulatedEcn = (inner: number, outer: number): number => decapsulated[(inner & 3) * 4 + (outer & 3)]!

export const ecnOf = (decapsulated: number): number => decapsulated & 3
export const fateOf = (decapsulated: number): number => decapsulated >>> 2
