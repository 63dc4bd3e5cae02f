import { randomBytes } from 'node:crypto'

/** Random ones. */
export const octets = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
