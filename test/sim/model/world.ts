import {
  createPair,
  type Pair,
  simulationProvider,
  type VirtualGateway,
  VirtualTraffic,
} from '../../../src/testing/index.ts'

export type Side = 'a' | 'b'

const children = (local: string, remote: string) => [
  { name: 'net', localTs: [`10.${local}.0.0/16`], remoteTs: [`10.${remote}.0.0/16`] },
  { name: 'more', localTs: [`172.16.${local}.0/24`], remoteTs: [`172.16.${remote}.0/24`] },
]

/** So quick that a lost peer is noticed within a minute. */
const patience = {
  livenessDelayMs: 8_000,
  keepaliveMs: 20_000,
  retransmit: { baseMs: 1_000, factor: 1.5, tries: 5 },
  uniqueness: 'replace' as const,
  proposals: ['aes128gcm16-prfsha256-x25519', 'aes128gcm16-prfsha256-ecp256'],
}

/** Two gateways with traffic between them, and everything that may happen to them. */
export class ModelWorld {
  readonly pair: Pair
  readonly traffic: VirtualTraffic
  readonly behindNat: boolean
  /** Both know where the other is, and neither moves. */
  readonly fixed: boolean
  #address = 2

  constructor(settings: {
    readonly seed: string
    readonly behindNat: boolean
    readonly fixed: boolean
    readonly mobike: boolean
    readonly windowSize: number
  }) {
    const { seed, behindNat, fixed, mobike, windowSize } = settings
    this.behindNat = behindNat
    this.fixed = fixed
    this.pair = createPair({
      seed,
      crypto: simulationProvider,
      roaming: !fixed,
      ...(behindNat ? { nat: { timeoutMs: 300_000 } } : {}),
      both: { ...patience, mobike, windowSize },
      a: { children: children('1', '2') },
      b: { children: children('2', '1') },
    })
    this.traffic = new VirtualTraffic(this.pair.a, this.pair.b)
  }

  gateway(side: Side): VirtualGateway {
    return this.pair[side]
  }

  /** Where addresses may change, only `a` knows where the other is. */
  initiate(side: Side, child: string): void {
    const gateway = this.gateway(side)
    if (gateway.isDown || (side === 'b' && !this.fixed)) return
    gateway.initiate(side === 'a' ? 'to-b' : 'to-a', child)
  }

  /** Carries out `act` on a child of an established IKE_SA of the side, when there is one. */
  withChild(side: Side, choice: number, act: (ikeSa: number, spiIn: number) => void): void {
    const gateway = this.gateway(side)
    const all = gateway
      .status()
      .filter(({ state }) => state === 'established')
      .flatMap(({ sa, children: list }) =>
        list.filter(({ state }) => state === 'installed').map(({ spiIn }) => [sa.id, spiIn] as const),
      )
    const chosen = all[choice % Math.max(1, all.length)]
    if (chosen !== undefined) act(...chosen)
  }

  withIkeSa(side: Side, choice: number, act: (ikeSa: number) => void): void {
    const all = this.gateway(side)
      .status()
      .filter(({ state }) => state === 'established')
    const chosen = all[choice % Math.max(1, all.length)]
    if (chosen !== undefined) act(chosen.sa.id)
  }

  /** Another address for `a`, behind its NAT or not. */
  roam(): void {
    const { a, nat } = this.pair
    if (a.isDown || this.fixed) return
    this.#address = 2 + ((this.#address - 1) % 200)
    if (this.behindNat) a.roam(`192.168.1.${this.#address}`, nat)
    else a.roam(`192.0.2.${this.#address}`)
  }

  rebind(): void {
    this.pair.nat?.rebind()
  }

  crash(side: Side): void {
    this.gateway(side).crash()
  }

  restart(side: Side): void {
    if (this.gateway(side).isDown) this.gateway(side).restart()
  }

  advance(ms: number): void {
    this.pair.clock.advance(ms)
  }

  faults(loss: number, duplicate: number, reorder: number): void {
    this.pair.network.configure({ loss, duplicate, reorder, reorderMs: 400 })
  }

