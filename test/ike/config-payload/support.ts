import { type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { AddressPools, answerAssign, type PoolConfig, parsePoolRange } from '../../../src/credentials/pool.ts'
import type { ConnectionConfig } from '../../../src/ike/config.ts'
import type { IkeEndpointOptions } from '../../../src/ike/ike-endpoint.ts'
import type { Answer, Question } from '../../../src/ike/questions.ts'
import { formatIp, type IpAddress, parseIp } from '../../../src/ip/address.ts'
import { parseRange } from '../../../src/ip/prefix.ts'
import { VirtualGateway } from '../../../src/testing/virtual-gateway.ts'
import { VirtualClock, VirtualNetwork } from '../../../src/testing/virtual-network.ts'

export const serverAddress = '198.51.100.2'

/** Names `rw`, IPv4 and IPv6. */
export const pool: PoolConfig = {
  name: 'rw',
  ranges: ['10.3.0.1-10.3.0.9', 'fd00:3::/64'].map(parsePoolRange),
  dns: [parseIp('10.1.0.53')],
  subnets: [parseRange('10.1.0.0/16')],
  domains: ['corp.example'],
}

const common = { psk: 'secret', encap: 'auto', proposals: ['aes128gcm16-prfsha256-x25519'] } as const

const serverSettings: PskConnection = {
  ...common,
  name: 'rw',
  localAddress: serverAddress,
  localId: 'gate.example',
  remoteId: '%any',
  encap: 'force',
  pools: ['rw'],
  children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['dynamic'] }],
}

/** A client's connection `gate`; the name is its identity. */
export const clientSettings = (name: string): PskConnection => ({
  ...common,
  name: 'gate',
  remoteAddress: serverAddress,
  localId: name,
  remoteId: 'gate.example',
  encap: 'force',
  virtualIps: ['0.0.0.0'],
  children: [{ name: 'net', localTs: ['dynamic'], remoteTs: ['10.1.0.0/16'] }],
})

export interface Office {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly server: VirtualGateway
  readonly pools: AddressPools
  readonly questions: Question[]
  /** A client at 192.0.2.`at`, not yet connected. */
  client(name: string, at: number, changes?: Partial<PskConnection>): VirtualGateway
}

/** A gateway with a pool, for road warriors. */
export function office(
  changes: {
    server?: Partial<PskConnection>
    pool?: Partial<PoolConfig>
    /** Default: from the pool. */
    answers?: (question: Question) => Answer | Promise<Answer> | undefined
    asks?: IkeEndpointOptions['asks']
    applicationVersion?: string
    adjustClient?: (connection: ConnectionConfig) => ConnectionConfig
  } = {},
): Office {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const pools = new AddressPools([{ ...pool, ...changes.pool }])
  const questions: Question[] = []
  const fromPool = (question: Question) => (question.kind === 'assign' ? answerAssign(pools, question) : undefined)
  const server = new VirtualGateway(network, {
    address: serverAddress,
    connections: [pskConnection({ ...serverSettings, ...changes.server })],
    answers(question) {
      questions.push(question)
      return (changes.answers ?? fromPool)(question)
    },
    ...(changes.asks === undefined ? {} : { asks: changes.asks }),
    ...(changes.applicationVersion === undefined ? {} : { applicationVersion: changes.applicationVersion }),
  })
  server.onEvent((event) => {
    if (event.kind === 'ike-closed') pools.release(event.addresses ?? [])
  })
  const adjust = changes.adjustClient ?? ((connection) => connection)
  const client = (name: string, at: number, settings: Partial<PskConnection> = {}) =>
    new VirtualGateway(network, {
      address: `192.0.2.${at}`,
      connections: [adjust(pskConnection({ ...clientSettings(name), ...settings }))],
    })
  return { clock, network, server, pools, questions, client }
}

/** Lets the client connect, and gives it some time. */
export function dial(client: VirtualGateway, clock: VirtualClock): void {
  client.initiate('gate')
  clock.advance(1000)
}

export const texts = (addresses: readonly IpAddress[] = []): string[] => addresses.map(formatIp)
