import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { toHex } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { newPacketFlow, parseFlow } from '../../src/ip/index.ts'
import {
  OutVerdict,
  POLICY_OK,
  PolicyDirection,
  Xfrm,
  type XfrmCounterName,
  xfrmCounterNames,
} from '../../src/xfrm/index.ts'
import { Dice } from './dice.ts'
import type { OraclePart, OracleResult } from './part.ts'
import { batchOf, randomSet, type TriedFlow, type TriedSet } from './policy-sets.ts'

const namespace = `typeswan-oracle-${process.pid}`
const mostShown = 5

interface KernelAnswer {
  readonly said: string
  readonly answers: readonly {
    readonly moved: Readonly<Record<string, number>>
    readonly passed: boolean
    readonly acquires: readonly { readonly index: number; readonly daddr: string; readonly spi: number }[]
  }[]
}

/**
 * The kernel as judge of policies: random sets, loaded with `ip` into a network namespace and into ours; random packets go through
 * both: which pass, which are blocked and under which counter, which raise an acquire and of which policy. `--sets=N`, 100 without; `--seed=N`.
 */
export const policies: OraclePart = {
  name: 'policies',
  async run({ numberOf }) {
    const missing = whatIsMissing()
    if (missing !== undefined) return { passed: 0, failed: 0, skipped: missing }
    const seed = numberOf('seed') ?? Math.floor(Math.random() * 2 ** 31)
    const sets = Array.from({ length: numberOf('sets') ?? 100 }, (_, at) => randomSet(new Dice(seed + at)))
    console.log(`policies: seed ${seed}`)
    spawnSync('ip', ['netns', 'add', namespace])
    try {
      return await judge(sets, seed)
    } finally {
      spawnSync('ip', ['netns', 'delete', namespace])
    }
  },
}

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root'
  for (const [program, ...words] of [
    ['ip', 'xfrm', 'policy'],
    ['nft', '--version'],
    ['python3', '--version'],
    ['test', '-c', '/dev/net/tun'],
  ]) {
    if (spawnSync(program!, words).status !== 0) return `no ${[program, ...words].join(' ')}`
  }
  return undefined
}

async function judge(sets: readonly TriedSet[], seed: number): Promise<OracleResult> {
  const kernel = spawn('ip', ['netns', 'exec', namespace, 'python3', 'test/oracle/policy_kernel.py'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: kernel.stdout })[Symbol.asyncIterator]()
  let [passed, failed, flows] = [0, 0, 0]
  for (const [at, set] of sets.entries()) {
    const job = set.flows.map(({ packet, flush }) => ({ packet: toHex(packet), flush }))
    kernel.stdin.write(`${JSON.stringify({ batch: batchOf(set.steps), flows: job })}\n`)
    const line = await lines.next()
    if (line.done === true) throw new Error('the kernel side ended')
    const difference = compare(set, JSON.parse(line.value) as KernelAnswer)
    flows += set.flows.length
    if (difference === undefined) passed++
    else if (++failed <= mostShown) console.log(`not ok policies, seed ${seed + at}: ${difference}`)
  }
  kernel.stdin.end()
  console.log(`policies: ${sets.length} sets, ${flows} flows`)
  return { passed, failed }
}

/** What differs, undefined when nothing does. */
function compare(set: TriedSet, kernel: KernelAnswer): string | undefined {
  if (kernel.said !== '') return `ip said: ${kernel.said}\n${batchOf(set.steps)}`
  const ours = new Ours(set)
  for (const [at, flow] of set.flows.entries()) {
    const expected = verdictOf(flow, kernel.answers[at]!)
    const found = ours.verdictOf(flow)
    if (found !== expected) {
      return `flow ${at} (${toHex(flow.packet)}, mark ${flow.mark}): the kernel says ${expected}, we say ${found}\n${batchOf(set.steps)}`
    }
  }
  return undefined
}

/** One text for what became of a packet. */
function verdictOf({ isLocal }: TriedFlow, { moved, passed, acquires }: KernelAnswer['answers'][number]): string {
  const inbound = Object.keys(moved).filter((name) => name.startsWith('XfrmIn'))
  // What the machine answers itself is not what was asked.
  if (isLocal || inbound.length > 0) return inbound.join() || 'passes'
  const outbound = Object.keys(moved).join()
  const asked = acquires.map(({ index, daddr, spi }) => `${index} to ${daddr} spi ${spi}`).join()
  return `${outbound || (passed ? 'passes' : 'vanishes')}${asked === '' ? '' : `, acquires ${asked}`}`
}

class Ours {
  readonly #xfrm: Xfrm
  readonly #flow = newPacketFlow()
  #now = 0
  #asked: string[] = []

  constructor({ steps }: TriedSet) {
    const ignore = () => {}
    const listener = { acquire: ignore, expire: ignore, mapping: ignore }
    const random = (bytes: number) => new Uint8Array(bytes)
    this.#xfrm = new Xfrm({ crypto: nodeProvider, random, listener, clock: () => this.#now })
    this.#xfrm.monitor.listen((event) => {
      if (event.type !== 'acquire') return
      const daddr = toHex(event.larval.daddr).padEnd(32, '0')
      this.#asked.push(`${event.policy.kernelIndex} to ${daddr} spi ${event.larval.spi}`)
    })
    for (const { verb, policy } of steps) {
      if (verb === 'add') this.#xfrm.newPolicy(policy.config)
      else if (verb === 'update') this.#xfrm.updPolicy(policy.config)
      else this.#xfrm.delPolicy(policy.config.index)
    }
  }

  verdictOf({ packet, mark, isLocal, flush }: TriedFlow): string {
    const xfrm = this.#xfrm
    const flow = this.#flow
    if (flush) {
      this.#now += 100_000
      xfrm.expireDue(this.#now)
    }
    if (parseFlow(packet, 0, packet.length, flow) !== 0) return 'no packet'
    const direction = isLocal ? PolicyDirection.IN : PolicyDirection.FWD
    const refused = xfrm.checkInboundPath(direction, flow, [], 0, mark)
    if (refused !== POLICY_OK) return xfrmCounterNames[refused]!
    if (isLocal) return 'passes'
    this.#asked = []
    const verdict = xfrm.decide(flow, mark)
    xfrm.acquireMissing(flow, this.#now)
    const asked = this.#asked.join()
    return `${fates[verdict]}${asked === '' ? '' : `, acquires ${asked}`}`
  }
}

const fates: Readonly<Record<OutVerdict, XfrmCounterName | 'passes'>> = {
  [OutVerdict.TRANSFORM]: 'passes',
  [OutVerdict.BYPASS]: 'passes',
  [OutVerdict.NO_POLICY]: 'passes',
  [OutVerdict.BLOCK]: 'XfrmOutPolBlock',
  [OutVerdict.WAIT]: 'XfrmOutNoStates',
  [OutVerdict.ERROR]: 'XfrmOutPolError',
}
