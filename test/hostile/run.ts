import { toHex } from '../../src/bytes/index.ts'
import { decodeMessage } from '../../src/ike/codec/index.ts'
import { formatSocketAddress } from '../../src/ip/index.ts'
import { type Attack, burstAttack, Gang, pickAttack, type Shot } from './attacks.ts'
import type { Recorded } from './corpus.ts'
import type { Datagram } from './gateway.ts'
import { type Holdings, World } from './world.ts'

export interface HostileOptions {
  readonly seed: string
  readonly datagrams: number
  readonly corpus: readonly Recorded[]
  /** Collects garbage; the heap is not measured without it. */
  readonly gc?: () => void
  /** Called after each datagram, with how many there have been. */
  readonly progress?: (sent: number) => void
}

/** What one attack came to. */
export interface Tally {
  sent: number
  decoded: number
  readonly outcomes: Map<string, number>
}

export interface HostileReport {
  readonly seed: string
  readonly sent: number
  /** Datagrams that attackers needed to get into place; not among `sent`. */
  readonly setUps: number
  /** Those whose IKE message passes `decodeMessage`. */
  readonly decoded: number
  /** SK messages with mutated contents that the victim found correctly protected. */
  readonly opened: number
  /** ESP packets with a malformed inside that the victim found authentic. */
  readonly espOpened: number
  readonly attacks: ReadonlyMap<string, Tally>
  readonly outcomes: ReadonlyMap<string, number>
  readonly events: ReadonlyMap<string, number>
  readonly xfrmStats: Readonly<Record<string, number>>
  readonly peak: Holdings
  /** What the victim holds while no attacker has an SA: at the start, and after each pause. */
  readonly calm: readonly Holdings[]
  /** Octets in use after each pause, garbage collected: heap, buffers and key objects. */
  readonly heap: readonly number[]
  readonly slowest: { readonly ms: number; readonly name: string; readonly octets: number }
  /** The first thing that must not happen, with the datagram and how to repeat it. */
  readonly failure: string | undefined
}

/** The victim's view says that the ICV was good. */
const notOpened = /unknown-spi|bad-message-id|bad-integrity|malformed|ignored|demux|no keys/
const espNotOpened = /XfrmInNoStates|XfrmInStateProtoError|XfrmInStateSeqError|XfrmInStateInvalid|XfrmInHdrError/

/** The name of an exchange type that has none: one row of the outcomes for all of them. */
const unknownExchange = /\bEXCHANGE_\d+/g

/** Longer than it takes to give up every peer that does not answer. */
const pauseMs = 400_000
const pauses = 6
const checkEvery = 500
const burstOdds = 8_000
const burstLength = 300

/** Feeds hostile datagrams to a gateway with honest tunnels, and watches both. */
export class HostileRun {
  readonly #options: HostileOptions
  readonly #world: World
  readonly #gang: Gang
  readonly #attacks = new Map<string, Tally>()
  readonly #outcomes = new Map<string, number>()
  readonly #honest: string
  readonly #calm: Holdings[]
  readonly #heap: number[] = []
  #sent = 0
  /** Left of a burst: many strangers at once who do return their cookies. */
  #burst = 0
  #decoded = 0
  #opened = 0
  #espOpened = 0
  #slowest = { ms: 0, name: '', octets: 0 }

  constructor(options: HostileOptions) {
    this.#options = options
    this.#world = new World(options.seed)
    this.#gang = new Gang(this.#world, options.corpus)
    this.#honest = this.#world.honestState()
    this.#calm = [this.#world.holdings()]
  }

  /** Runs to the end, or to the first failure. */
  run(): HostileReport {
    let failure = this.#check()
    while (failure === undefined && this.#sent < this.#options.datagrams) {
      failure = this.#step()
      this.#options.progress?.(this.#sent)
    }
    return this.#report(failure)
  }

