import { fromHex } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'

/** A pre-shared key as written: `0x` and hexadecimal, `0s` and base64, else the text itself as UTF-8. Throws `UsageError`, without the key in it. */
export function parseSecret(text: string): Uint8Array {
  if (/^0x/i.test(text)) {
    if (!/^0x([0-9a-f]{2})+$/i.test(text)) {
      throw new UsageError('psk', 'begins with 0x, but an even number of hexadecimal digits does not follow')
    }
    return fromHex(text.slice(2))
  }
  if (text.startsWith('0s')) {
    const secret = fromBase64(text.slice(2))
    if (secret === undefined) throw new UsageError('psk', 'begins with 0s, but base64 does not follow')
    return secret
  }
  if (text === '') throw new UsageError('psk', 'is empty')
  return new TextEncoder().encode(text)
}

/** The key in a file: its octets without one line end after them. Copied. Throws `UsageError` when nothing is left. */
export function secretOfFile(octets: Uint8Array): Uint8Array {
  let end = octets.length
  if (octets[end - 1] === 0x0a) end--
  if (end < octets.length && octets[end - 1] === 0x0d) end--
  if (end === 0) throw new UsageError('psk', 'the file is empty')
  return octets.slice(0, end)
}

function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}
