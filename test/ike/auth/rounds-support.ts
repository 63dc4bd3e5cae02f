import type { ConnectionConfig, LocalAuth, RemoteAuth } from '../../../src/ike/config.ts'
import { parseIdentity } from '../../../src/ike/index.ts'
import {
  type AuthPair,
  attempt,
  eapOnly,
  eapServer,
  eapUser,
  nobody,
  psk,
  type Side,
  signs,
  trusts,
} from './answering.ts'

/** The rounds of one end: how it proves itself, and how the other end checks that. */
export type Ways = readonly [LocalAuth, RemoteAuth][]

/** One side of a pair in which each end proves itself by these, one after the other. */
export function side(own: readonly LocalAuth[], peers: readonly RemoteAuth[]): Side {
  return {
    local: own[0]!,
    remote: peers[0]!,
    change: (connection: ConnectionConfig) => ({
      ...connection,
      local: { ...connection.local, further: own.slice(1).map((auth, i) => ({ id: parseIdentity(`user${i}`), auth })) },
      remote: {
        ...connection.remote,
        further: peers.slice(1).map((auth, i) => ({ id: parseIdentity(`user${i}`), auth })),
      },
    }),
  }
}

/** A pair that has tried; `change` is for the connections of both. */
export function both(initiator: Ways, responder: Ways, change: Changes = {}): AuthPair {
  const a = side(
    initiator.map(([local]) => local),
    responder.map(([, remote]) => remote),
  )
  const b = side(
    responder.map(([local]) => local),
    initiator.map(([, remote]) => remote),
  )
  return attempt(changed(a, change.a), changed(b, change.b))
}

export const shared: Ways[number] = [psk, psk]
export const alice: Ways[number] = [signs('alice'), trusts('alice')]
export const bob: Ways[number] = [signs('bob'), trusts('bob')]
export const carol: Ways[number] = [signs('carol'), trusts('carol')]
export const eap: Ways[number] = [eapUser('u:p'), eapServer('u:p')]
export const keyless: Ways[number] = [eapUser('v:q keyless'), eapServer('v:q keyless')]
export const none: Ways[number] = [nobody, nobody]
export const byEap: Ways[number] = [eapOnly, eapOnly]

export interface Changes {
  readonly a?: Partial<ConnectionConfig>
  readonly b?: Partial<ConnectionConfig>
}

const changed = (plain: Side, change: Partial<ConnectionConfig> = {}): Side => ({
  ...plain,
  change: (connection) => ({ ...(plain.change?.(connection) ?? connection), ...change }),
})
