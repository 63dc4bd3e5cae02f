import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pskConnection } from '../src/config/connection.ts'
import { nodeProvider } from '../src/crypto/node.ts'
import type { CryptoProvider } from '../src/crypto/provider.ts'
import { type ConnectionConfig, type IkeAction, IkeEndpoint } from '../src/ike/index.ts'
import { parseIp } from '../src/ip/index.ts'
import { simulationProvider } from '../src/testing/index.ts'
import { Xfrm, type XfrmPort } from '../src/xfrm/index.ts'
import type { Report } from './harness.ts'

/** Clients come one after the other, and all are idle for twenty minutes at the end: what is kept for late messages is gone then. */
const BETWEEN_MS = 50
const IDLE_MS = 1_200_000
const WARM_UP = 500

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
const gateway = '192.0.2.1'
const addressOf = (i: number) => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`
const ignore = () => {}

type Side = 'responder' | 'initiator'
type Databases = 'none' | 'xfrm'

/**
 * What one endpoint holds for each established, idle IKE_SA with one CHILD_SA. `--sas=100000` gives the first row another number of them than
 * 10,000: its handshakes cost least, with a provider that only plays at cryptography.
 */
export const report: Report = {
  question:
    'How much memory does an idle IKE_SA with one CHILD_SA take, in the IKE core alone and with the databases of its packets?',
  run({ quick, numberOf }) {
    const sas = numberOf('sas') ?? (quick ? 2000 : 10_000)
    return [
      ['what', 'IKE_SAs', 'KiB each', 'of it outside of the heap', 'resident KiB each'],
      measure('responder, core alone', 'responder', 'none', simulationProvider, sas),
      measure('responder, core and databases', 'responder', 'xfrm', nodeProvider, Math.min(sas, 10_000)),
      measure('initiator, core alone', 'initiator', 'none', simulationProvider, Math.min(sas, 10_000)),
      measure('initiator, core and databases', 'initiator', 'xfrm', nodeProvider, Math.min(sas, 10_000)),
    ]
  },
}

function measure(name: string, side: Side, databases: Databases, provider: CryptoProvider, sas: number): string[] {
  const clients = Array.from({ length: side === 'initiator' ? sas + WARM_UP : 0 }, (_, i) => connectionOf(i))
  const measured = endpoint(provider, databases, side === 'responder' ? [serverConnection()] : clients)
  setUp(measured, side, provider, 0, WARM_UP)
  const before = memory()
  setUp(measured, side, provider, WARM_UP, WARM_UP + sas)
  measured.handleTimeouts((WARM_UP + sas) * BETWEEN_MS + IDLE_MS)
  const after = memory()
  if (measured.status().length !== sas + WARM_UP) throw new Error('an IKE_SA is missing')
  const kibEach = (octets: number) => (octets / sas / 1024).toFixed(2)
  const outside = after.outside - before.outside
  const all = after.heap - before.heap + outside
  return [name, String(sas), kibEach(all), kibEach(outside), kibEach(after.resident - before.resident)]
}

function memory(): { readonly heap: number; readonly outside: number; readonly resident: number } {
  for (let i = 0; i < 4; i++) collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, outside: external, resident: rss }
}

/** Handshakes of the endpoint with peers that are forgotten afterwards. */
function setUp(measured: IkeEndpoint, side: Side, provider: CryptoProvider, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const localAddress = parseIp(addressOf(i))
    const now = i * BETWEEN_MS
    if (side === 'initiator') {
      const server = endpoint(provider, 'none', [serverConnection()])
      carry(measured.initiate(`client${i}`, now, { localAddress }), measured, server, now)
    } else {
      const client = endpoint(provider, 'none', [connectionOf(i)])
      carry(client.initiate(`client${i}`, now, { localAddress }), client, measured, now)
    }
  }
}

function carry(actions: readonly IkeAction[], from: IkeEndpoint, to: IkeEndpoint, now: number): void {
  for (const action of actions) {
    if (action.type !== 'send') continue
    const datagram = { local: action.remote, remote: action.local, message: action.message.slice() }
    carry(to.handleDatagram(datagram, now), to, from, now)
  }
}

function endpoint(provider: CryptoProvider, databases: Databases, connections: ConnectionConfig[]): IkeEndpoint {
  const listener = { acquire: ignore, expire: ignore, mapping: ignore }
  const xfrm = databases === 'none' ? noDatabases : new Xfrm({ crypto: provider, random, clock: () => 0, listener })
  return new IkeEndpoint({ crypto: provider, random, xfrm, connections })
}

/** Keeps nothing. */
const noDatabases: XfrmPort = {
  allocSpi: ignore,
  newSa: ignore,
  updSa: ignore,
  delSa: ignore,
  skipSequence: ignore,
  newPolicy: ignore,
  updPolicy: ignore,
  delPolicy: ignore,
}

/** Liveness checks have their timer, and are not due while we measure. */
const common = { psk: 'correct horse battery staple', livenessDelayMs: 100 * IDLE_MS }

function serverConnection(): ConnectionConfig {
  return pskConnection({
    ...common,
    name: 'gateway',
    localAddress: gateway,
    localId: 'gateway.example.org',
    remoteId: '%any',
    children: [{ name: 'net', localTs: ['192.168.0.0/16'], remoteTs: ['0.0.0.0/0'] }],
  })
}

function connectionOf(i: number): ConnectionConfig {
  return pskConnection({
    ...common,
    name: `client${i}`,
    localAddress: addressOf(i),
    remoteAddress: gateway,
    localId: `client${i}.example.org`,
    remoteId: 'gateway.example.org',
    children: [{ name: 'net', localTs: [`${addressOf(i)}/32`], remoteTs: ['192.168.0.0/16'] }],
  })
}
