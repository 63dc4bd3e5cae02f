import { AkaPeer } from './aka-peer.ts'
import { AkaServer } from './aka-server.ts'
import type { EapMethod } from './method.ts'

export interface AkaOptions {
  /** As server: success is told under the keys, beside EAP Success. A peer does it when it is asked. RFC 4187 §6.2. */
  readonly resultIndications?: boolean
  /** As server: the identity is asked for inside the method, so that AT_CHECKCODE covers it. RFC 4187 §4.1. */
  readonly requestIdentity?: boolean
  /**
   * EAP-AKA': name of the access network. As peer undefined takes any; a name matches itself and what begins with it and a colon. As
   * server undefined is `WLAN`, also for an ePDG (3GPP TS 24.302 §8.1.1). RFC 9048 §3.1.
   */
  readonly networkName?: string
}

/** Authentication and key agreement with a USIM. RFC 4187. */
export const newAka = (options: AkaOptions = {}): EapMethod => ({
  type: 23,
  name: 'aka',
  beginServer: (world) => new AkaServer({ type: 23, hash: 'sha1' }, options, world),
  beginPeer: (world) => new AkaPeer({ type: 23, hash: 'sha1' }, options, world),
})

/** The same with keys that are bound to the network's name, and SHA-256. RFC 9048. */
export const newAkaPrime = (options: AkaOptions = {}): EapMethod => ({
  type: 50,
  name: 'aka-prime',
  beginServer: (world) => new AkaServer({ type: 50, hash: 'sha256' }, options, world),
  beginPeer: (world) => new AkaPeer({ type: 50, hash: 'sha256' }, options, world),
})

export const aka: EapMethod = newAka()
export const akaPrime: EapMethod = newAkaPrime()
