import { nobleProvider } from '../../src/crypto/noble.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import {
  type EapMethod,
  type EapPeerOptions,
  type EapPeerResult,
  EapPeerSession,
  type EapServerOptions,
  type EapServerResult,
  EapServerSession,
  type EapWorld,
} from '../../src/eap/index.ts'

export const providers: readonly [string, CryptoProvider][] = [
  ['noble', nobleProvider],
  ['node', nodeProvider],
]

/** Randomness that is the same each time. */
export function worldWith(crypto: CryptoProvider = nodeProvider): EapWorld {
  let state = 1
  const random = (length: number) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state >>> 16
    })
  return { crypto, random, mtu: 1400 }
}

export interface Sides {
  readonly peer?: Partial<EapPeerOptions>
  readonly server?: Partial<EapServerOptions>
  readonly methods?: readonly EapMethod[]
  readonly crypto?: CryptoProvider
  /** Changes what is under way; undefined leaves it. */
  readonly meddle?: (packet: Uint8Array, by: 'server' | 'peer', round: number) => Uint8Array | undefined
}

export interface Outcome {
  readonly server: EapServerResult
  readonly peer: EapPeerResult
  readonly packets: readonly Uint8Array[]
}

/** Both sides until they are done. */
export async function converse({ peer = {}, server = {}, methods = [], crypto, meddle }: Sides): Promise<Outcome> {
  const world = worldWith(crypto)
  const theServer = new EapServerSession({ world, methods, credentials: {}, identity: undefined, ...server })
  const thePeer = new EapPeerSession({ world, methods, credentials: {}, identity: 'alice', ...peer })
  const packets: Uint8Array[] = []
  const carry = (packet: Uint8Array, by: 'server' | 'peer') => {
    const carried = meddle?.(packet, by, packets.length) ?? packet
    packets.push(carried)
    return carried
  }
  let asked = await theServer.begin()
  for (;;) {
    const answered = await thePeer.receive(carry(asked.packet, 'server'))
    if (asked.kind !== 'send' || answered.kind !== 'send') return { server: asked, peer: answered, packets }
    asked = await theServer.receive(carry(answered.packet, 'peer'))
  }
}
