/**
 * The same memory as a plain `Uint8Array`. A caller may hand us a Node `Buffer`, whose `slice` is a view and not a copy: what copies by
 * `slice` takes its input through this first.
 */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
