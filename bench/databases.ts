import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Encr } from '../src/crypto/transforms.ts'
import { newPacketFlow, parseIp, rangeOfPrefix } from '../src/ip/index.ts'
import { simulationProvider } from '../src/testing/index.ts'
import { PolicyDirection, Sad, Spd, unlimited, Xfrm, type XfrmPolicyConfig, XfrmState } from '../src/xfrm/index.ts'
import type { Report } from './harness.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
const any = { first: 0, last: 65535 }
const everywhere = rangeOfPrefix(parseIp('0.0.0.0'), 0)
/** More than the flow cache holds, so that each is a miss. */
const FLOWS = 1 << 15

/** What a look-up costs as the databases grow, and what a pair of states takes. */
export const report: Report = {
  question: 'How much longer does a look-up take in large databases, and how much memory does a pair of states take?',
  run({ quick }) {
    const policies = [10, 1000, 10_000]
    const sizes = quick ? [1, 1000, 100_000] : [1, 1000, 100_000, 1_000_000]
    return [
      ['what', 'entries', 'per look-up or pair', 'to the first'],
      ...rowsOf('inbound state by SPI and address, ns', sizes, stateLookup),
      ...rowsOf('policy of a client (/32), ns', policies, (n) => policyLookup(n, client, () => 1)),
      ...rowsOf('policy of prefixes 8 to 32, narrow before wide, ns', policies, (n) =>
        policyLookup(n, prefix, narrowFirst),
      ),
      ...rowsOf('policy of prefixes 8 to 32, in no order, ns', policies, (n) => policyLookup(n, prefix, (i) => i % 7)),
      ['pair of states, ciphers that only play, octets', '10000', memoryOfPair(10_000).toFixed(0), ''],
    ]
  },
}

function rowsOf(what: string, sizes: readonly number[], cost: (entries: number) => number): string[][] {
  const costs = sizes.map((entries) => cost(entries))
  return sizes.map((entries, at) => [what, String(entries), costs[at]!.toFixed(1), (costs[at]! / costs[0]!).toFixed(2)])
}

/** The fastest of several rounds, in ns for one. */
function timed(once: (i: number) => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 12; round++) {
    const from = process.hrtime.bigint()
    for (let i = 0; i < FLOWS; i++) once(i)
    best = Math.min(best, Number(process.hrtime.bigint() - from) / FLOWS)
  }
  return best
}

function stateLookup(entries: number): number {
  const sad = new Sad(() => 0x1234567)
  const local = parseIp('192.0.2.1')
  const saddr = parseIp('198.51.100.1')
  const spis = new Uint32Array(FLOWS)
  for (let i = 0; i < entries; i++) {
    // All numbers once, in no order.
    const spi = (Math.imul(i, 0x9e3779b1) >>> 0) + 256
    sad.add(XfrmState.larval({ spi: spi >>> 0, proto: 50, saddr, daddr: local, reqid: i }, 0))
    if (i < FLOWS) spis[i] = spi
  }
  for (let i = entries; i < FLOWS; i++) spis[i] = spis[i % entries]!
  let found = 0
  const ns = timed((i) => {
    if (sad.findInbound(spis[i]!, local) !== undefined) found++
  })
  if (found !== 12 * FLOWS) throw new Error('a state is missing')
  return ns
}

const client = (i: number) => rangeOfPrefix(Uint8Array.of(10, i >>> 16, i >>> 8, i), 32)
const prefix = (i: number) => {
  const address = Math.imul(i, 0x9e3779b1)
  return rangeOfPrefix(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address), 8 + (i % 25))
}

/** As IKE installs them. */
const narrowFirst = (i: number) => 32 - (i % 25)

/** Flows that are not in the cache. */
function policyLookup(
  entries: number,
  destinationOf: (i: number) => ReturnType<typeof client>,
  priorityOf: (i: number) => number,
): number {
  const spd = new Spd()
  for (let i = 0; i < entries; i++) {
    const destination = destinationOf(i)
    const selector = { source: everywhere, destination, protocol: 0, sourcePort: any, destinationPort: any }
    const policy: XfrmPolicyConfig = {
      index: i,
      direction: 'out',
      selector,
      action: 'allow',
      priority: priorityOf(i),
      templates: [],
      label: '',
    }
    spd.add(policy)
  }
  const flow = Object.assign(newPacketFlow(), { family: 4, addressBytes: 4, protocol: 17, portsKnown: true })
  flow.source.set([192, 168, 0, 1])
  let found = 0
  const ns = timed((i) => {
    const { start } = spd.byIndex(i % entries)!.selector.destination
    for (let at = 0; at < 4; at++) flow.destination[at] = start[at]!
    flow.sourcePort = i & 0xffff
    if (spd.lookup(PolicyDirection.OUT, flow) !== undefined) found++
  })
  if (found !== 12 * FLOWS) throw new Error('a policy is missing')
  return ns
}

function memoryOfPair(pairs: number): number {
  const listener = { acquire: () => {}, expire: () => {}, mapping: () => {} }
  const xfrm = new Xfrm({ crypto: simulationProvider, random, listener, clock: () => 0 })
  const install = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      const [local, remote] = [parseIp('192.0.2.1'), Uint8Array.of(10, i >>> 16, i >>> 8, i)]
      const common = {
        proto: 50,
        reqid: i + 1,
        mode: 'tunnel' as const,
        esn: true,
        replayWindow: 1024,
        label: 'net',
        spi: 1000 + i,
      }
      const encr = { id: Encr.ENCR_AES_GCM_16, key: random(32), salt: random(4) }
      const rest = {
        ...common,
        encr,
        lifetime: { ...unlimited, softMs: 3_600_000 },
        encap: { sport: 4500, dport: 4500 },
      }
      xfrm.newSa({ ...rest, direction: 'in', saddr: remote, daddr: local })
      xfrm.newSa({ ...rest, direction: 'out', saddr: local, daddr: remote })
    }
  }
  const memory = () => {
    for (let i = 0; i < 4; i++) collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  install(0, 100)
  const before = memory()
  install(100, 100 + pairs)
  const each = (memory() - before) / pairs
  if ([...xfrm.states()].length !== 2 * (100 + pairs)) throw new Error('a state is missing')
  return each
}
