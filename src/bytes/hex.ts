import { UsageError } from '../errors.ts'

/** Lower-case hexadecimal of `bytes`, two digits an octet, no separators. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += digitsOf[bytes[i]!]
  return text
}

const digitsOf = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** The octets of a hexadecimal string (either case, an even number of digits). Throws `UsageError` on anything else. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new UsageError('text', 'must be an even number of hexadecimal digits')
  }
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}
