import { concat, equalConstantTime, Reader } from '../bytes/index.ts'
import { andThen } from './maybe-promise.ts'
import type { EapMethod, EapPeerExchange, EapPeerWorld, EapServerExchange, EapServerWorld } from './method.ts'

/**
 * MD5-Challenge: CHAP inside EAP, one way and without a key. For tests, and for the inside of a tunnel. RFC 3748 §5.4, RFC 1994:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Value-Size   |  Value ...      |  Name ...
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export const md5Challenge: EapMethod = {
  type: 4,
  name: 'md5',
  beginServer: server,
  beginPeer: peer,
}

function server({ crypto, random, identity, credentials }: EapServerWorld): EapServerExchange {
  const challenge = random(16, 'nonce')
  return {
    // The Identifier is part of the hash, and that is the carrier's: the response brings it back to us.
    start: () => ({ kind: 'request', data: encodeValue(challenge, 'typeswan') }),
    next(data, identifier) {
      const value = decodeValue(data)
      return andThen(credentials.password?.(identity), (password) => {
        if (password === undefined) return { kind: 'failure', message: `no user ${identity} is known` }
        const expected = crypto.hash('md5', concat(Uint8Array.of(identifier), utf8(password), challenge))
        if (!equalConstantTime(value, expected)) return { kind: 'failure', message: `wrong password of ${identity}` }
        return { kind: 'success', msk: undefined, mutual: false }
      })
    },
    destroy() {},
  }
}

function peer({ crypto, identity, credentials }: EapPeerWorld): EapPeerExchange {
  let done = false
  return {
    next(data, identifier) {
      const challenge = decodeValue(data).slice()
      const { password } = credentials
      if (password === undefined) return { kind: 'failure', message: 'no password is set for EAP-MD5' }
      return andThen(password(), (secret) => {
        done = true
        const value = crypto.hash('md5', concat(Uint8Array.of(identifier), utf8(secret), challenge))
        return { kind: 'response', data: encodeValue(value, identity) }
      })
    },
    finish: () =>
      done
        ? { kind: 'success', msk: undefined, mutual: false }
        : { kind: 'failure', message: 'EAP Success before the challenge of EAP-MD5' },
    reason: () => 'the server refused our user name or password (EAP-MD5)',
    destroy() {},
  }
}

function decodeValue(data: Uint8Array): Uint8Array {
  const reader = new Reader(data, 'EAP-MD5', 'RFC 3748 §5.4')
  const size = reader.u8('Value-Size')
  if (size === 0) reader.fail('empty Value')
  return reader.take(size, 'Value')
}

const encodeValue = (value: Uint8Array, name: string): Uint8Array =>
  concat(Uint8Array.of(value.length), value, utf8(name))

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
