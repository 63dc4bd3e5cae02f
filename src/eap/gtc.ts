import { equalConstantTime } from '../bytes/index.ts'
import { andThen } from './maybe-promise.ts'
import type { EapMethod, EapPeerExchange, EapPeerWorld, EapServerExchange, EapServerWorld } from './method.ts'

/**
 * Generic Token Card: the server's text, and the password as it is. Only for the inside of a tunnel, and for tests: whoever
 * claims to be the server gets the password. RFC 3748 §5.6.
 */
export const gtc: EapMethod = { type: 6, name: 'gtc', beginServer: server, beginPeer: peer }

function server({ identity, credentials }: EapServerWorld): EapServerExchange {
  return {
    start: () => ({ kind: 'request', data: utf8('Password: ') }),
    next(data) {
      const given = data.slice()
      return andThen(credentials.password?.(identity), (password) => {
        if (password === undefined) return { kind: 'failure', message: `no user ${identity} is known` }
        if (!equalConstantTime(given, utf8(password))) {
          return { kind: 'failure', message: `wrong password of ${identity}` }
        }
        return { kind: 'success', msk: undefined, mutual: false }
      })
    },
    destroy() {},
  }
}

function peer({ credentials }: EapPeerWorld): EapPeerExchange {
  let done = false
  return {
    next() {
      const { password } = credentials
      if (password === undefined) return { kind: 'failure', message: 'no password is set for EAP-GTC' }
      return andThen(password(), (secret) => {
        done = true
        return { kind: 'response', data: utf8(secret) }
      })
    },
    finish: () =>
      done
        ? { kind: 'success', msk: undefined, mutual: false }
        : { kind: 'failure', message: 'EAP Success before the request of EAP-GTC' },
    reason: () => 'the server refused our user name or password (EAP-GTC)',
    destroy() {},
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
