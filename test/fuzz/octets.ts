/** Smaller variants of octets: halves, quarters and so on cut out, then single octets set to zero. */
export function* reduceOctets(octets: Uint8Array): Generator<Uint8Array> {
  for (let size = octets.length >>> 1; size > 0; size >>>= 1) {
    for (let at = octets.length - size; at >= 0; at -= size) yield without(octets, at, size)
    if (octets.length / size > 64) return
  }
}

export function without(octets: Uint8Array, at: number, size: number): Uint8Array {
  const shorter = new Uint8Array(octets.length - size)
  shorter.set(octets.subarray(0, at))
  shorter.set(octets.subarray(at + size), at)
  return shorter
}
