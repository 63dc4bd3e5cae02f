import { inspect } from 'node:util'
import { toHex } from '../../src/bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../../src/crypto/provider.ts'

/** Secrets by what they are, and every text that came out; the texts are searched at the end. */
export class Leaks {
  readonly #words = new Map<string, string>()
  /** By their hexadecimal digits: many are used often. */
  readonly #octets = new Map<string, { readonly what: string; readonly octets: Uint8Array }>()
  readonly #texts: string[] = []

  /** A password as it was typed. */
  word(what: string, text: string): string {
    this.#words.set(text, what)
    return text
  }

  /** A key; fewer than 16 octets are passed over. Copied. */
  octets(what: string, octets: Uint8Array): Uint8Array {
    if (octets.length >= 16) this.#octets.set(toHex(octets), { what, octets: octets.slice() })
    return octets
  }

  /** What was written: a line of the log, an error, a status, anything. */
  write(...written: readonly unknown[]): void {
    for (const one of written) {
      this.#texts.push(
        typeof one === 'string' ? one : inspect(one, { depth: 10, maxArrayLength: 4096, showHidden: true }),
      )
      if (typeof one === 'object')
        this.#texts.push(JSON.stringify(one, (_, value) => (typeof value === 'bigint' ? `${value}` : value)))
    }
  }

  get counts(): { readonly octets: number; readonly text: string } {
    return { octets: this.#octets.size, text: this.#texts.join('\n') }
  }

  /** What is secret and stands in a text all the same. */
  found(): string[] {
    const text = this.#texts.join('\n')
    // Numbers apart by anything else: a list, the properties of an object, an inspected array of several lines.
    const numbers = `,${text.replaceAll(/[^0-9]+/g, ',')},`
    const shown = [text, text.toLowerCase().replaceAll(/[^0-9a-f]/g, '')] as const
    const words = [...this.#words].filter(([word]) => shapes(word).some((shape) => text.includes(shape)))
    const octets = [...this.#octets.values()].filter(({ octets }) => isIn(octets.subarray(0, 12), shown, numbers))
    return [...words.map(([, what]) => what), ...new Set(octets.map(({ what }) => what))]
  }
}

/** The word itself, in UTF-16LE as MSCHAPv2 hashes it, in hexadecimal and base64. */
function shapes(word: string): string[] {
  const octets = Buffer.from(word)
  return [
    word,
    [...word].join('\0'),
    octets.toString('hex'),
    octets.toString('base64').replaceAll('=', '').slice(0, -1),
  ]
}

/** The first octets: of a key that is cut short for a line the beginning still tells. */
function isIn(octets: Uint8Array, [text, hex]: readonly [string, string], numbers: string): boolean {
  const base64 = Buffer.from(octets).toString('base64')
  return (
    hex.includes(toHex(octets)) ||
    text.includes(base64) ||
    numbers.includes(`,${octets.join(',')},`) ||
    isIndexed(octets, numbers)
  )
}

/** `{ "0": 17, "1": 4, ... }` */
const isIndexed = (octets: Uint8Array, numbers: string): boolean =>
  numbers.includes(`,${[...octets].map((octet, at) => `${at},${octet}`).join(',')},`)

/** The provider; every key that it is given, and every secret that it makes, is noted. */
export function watchedCrypto(crypto: CryptoProvider, leaks: Leaks): CryptoProvider {
  const note = (what: string, key: Uint8Array) => leaks.octets(what, key)
  return {
    ...crypto,
    name: crypto.name,
    hash: (hash, data) => crypto.hash(hash, data),
    hmac: (hash, key, data) => crypto.hmac(hash, note('a key of an HMAC', key), data),
    prf: (prf, key, data) => crypto.prf(prf, note('a key of a PRF', key), data),
    aead: (encr, key) => crypto.aead(encr, note('a key of a cipher', key)),
    cipher: (encr, key) => crypto.cipher(encr, note('a key of a cipher', key)),
    mac: (integ, key) => crypto.mac(integ, note('a key of an ICV', key)),
    keyExchange(group, random) {
      const made = crypto.keyExchange(group, random)
      return {
        group: made.group,
        publicValue: made.publicValue,
        finish: (peer) => note('a shared secret', made.finish(peer)),
        destroy: () => made.destroy(),
      }
    },
    keyExchangeFromPrivate: (group, value) => crypto.keyExchangeFromPrivate(group, note('a private value', value)),
    respondKeyExchange(group, peer, random) {
      const answer = crypto.respondKeyExchange(group, peer, random)
      note('a shared secret', answer.sharedSecret)
      return answer
    },
  }
}

/** Random octets; nonces, private values and secrets are noted. */
export function watchedRandom(leaks: Leaks): RandomSource {
  return (length, purpose) => {
    const octets = globalThis.crypto.getRandomValues(new Uint8Array(length))
    const isSecret = purpose === 'nonce' || purpose === 'private-value' || purpose === 'secret'
    return isSecret ? leaks.octets(`a random ${purpose}`, octets) : octets
  }
}
