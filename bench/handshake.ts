import { pskConnection } from '../src/config/connection.ts'
import { nobleProvider } from '../src/crypto/index.ts'
import { nodeProvider } from '../src/crypto/node.ts'
import type { CryptoProvider } from '../src/crypto/provider.ts'
import { type ConnectionConfig, type IkeAction, IkeEndpoint } from '../src/ike/index.ts'
import { parseIp } from '../src/ip/index.ts'
import { Xfrm } from '../src/xfrm/index.ts'
import type { Bench, Variant } from './harness.ts'

const suites = [
  'aes128gcm16-prfsha256-ecp256',
  'aes256gcm16-prfsha384-ecp384',
  'chacha20poly1305-prfsha512-x25519',
  'aes256-sha256-modp2048',
]

export const bench: Bench = {
  question: 'How many IKE_SAs with a CHILD_SA do two endpoints in one thread set up and delete, both sides together?',
  unit: 'handshakes',
  variants: () =>
    suites.flatMap((suite) => [nodeProvider, nobleProvider].map((provider) => handshake(suite, provider))),
}

const addresses = ['192.0.2.1', '192.0.2.2'] as const
const nets = ['10.1.0.0/16', '10.2.0.0/16'] as const
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
const ignore = () => {}

function handshake(suite: string, provider: CryptoProvider): Variant {
  const left = makePeer(suite, provider, 0)
  const right = makePeer(suite, provider, 1)
  return {
    name: `${suite} ${provider.name}`,
    run(n) {
      for (let i = 0; i < n; i++) {
        carry(left.initiate('office', 0, { localAddress: parseIp(addresses[0]) }), left, right)
        const [sa] = left.status()
        if (sa?.state !== 'established' || sa.children.length !== 1) throw new Error('no handshake')
        carry(left.deleteIke(sa.sa.id, 0), left, right)
        if (!left.isIdle() || !right.isIdle()) throw new Error('not deleted')
      }
    },
  }
}

function carry(actions: readonly IkeAction[], from: IkeEndpoint, to: IkeEndpoint): void {
  for (const action of actions) {
    if (action.type !== 'send') continue
    carry(
      to.handleDatagram({ local: action.remote, remote: action.local, message: action.message.slice() }, 0),
      to,
      from,
    )
  }
}

function makePeer(suite: string, provider: CryptoProvider, side: 0 | 1): IkeEndpoint {
  const listener = { acquire: ignore, expire: ignore, mapping: ignore }
  const xfrm = new Xfrm({ crypto: provider, random, clock: () => 0, listener })
  return new IkeEndpoint({ crypto: provider, random, xfrm, connections: [connection(suite, side)] })
}

function connection(suite: string, side: 0 | 1): ConnectionConfig {
  const other = side === 0 ? 1 : 0
  return pskConnection({
    name: 'office',
    psk: 'correct horse battery staple',
    localAddress: addresses[side],
    remoteAddress: addresses[other],
    localId: `peer${side}.example.org`,
    remoteId: `peer${other}.example.org`,
    proposals: [suite],
    children: [{ name: 'net', localTs: [nets[side]], remoteTs: [nets[other]], espProposals: ['aes128gcm16'] }],
    livenessDelayMs: 0,
    keepaliveMs: 0,
  })
}
