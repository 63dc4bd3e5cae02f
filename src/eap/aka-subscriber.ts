import { concat, equalConstantTime } from '../bytes/index.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { AkaAnswer, AkaVector, EapPeerCredentials, EapServerCredentials } from './method.ts'
import { type MilenageKey, milenage, xor } from './milenage.ts'

/** One subscriber at either end: the key, and the highest sequence number (48 bits) that was used. Programs may keep it. */
export interface AkaSubscriber extends MilenageKey {
  sqn: number
  /** Authentication management field of its vectors, 2 octets. Undefined: the separation bit alone (80 00). */
  readonly amf?: Uint8Array
}

/**
 * A USIM in software: answers by Milenage, takes only sequence numbers above `subscriber.sqn`, and keeps the highest there. 3GPP TS 33.102
 * §6.3.3, annex C.2.
 */
export function softwareUsim(crypto: CryptoProvider, subscriber: AkaSubscriber): EapPeerCredentials {
  return {
    akaAnswer(rand, autn): AkaAnswer {
      const { ak } = milenage(crypto, subscriber, rand, sqnOctets(0), noAmf)
      const sqn = xor(autn.subarray(0, 6), ak)
      const { macA, res, ck, ik } = milenage(crypto, subscriber, rand, sqn, autn.subarray(6, 8))
      if (!equalConstantTime(macA, autn.subarray(8, 16))) return { kind: 'authentication-reject' }
      const number = sqnNumber(sqn)
      if (number <= subscriber.sqn) {
        return { kind: 'synchronisation-failure', auts: akaAuts(crypto, subscriber, rand) }
      }
      subscriber.sqn = number
      return { kind: 'ok', res, ck, ik }
    },
  }
}

/** AUTS, 14 octets: the USIM's sequence number, concealed, and MAC-S. 3GPP TS 33.102 §6.3.3. */
function akaAuts(crypto: CryptoProvider, subscriber: AkaSubscriber, rand: Uint8Array): Uint8Array {
  const sqn = sqnOctets(subscriber.sqn)
  const { macS, akStar } = milenage(crypto, subscriber, rand, sqn, noAmf)
  return concat(xor(sqn, akStar), macS)
}

/**
 * An authentication centre in software for test benches: vectors by Milenage for the subscribers of a map by identity (`0` and IMSI, with
 * or without a realm). Steps `sqn` on, and sets it back to the USIM's by AUTS. 3GPP TS 33.102 §6.3.2, §6.3.5.
 */
export function softwareAuc(
  crypto: CryptoProvider,
  random: RandomSource,
  subscribers: ReadonlyMap<string, AkaSubscriber>,
): EapServerCredentials {
  return {
    akaVector({ identity, resync }): AkaVector | undefined {
      const subscriber = subscribers.get(identity)
      if (subscriber === undefined) return undefined
      if (resync !== undefined && !resynchronise(crypto, subscriber, resync)) return undefined
      // The low five bits are the index of annex C.1.1.1: one vector after another has the same.
      subscriber.sqn += 32
      const sqn = sqnOctets(subscriber.sqn)
      const rand = random(16, 'nonce')
      const { amf = separationAmf } = subscriber
      const { macA, res, ck, ik, ak } = milenage(crypto, subscriber, rand, sqn, amf)
      return { rand, autn: concat(xor(sqn, ak), amf, macA), xres: res, ck, ik }
    },
  }
}

/** False when AUTS is not of this subscriber. */
function resynchronise(
  crypto: CryptoProvider,
  subscriber: AkaSubscriber,
  { rand, auts }: { readonly rand: Uint8Array; readonly auts: Uint8Array },
): boolean {
  const { akStar } = milenage(crypto, subscriber, rand, sqnOctets(0), noAmf)
  const sqn = xor(auts.subarray(0, 6), akStar)
  const { macS } = milenage(crypto, subscriber, rand, sqn, noAmf)
  if (!equalConstantTime(macS, auts.subarray(6, 14))) return false
  subscriber.sqn = sqnNumber(sqn)
  return true
}

const noAmf = new Uint8Array(2)
/** The separation bit is set, which EAP-AKA' asks for. 3GPP TS 33.102 annex H. */
const separationAmf = Uint8Array.of(0x80, 0)

const sqnNumber = (octets: Uint8Array): number => octets.reduce((number, octet) => number * 256 + octet, 0)

function sqnOctets(number: number): Uint8Array {
  const octets = new Uint8Array(6)
  for (let at = 5, left = number; at >= 0; at--, left = Math.floor(left / 256)) octets[at] = left % 256
  return octets
}
