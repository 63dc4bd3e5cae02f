/** The unsigned 16 bits at `buffer[at]`. The caller has checked that they are there. */
export function readU16(buffer: Uint8Array, at: number): number {
  return (buffer[at]! << 8) | buffer[at + 1]!
}

/** The unsigned 32 bits at `buffer[at]`, from 0 to 2^32-1. The caller has checked that they are there. */
export function readU32(buffer: Uint8Array, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0
}

/** Writes the low 16 bits of `value` at `buffer[at]`. */
export function writeU16(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 8
  buffer[at + 1] = value
}

/** Writes the low 32 bits of `value` at `buffer[at]`. */
export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}