  #step(): string | undefined {
    const { dice } = this.#world
    if (this.#burst === 0 && dice.below(burstOdds) === 0) this.#burst = burstLength
    if (this.#burst > 0) this.#burst--
    const attack = this.#burst > 0 ? burstAttack : pickAttack(dice)
    let shot: Shot | undefined
    try {
      this.#world.pass(1 + dice.below(20))
      shot = attack.aim(this.#gang)
      if (shot === undefined) return undefined
      this.#shoot(attack, shot)
      shot.after?.()
    } catch (error) {
      return this.#failed(attack.name, shot?.datagram ?? this.#world.current, error)
    }
    if (this.#world.strays.length > 0) return this.#failed(attack.name, shot.datagram, this.#world.strays[0])
    if (this.#sent % checkEvery === 0) {
      const problem = this.#check()
      if (problem !== undefined) return this.#failed(attack.name, shot.datagram, problem)
    }
    if (this.#sent % Math.ceil(this.#options.datagrams / pauses) === 0 || this.#sent === this.#options.datagrams) {
      return this.#pause()
    }
    return undefined
  }

  #shoot({ name }: Attack, { datagram, claim }: Shot): void {
    const begin = performance.now()
    const outcome = this.#world.attack(datagram).replace(unknownExchange, 'EXCHANGE_n')
    const ms = performance.now() - begin
    if (ms > this.#slowest.ms) this.#slowest = { ms, name, octets: datagram.payload.length }
    const tally = this.#attacks.get(name) ?? { sent: 0, decoded: 0, outcomes: new Map<string, number>() }
    this.#attacks.set(name, tally)
    this.#sent++
    tally.sent++
    add(tally.outcomes, outcome)
    add(this.#outcomes, outcome)
    if (decodes(datagram)) {
      tally.decoded++
      this.#decoded++
    }
    if (claim === 'protected' && !notOpened.test(outcome)) this.#opened++
    if (claim === 'esp' && !espNotOpened.test(outcome)) this.#espOpened++
  }

  /** The honest tunnels work and are the ones that they were. */
  #check(): string | undefined {
    const world = this.#world
    world.holdings()
    if (world.honestState() !== this.#honest) return `the honest tunnels changed: ${world.honestState()}`
    return world.pingAll() ? undefined : 'a ping did not come back through an honest tunnel'
  }

  /** No datagram comes for a while: every attacker's SA is given up, and nothing of it may be left. */
  #pause(): string | undefined {
    try {
      for (let passed = 0; passed < pauseMs; passed += 1000) this.#world.pass(1000)
    } catch (error) {
      return this.#failed('a pause', undefined, error)
    }
    const holdings = this.#world.holdings()
    this.#calm.push(holdings)
    const before = JSON.stringify(this.#calm[0])
    if (JSON.stringify(holdings) !== before)
      return `left over after a pause: ${JSON.stringify(holdings)}, at first ${before}`
    if (this.#options.gc !== undefined) {
      this.#options.gc()
      const { heapUsed, external } = process.memoryUsage()
      this.#heap.push(heapUsed + external)
    }
    return this.#check()
  }

  #failed(name: string, datagram: Datagram | undefined, problem: unknown): string {
    const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
    const what =
      datagram === undefined
        ? ''
        : `\n${formatSocketAddress(datagram.from)} to ${formatSocketAddress(datagram.to)}: ${toHex(datagram.payload)}`
    return `seed ${this.#options.seed}, datagram ${this.#sent}, ${name}: ${text}${what}`
  }

  #report(failure: string | undefined): HostileReport {
    const { victim, eventCounts, peak, setUps } = this.#world
    const stats: Record<string, number> = victim.xfrm.stats.snapshot()
    return {
      seed: this.#options.seed,
      sent: this.#sent,
      setUps,
      decoded: this.#decoded,
      opened: this.#opened,
      espOpened: this.#espOpened,
      attacks: this.#attacks,
      outcomes: this.#outcomes,
      events: eventCounts,
      xfrmStats: Object.fromEntries(Object.entries(stats).filter(([, count]) => count > 0)),
      peak,
      calm: this.#calm,
      heap: this.#heap,
      slowest: this.#slowest,
      failure,
    }
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function decodes({ payload, to }: Datagram): boolean {
  try {
    decodeMessage(to.port === 500 ? payload : payload.subarray(4))
    return true
  } catch {
    return false
  }
}
