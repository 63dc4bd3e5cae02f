import { readFileSync } from 'node:fs'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import {
  createPair,
  type FlowReport,
  type PairOptions,
  simulationProvider,
  type TrafficOptions,
  VirtualTraffic,
} from '../../src/testing/index.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export interface LongRun {
  readonly days: number
  readonly options?: PairOptions
  readonly traffic?: TrafficOptions
  /** The NAT in front of `a` forgets its mappings so often. */
  readonly rebindEveryMs?: number
}

export interface LongRunReport {
  readonly aToB: FlowReport
  readonly bToA: FlowReport
  /** How often each event was told, of both sides. */
  readonly events: ReadonlyMap<string, number>
  /** IKE_SAs that came up on `a`, and CHILD_SAs. */
  readonly ikeSas: number
  readonly childSas: number
  /** Octets of heap in use at the end of each day, after a collection. */
  readonly heap: readonly number[]
  /** SAs of both sides at the end, as `status` tells them. */
  readonly end: readonly { readonly ikeSas: number; readonly children: number; readonly states: number }[]
  readonly config: ConnectionConfig
}

/** Two gateways with traffic both ways for days of the virtual clock; toy cryptography, nothing remembered. */
export function runLong({ days, options = {}, traffic: packets = {}, rebindEveryMs }: LongRun): LongRunReport {
  const { network, ...rest } = options
  const pair = createPair({ crypto: simulationProvider, remember: 0, ...rest })
  const { a, b, clock, nat, connect } = pair
  const events = new Map<string, number>()
  for (const peer of [a, b]) {
    peer.onEvent(({ kind }) => events.set(kind, (events.get(kind) ?? 0) + 1))
  }
  let childSas = 0
  let ikeSas = 0
  a.onEvent(({ kind }) => {
    if (kind === 'child-established' || kind === 'child-rekeyed') childSas++
    if (kind === 'ike-established' || kind === 'ike-rekeyed') ikeSas++
  })
  connect()
  pair.network.configure(network ?? {})
  const stop = rebindEveryMs === undefined ? undefined : nat?.rebindEvery(rebindEveryMs)
  const traffic = new VirtualTraffic(a, b, packets)
  traffic.start()
  const heap: number[] = []
  for (let day = 0; day < days; day++) {
    clock.advance(DAY)
    heap.push(heapInUse())
  }
  traffic.stop()
  stop?.()
  // What is under way comes to its end.
  clock.advance(10_000)
  const end = [a, b].map((gateway) => ({
    ikeSas: gateway.status().length,
    children: gateway.status().flatMap(({ children }) => children).length,
    states: [...gateway.databases.states()].length,
  }))
  const config = a.options.connections[0]!
  return { ...traffic.report(), events, ikeSas, childSas, heap, end, config }
}

/** What both flows have to be: every packet arrived once, or the network dropped it. */
export function lossesOfVpn({ aToB, bToA }: LongRunReport): unknown[] {
  const wrong = ({ lostByVpn, duplicated, waiting }: FlowReport) => lostByVpn + duplicated + waiting > 0
  return [aToB, bToA].filter(wrong).map(({ lostByVpn, duplicated, waiting, vpnLosses }) => ({
    lostByVpn,
    duplicated,
    waiting,
    first: vpnLosses.slice(0, 5),
  }))
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Octets of heap in use after a collection. */
export function heapInUse(): number {
  collect()
  return getHeapStatistics().used_heap_size
}

/** Ms that this thread has run, where the system tells (Linux): other work on the machine does not count. Else of any clock. */
export function cpuMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
  } catch {
    return performance.now()
  }
}
