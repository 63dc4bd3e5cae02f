import { toHex } from '../../src/bytes/index.ts'
import { pskConnection } from '../../src/config/connection.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { formatIp, newPacketFlow, parseFlow, parseIp, type SocketAddress } from '../../src/ip/index.ts'
import { Dice } from '../../src/testing/hostile-dice.ts'
import { StatePhase, unlimited } from '../../src/xfrm/index.ts'
import type { Target } from './attacker.ts'
import { type Datagram, Gateway } from './gateway.ts'
import { attackerPsk } from './initiator.ts'

export const victimAddress = '192.0.2.1'
export const friendAddress = '198.51.100.2'
export const callerAddress = '198.51.100.3'
/** The victim calls this one, which has its keys and answers what it likes. */
export const calledAddress = '203.0.113.200'

export const calledPsk = new TextEncoder().encode('known to the peer that is called')
export const cookieThreshold = 30
export const halfOpenLimit = 200

const esp = ['chacha20poly1305', 'aes128gcm16', 'aes128-sha256']
const quick = ['chacha20poly1305-prfsha256-x25519']

/** The honest tunnels must be the same all the time, so they are never rekeyed. */
const withoutEnd = { lifetime: { rekeyMs: Number.POSITIVE_INFINITY } }

const victimConnections = [
  pskConnection({
    name: 'friend',
    ...withoutEnd,
    psk: 'not known to any attacker',
    localAddress: victimAddress,
    remoteAddress: friendAddress,
    proposals: quick,
    children: [
      {
        name: 'net',
        localTs: ['10.1.0.0/16'],
        remoteTs: ['10.2.0.0/16'],
        espProposals: ['aes128gcm16'],
        lifetime: unlimited,
      },
    ],
  }),
  pskConnection({
    name: 'caller',
    ...withoutEnd,
    psk: 'not known to any attacker either',
    localAddress: victimAddress,
    remoteAddress: callerAddress,
    proposals: quick,
    children: [
      {
        name: 'net',
        localTs: ['10.1.0.0/16'],
        remoteTs: ['10.3.0.0/16'],
        espProposals: ['aes256gcm16'],
        lifetime: unlimited,
      },
    ],
  }),
  pskConnection({
    name: 'anyone',
    psk: attackerPsk,
    localAddress: victimAddress,
    remoteId: '%any',
    proposals: [...quick, 'aes128gcm16-prfsha256-ecp256', 'aes128-sha256-modp2048'],
    children: [
      { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.66.0.0/16'], espProposals: esp },
      { name: 'v6', localTs: ['fd01::/16'], remoteTs: ['fd66::/16'], espProposals: esp },
      {
        name: 'pfs',
        localTs: ['10.1.0.0/16[tcp]', '10.1.0.0/16[udp/53]'],
        remoteTs: ['10.66.0.0/16'],
        espProposals: ['chacha20poly1305-x25519', 'aes128gcm16-ecp256', 'aes256gcm16-modp2048'],
      },
    ],
  }),
  pskConnection({
    name: 'called',
    psk: calledPsk,
    localAddress: victimAddress,
    remoteAddress: calledAddress,
    remoteId: '%any',
    proposals: [...quick, 'aes128gcm16-prfsha256-ecp256'],
    // It is given up soon, and called again.
    retransmit: { baseMs: 100, factor: 1.5, tries: 3 },
    children: [
      { name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.67.0.0/16'], espProposals: esp },
      {
        name: 'pfs',
        localTs: ['10.1.0.0/16'],
        remoteTs: ['10.67.0.0/16'],
        espProposals: ['aes128gcm16-x25519-ecp256'],
      },
    ],
  }),
]

/** The other side of `friend` or `caller`. */
function honestConnection(at: number, address: string) {
  const { name, remote, local, children, ...rest } = victimConnections[at]!
  return {
    ...rest,
    name,
    local: { ...local, address: parseIp(address), id: remote.id! },
    remote: { ...remote, address: parseIp(victimAddress), id: local.id },
    children: children.map((child) => ({ ...child, localTs: child.remoteTs, remoteTs: child.localTs })),
  }
}

/** What the victim keeps, counted. */
export interface Holdings {
  readonly ikeSas: number
  readonly halfOpen: number
  readonly states: number
  readonly larval: number
  readonly policies: number
}

/**
 * A victim with a tunnel to a friend that it called and one to a friend that called it, and whatever the attackers send. Time
 * is virtual; datagrams between the honest ones arrive at once, those to attackers lie in `inbox`.
 */
export class World implements Target {
  readonly dice: Dice
  readonly address = parseIp(victimAddress)
  readonly ports = { ike: 500, nat: 4500 }
  readonly victim: Gateway
  readonly friend: Gateway
  readonly caller: Gateway
  now = 1_000
  /** What the victim sent to attackers, by address. */
  readonly inbox = new Map<string, Datagram[]>()
  /** Ids of the victim's IKE_SAs by the initiator's SPI in hexadecimal. */
  readonly saIds = new Map<string, number>()
  readonly eventCounts = new Map<string, number>()
  /** What passed between victim and friends, for attackers on the path. */
  readonly overheard: Datagram[] = []
  readonly peak = { ikeSas: 0, halfOpen: 0, states: 0, larval: 0, policies: 0 }
  /** Inner packets that came out at the victim and were none of the attackers' business. */
  readonly strays: string[] = []
  /** The last datagram of an attacker. */
  current: Datagram | undefined
  /** Datagrams that attackers needed to get where they are. */
  setUps = 0
  #attacked = false
  #sequence = 0
  readonly #flow = newPacketFlow()

  constructor(seed: string) {
    this.dice = new Dice(seed)
    this.victim = new Gateway(victimAddress, victimConnections, new Dice(`${seed} victim`), {
      cookieThreshold,
      halfOpenLimit,
    })
    this.friend = new Gateway(friendAddress, [honestConnection(0, friendAddress)], new Dice(`${seed} friend`))
    this.caller = new Gateway(callerAddress, [honestConnection(1, callerAddress)], new Dice(`${seed} caller`))
    this.victim.onEvent = (event) => this.#note(event)
    this.victim.onDeliver = (packet) => this.#checkDelivered(packet)
    this.victim.perform(this.victim.ike.initiate('friend', this.now, { localAddress: this.victim.address }))
    this.caller.perform(this.caller.ike.initiate('caller', this.now, { localAddress: this.caller.address }))
    this.settle()
  }

  /** Delivers a datagram of an attacker to the victim. */
  attack(datagram: Datagram): string {
    this.#attacked = true
    this.current = datagram
    try {
      return this.victim.receive(datagram, this.now)
    } finally {
      this.settle()
      this.#attacked = false
    }
  }

  /** The same for a datagram that is not hostile, but puts an attacker into the place to send one. */
  setUp(datagram: Datagram): void {
    this.setUps++
    this.attack(datagram)
  }

  /** Has the victim do something of its own. */
  command(run: () => Parameters<Gateway['perform']>[0]): void {
    this.victim.perform(run())
    this.settle()
  }

  /** Lets time pass, with everybody's timers. */
  pass(ms: number): void {
    this.now += ms
    for (const gateway of [this.victim, this.friend, this.caller]) gateway.tick(this.now)
    this.settle()
  }

  /** Carries what lies in the outboxes until nothing moves. */
  settle(): void {
    for (let moved = true; moved; ) {
      moved = false
      for (const gateway of [this.victim, this.friend, this.caller]) {
        for (const datagram of gateway.outbox.splice(0)) {
          moved = true
          this.#carry(datagram)
        }
      }
    }
  }

  /** Takes the datagrams away that came to an attacker. */
  take(address: string): Datagram[] {
    const datagrams = this.inbox.get(address) ?? []
    this.inbox.delete(address)
    return datagrams
  }

  /** True when a ping came back through each tunnel in each direction. */
  pingAll(): boolean {
    this.#sequence = (this.#sequence + 4) & 0xfffc
    const first = this.#sequence
    for (const { replies } of [this.victim, this.friend, this.caller]) replies.clear()
    this.victim.ping('10.1.0.1', '10.2.0.1', first, this.now)
    this.victim.ping('10.1.0.1', '10.3.0.1', first + 1, this.now)
    this.friend.ping('10.2.0.1', '10.1.0.1', first + 2, this.now)
    this.caller.ping('10.3.0.1', '10.1.0.1', first + 3, this.now)
    this.settle()
    const { victim, friend, caller } = this
    return (
      victim.replies.has(first) &&
      victim.replies.has(first + 1) &&
      friend.replies.has(first + 2) &&
      caller.replies.has(first + 3)
    )
  }

  holdings(): Holdings {
    const status = this.victim.ike.status()
    const holdings = {
      ikeSas: status.length,
      halfOpen: status.filter(({ role, state }) => role === 'responder' && state === 'connecting').length,
      states: this.victim.states().length,
      larval: this.victim.states(StatePhase.LARVAL).length,
      policies: this.victim.policies().length,
    }
    for (const name of Object.keys(this.peak) as (keyof Holdings)[]) {
      this.peak[name] = Math.max(this.peak[name], holdings[name])
    }
    return holdings
  }

  /** Everything about the honest tunnels that must not change, as text. */
  honestState(): string {
    const { victim, friend, caller } = this
    const sas = [...victim.ike.status(), ...friend.ike.status(), ...caller.ike.status()]
      // Anybody may begin an IKE_SA_INIT from a friend's address; nobody else gets further.
      .filter(({ sa, state }) => (sa.connection === 'friend' || sa.connection === 'caller') && state !== 'connecting')
      .map(({ sa, state, SPIi, SPIr, remote, children }) =>
        [sa.connection, state, SPIi, SPIr, formatIp(remote.address), remote.port, ...children.map(childText)].join(' '),
      )
    return sas.join('\n')
  }

  #carry(datagram: Datagram): void {
    const { to, from } = datagram
    const gateway = this.#gatewayAt(to)
    if (gateway === undefined) {
      const box = this.inbox.get(formatIp(to.address)) ?? []
      this.inbox.set(formatIp(to.address), [...box.slice(-15), datagram])
      return
    }
    // An attacker who uses a friend's address gets no answer; the friend drops what is not for it.
    if (this.#gatewayAt(from) !== undefined && !this.#attacked) {
      this.overheard.push(datagram)
      if (this.overheard.length > 64) this.overheard.shift()
    }
    gateway.receive(datagram, this.now)
  }

  #gatewayAt({ address }: SocketAddress): Gateway | undefined {
    const text = formatIp(address)
    return [this.victim, this.friend, this.caller].find((gateway) => formatIp(gateway.address) === text)
  }

  #note(event: IkeEvent): void {
    const name =
      event.kind === 'ike-closed' || event.kind === 'child-closed' ? `${event.kind}: ${event.reason}` : event.kind
    this.eventCounts.set(name, (this.eventCounts.get(name) ?? 0) + 1)
    if (event.kind === 'ike-established') this.saIds.set(event.details.SPIi, event.sa.id)
    // What attackers have of a rekeyed one is worth nothing any more.
    if (event.kind === 'ike-closed' || event.kind === 'ike-rekeyed') {
      for (const [spi, id] of this.saIds) if (id === event.sa.id) this.saIds.delete(spi)
    }
  }

  /** Whether the victim holds this IKE_SA. */
  stands(SPIi: Uint8Array): boolean {
    return this.saIds.has(toHex(SPIi))
  }

  /** Through an attacker's SA nothing may come but what its traffic selectors name. */
  #checkDelivered(packet: Uint8Array): void {
    if (!this.#attacked) return
    const flow = this.#flow
    const ok = parseFlow(packet, 0, packet.length, flow) === 0 && packet.length === flow.totalLength
    const from = formatIp(flow.source.slice(0, flow.addressBytes))
    const to = formatIp(flow.destination.slice(0, flow.addressBytes))
    const v4 = /^10\.6[67]\./.test(from) && to.startsWith('10.1.')
    const v6 = from.startsWith('fd66:') && to.startsWith('fd01:')
    if (!ok || !(v4 || v6)) this.strays.push(`${from} to ${to}: ${toHex(packet)}`)
  }
}

const childText = (child: {
  spiIn: number
  spiOut: number
  state: string
  localTs: readonly string[]
  remoteTs: readonly string[]
}) => `${child.state} ${child.spiIn.toString(16)} ${child.spiOut.toString(16)} ${child.localTs} ${child.remoteTs}`
