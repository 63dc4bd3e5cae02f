import { concat, equalConstantTime, wipe } from '../bytes/index.ts'
import type { CryptoProvider } from '../crypto/provider.ts'
import { microsoft, RadiusType, vendorValues } from './attributes.ts'
import { encodeRadiusPacket, type RadiusAttribute, type RadiusPacket, radiusHeaderBytes } from './packet.ts'

/** The octets of a request with Message-Authenticator, which stands first so that nothing can be put before it. RFC 3579 §3.2. */
export function encodeSignedRequest(crypto: CryptoProvider, packet: RadiusPacket, secret: Uint8Array): Uint8Array {
  const empty: RadiusAttribute = { type: RadiusType['Message-Authenticator'], value: new Uint8Array(16) }
  const octets = encodeRadiusPacket({ ...packet, attributes: [empty, ...packet.attributes] })
  octets.set(crypto.hmac('md5', secret, octets), radiusHeaderBytes + 2)
  return octets
}

/** The octets of a request whose Authenticator is its own hash: accounting and disconnecting. RFC 2866 §3, RFC 5176 §2.3. */
export function encodeHashedRequest(
  crypto: CryptoProvider,
  packet: Omit<RadiusPacket, 'authenticator'>,
  secret: Uint8Array,
): Uint8Array {
  const octets = encodeRadiusPacket({ ...packet, authenticator: new Uint8Array(16) })
  octets.set(crypto.hash('md5', concat(octets, secret)), 4)
  return octets
}

/** True when the Authenticator of a request is its own hash. */
export function isHashedRequest(crypto: CryptoProvider, octets: Uint8Array, secret: Uint8Array): boolean {
  const packet = trimmed(octets)
  const cleared = packet.slice()
  cleared.fill(0, 4, 20)
  return equalConstantTime(packet.subarray(4, 20), crypto.hash('md5', concat(cleared, secret)))
}

/** The octets of a response. `requestAuthenticator`: 16 octets. RFC 2865 §3. */
export function encodeResponse(
  crypto: CryptoProvider,
  packet: Omit<RadiusPacket, 'authenticator'>,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  const octets = encodeRadiusPacket({ ...packet, authenticator: requestAuthenticator })
  octets.set(crypto.hash('md5', concat(octets, secret)), 4)
  return octets
}

/** True when the Response Authenticator is right for the request. RFC 2865 §3. */
export function isResponse(
  crypto: CryptoProvider,
  octets: Uint8Array,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): boolean {
  const packet = trimmed(octets)
  const asked = packet.slice()
  asked.set(requestAuthenticator, 4)
  return equalConstantTime(packet.subarray(4, 20), crypto.hash('md5', concat(asked, secret)))
}

/**
 * Is the Message-Authenticator right? `authenticator` stands in the header while it is computed: of the request that a response belongs
 * to, zeros for a request of RFC 5176. RFC 3579 §3.2.
 */
export function messageAuthenticator(
  crypto: CryptoProvider,
  octets: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): 'right' | 'wrong' | 'missing' {
  const packet = trimmed(octets).slice()
  const at = offsetOf(packet, RadiusType['Message-Authenticator'])
  if (at === undefined) return 'missing'
  if (packet[at + 1] !== 18) return 'wrong'
  const received = packet.slice(at + 2, at + 18)
  packet.fill(0, at + 2, at + 18)
  packet.set(authenticator, 4)
  return equalConstantTime(received, crypto.hmac('md5', secret, packet)) ? 'right' : 'wrong'
}

/**
 * The MSK, 64 octets: MS-MPPE-Recv-Key, MS-MPPE-Send-Key and zeros. Undefined when one is missing or cannot be read. RFC 2548 §2.4, RFC
 * 3579 §3 and what RFC 7296 §2.16 makes of it.
 */
export function mppeMsk(
  crypto: CryptoProvider,
  attributes: readonly RadiusAttribute[],
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  const keys = [microsoft['MS-MPPE-Recv-Key'], microsoft['MS-MPPE-Send-Key']].map((type) => {
    const [value] = vendorValues(attributes, microsoft.vendor, type)
    return value && mppeKey(crypto, value, requestAuthenticator, secret)
  })
  const [recv, send] = keys
  if (recv === undefined || send === undefined || recv.length + send.length > 64) return undefined
  const msk = concat(recv, send, new Uint8Array(64 - recv.length - send.length))
  wipe(recv, send)
  return msk
}

/** Opens a key of RFC 2548 §2.4.2: salt (2 octets), then length, key and padding under a chain of MD5. */
export function mppeKey(
  crypto: CryptoProvider,
  value: Uint8Array,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  const sealed = value.subarray(2)
  if (sealed.length === 0 || sealed.length % 16 !== 0) return undefined
  const plain = new Uint8Array(sealed.length)
  let chain = concat(requestAuthenticator, value.subarray(0, 2))
  for (let at = 0; at < sealed.length; at += 16) {
    const pad = crypto.hash('md5', concat(secret, chain))
    chain = sealed.slice(at, at + 16)
    for (let i = 0; i < 16; i++) plain[at + i] = chain[i]! ^ pad[i]!
  }
  const length = plain[0]!
  const key = length === 0 || length >= plain.length ? undefined : plain.slice(1, 1 + length)
  wipe(plain)
  return key
}

/** Without the padding behind Length. The packet has been decoded before. */
const trimmed = (octets: Uint8Array): Uint8Array => octets.subarray(0, (octets[2]! << 8) | octets[3]!)

function offsetOf(packet: Uint8Array, type: number): number | undefined {
  for (let at = radiusHeaderBytes; at + 2 <= packet.length; at += packet[at + 1]!) if (packet[at] === type) return at
  return undefined
}
