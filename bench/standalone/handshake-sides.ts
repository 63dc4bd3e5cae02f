/**
 * What does a handshake cost the side that answers, and the side that asks? CPU time of IKE_SA_INIT, IKE_INTERMEDIATE where the suite has it, and
 * IKE_AUTH with a pre-shared key, each side by itself: both sides stand in one process, and each call of one of them is timed. Garbage collection
 * and compiling in other threads count. Prints the median and the least of all rounds; what else the machine does can only add to a round.
 *
 *   npx esbuild bench/standalone/handshake-sides.ts --bundle --platform=node --format=esm --outfile=node_modules/.cache/handshake-sides.mjs
 *   node node_modules/.cache/handshake-sides.mjs [rounds, default 60]
 */
import { cpus } from 'node:os'
import { pskConnection } from '../../src/config/connection.ts'
import { nobleProvider } from '../../src/crypto/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import type { CryptoProvider } from '../../src/crypto/provider.ts'
import { type IkeAction, IkeEndpoint } from '../../src/ike/index.ts'
import { parseIp } from '../../src/ip/index.ts'
import { Xfrm } from '../../src/xfrm/index.ts'

const suites = [
  'aes128gcm16-prfsha256-x25519',
  'aes128gcm16-prfsha256-ecp256',
  'aes256gcm16-prfsha384-ecp384',
  'aes256-sha256-modp2048',
  'aes256gcm16-prfsha384-x25519-ke1_mlkem768',
]
const addresses = ['192.0.2.1', '192.0.2.2'] as const
const nets = ['10.1.0.0/16', '10.2.0.0/16'] as const
const rounds = Number(process.argv[2] ?? 60)
const perRound = 20

let pool = new Uint8Array(0)
let poolAt = 0
/** Octets fetched many at a time: else the system call would be most of the cost of a nonce. */
function random(length: number): Uint8Array {
  if (poolAt + length > pool.length) {
    pool = crypto.getRandomValues(new Uint8Array(65536))
    poolAt = 0
  }
  poolAt += length
  return pool.slice(poolAt - length, poolAt)
}

interface Side {
  readonly ike: IkeEndpoint
  /** CPU microseconds of this round. */
  spent: number
}

console.log(`Node ${process.version}, ${cpus()[0]!.model}, ${rounds} rounds of ${perRound} handshakes\n`)
console.log('| suite, provider | responder µs, median (least) | initiator µs, median (least) |\n| --- | ---: | ---: |')
for (const suite of suites) {
  for (const provider of [nodeProvider, nobleProvider]) measureSides(suite, provider)
}

function measureSides(suite: string, provider: CryptoProvider): void {
  const [left, right] = [makeSide(suite, provider, 0), makeSide(suite, provider, 1)]
  const isSlow = provider === nobleProvider
  for (let i = 0; i < (isSlow ? 20 : 400); i++) handshake(left, right)
  const figures: [number, number][] = []
  for (let round = 0; round < (isSlow ? rounds / 6 : rounds); round++) {
    left.spent = 0
    right.spent = 0
    for (let i = 0; i < perRound; i++) handshake(left, right)
    figures.push([right.spent, left.spent])
  }
  const cells = [0, 1].map((side) => {
    const sorted = figures.map((pair) => pair[side]! / perRound).sort((a, b) => a - b)
    return `${sorted[sorted.length >> 1]!.toFixed(0)} (${sorted[0]!.toFixed(0)})`
  })
  console.log(`| ${suite} ${provider.name} | ${cells.join(' | ')} |`)
}

/** Both SAs, then their end, which is not timed. */
function handshake(left: Side, right: Side): void {
  carry(
    timed(left, () => left.ike.initiate('office', 0, { localAddress: parseIp(addresses[0]) })),
    left,
    right,
  )
  const [sa] = left.ike.status()
  if (sa?.state !== 'established' || sa.children.length !== 1) throw new Error('no handshake')
  const before = [left.spent, right.spent] as const
  carry(left.ike.deleteIke(sa.sa.id, 0), left, right)
  if (!left.ike.isIdle() || !right.ike.isIdle()) throw new Error('not deleted')
  left.spent = before[0]
  right.spent = before[1]
}

function timed<T>(side: Side, body: () => T): T {
  const begin = process.cpuUsage()
  const result = body()
  const { user, system } = process.cpuUsage(begin)
  side.spent += user + system
  return result
}

function carry(actions: readonly IkeAction[], from: Side, to: Side): void {
  for (const action of actions) {
    if (action.type !== 'send') continue
    const datagram = { local: action.remote, remote: action.local, message: action.message.slice() }
    carry(
      timed(to, () => to.ike.handleDatagram(datagram, 0)),
      to,
      from,
    )
  }
}

function makeSide(suite: string, provider: CryptoProvider, side: 0 | 1): Side {
  const other = side === 0 ? 1 : 0
  const ignore = () => {}
  const listener = { acquire: ignore, expire: ignore, mapping: ignore }
  const connection = pskConnection({
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
  const xfrm = new Xfrm({ crypto: provider, random, clock: () => 0, listener })
  return { ike: new IkeEndpoint({ crypto: provider, random, xfrm, connections: [connection] }), spent: 0 }
}