  /** Ends all faults, and lets everything come to rest with both children up. */
  settle(): void {
    this.faults(0, 0, 0)
    this.restart('a')
    this.restart('b')
    // Whoever believes in a peer that has forgotten it finds out by then.
    this.advance(90_000)
    for (const child of ['net', 'more']) this.initiate('a', child)
    this.advance(90_000)
    for (const child of ['net', 'more']) this.initiate('a', child)
    // A superseded IKE_SA that nobody deletes lingers for three minutes.
    this.advance(240_000)
  }

  /** Packets that the VPN lost although neither side has given the other up. */
  losses(): string[] {
    const { a, b } = this.pair
    if ([a, b].some((gateway) => gateway.eventsOf('ike-closed').some(({ reason }) => reason === 'timeout'))) return []
    const report = this.traffic.report()
    return (['aToB', 'bToA'] as const).flatMap((way) =>
      report[way].vpnLosses.map(
        ({ number, sentAt, cause }) => `${way}: packet ${number} of ${sentAt} ms is lost: ${cause}`,
      ),
    )
  }

  /** What is not as it must be at rest; empty when all is well. */
  complaints(): string[] {
    const { a, b } = this.pair
    return [...agreement(a, b), ...books('a', a), ...books('b', b), ...this.#trafficComplaints()]
  }

  #trafficComplaints(): string[] {
    const before = this.traffic.report()
    for (let i = 0; i < 5; i++) {
      this.traffic.send()
      this.advance(200)
    }
    this.advance(1_000)
    const after = this.traffic.report()
    return (['aToB', 'bToA'] as const).flatMap((way) => {
      const delivered = after[way].delivered - before[way].delivered
      const duplicated = after[way].duplicated - before[way].duplicated
      return [
        ...(delivered >= 5
          ? []
          : [
              `${way}: of 5 packets ${delivered} arrived: ${JSON.stringify(after[way].vpnLosses.at(-1) ?? after[way])}`,
            ]),
        ...(duplicated === 0 ? [] : [`${way}: ${duplicated} packets arrived twice`]),
      ]
    })
  }
}

/** Both ends have the same IKE_SAs with the same CHILD_SAs, and both children. */
function agreement(a: VirtualGateway, b: VirtualGateway): string[] {
  const view = (gateway: VirtualGateway, mirrored: boolean) =>
    gateway
      .status()
      .map(({ SPIi, SPIr, state, children: list }) => {
        const spis = list.map(
          ({ name, state: of, spiIn, spiOut }) =>
            `${name} ${of} ${mirrored ? `${spiOut}/${spiIn}` : `${spiIn}/${spiOut}`}`,
        )
        return `${SPIi}/${SPIr} ${state} {${spis.sort().join(', ')}}`
      })
      .sort()
  const [ofA, ofB] = [view(a, false), view(b, true)]
  const names = a.status().flatMap(({ children: list }) => list.map(({ name }) => name))
  const missing = ['net', 'more'].filter((name) => !names.includes(name))
  return [
    ...(ofA.join() === ofB.join() ? [] : [`a has ${ofA.join('; ')}, b has ${ofB.join('; ')}`]),
    ...missing.map((name) => `a has no CHILD_SA ${name}`),
  ]
}

/** States, policies and timers are those of the CHILD_SAs that are there. */
function books(name: string, gateway: VirtualGateway): string[] {
  const installed = gateway.status().flatMap(({ children: list }) => list)
  const wanted = installed.flatMap(({ spiIn, spiOut }) => [`in ${spiIn}`, `out ${spiOut}`]).sort()
  const states = [...gateway.databases.states()].map(({ direction, spi }) => `${direction} ${spi}`).sort()
  const policies = [...gateway.databases.policies()].map(
    ({ direction, template }) => `${['in', 'out', 'fwd'][direction]} ${template?.reqid}`,
  )
  const reqids = [...new Set(installed.map(({ reqid }) => reqid))].flatMap((reqid) => [
    `fwd ${reqid}`,
    `in ${reqid}`,
    `out ${reqid}`,
  ])
  const complaints: string[] = []
  if (states.join() !== wanted.join()) complaints.push(`${name}: states ${states.join()} instead of ${wanted.join()}`)
  if (policies.sort().join() !== reqids.sort().join())
    complaints.push(`${name}: policies ${policies.join()} instead of ${reqids.join()}`)
  const quiet = gateway.ike.nextTimeoutAt() - gateway.now
  if (quiet < 0) complaints.push(`${name}: a timer is late by ${-quiet} ms`)
  return complaints
}
