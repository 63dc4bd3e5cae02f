import { afterEach, describe, expect, it, vi } from 'vitest'
import { type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { formatIp, formatSocketAddress, parseIp } from '../../../src/ip/address.ts'
import {
  createPair,
  RecordingXfrm,
  VirtualClock,
  type VirtualDatagram,
  VirtualNat,
  VirtualNetwork,
  VirtualPeer,
  VirtualTraffic,
} from '../../../src/testing/index.ts'
import { chooseSpis } from '../alter.ts'
import { left, leftConnection, right, rightConnection } from '../support.ts'

const elsewhere = '192.0.2.77'
const alsoRight = '198.51.100.3'

/** A client of any address and a gateway that waits for it. */
function roamingPair(
  changes: { a?: Partial<PskConnection>; b?: Partial<PskConnection>; gateway?: string[]; nat?: boolean } = {},
) {
  const network = new VirtualNetwork(new VirtualClock())
  const { localAddress: _, ...client } = leftConnection
  const { localAddress: __, remoteAddress: ___, ...gateway } = rightConnection
  const quiet = { livenessDelayMs: 0, keepaliveMs: 0 }
  const nat = new VirtualNat(network, { outside: '203.0.113.7' })
  const xfrmA = new RecordingXfrm()
  const xfrmB = new RecordingXfrm()
  const a = new VirtualPeer(changes.nat === true ? nat : network, {
    address: left,
    connections: [pskConnection({ ...client, ...quiet, encap: 'auto', ...changes.a })],
    xfrm: xfrmA,
  })
  const b = new VirtualPeer(network, {
    address: changes.gateway ?? right,
    connections: [pskConnection({ ...gateway, ...quiet, ...changes.b })],
    xfrm: xfrmB,
  })
  a.initiate(changes.a?.name ?? 'office')
  network.clock.advance(1_000)
  return { network, clock: network.clock, nat, a, b, xfrmA, xfrmB }
}

type Pair = ReturnType<typeof roamingPair>

const pathOf = (peer: VirtualPeer) => {
  const { local, remote } = peer.ikeSa
  return `${formatSocketAddress(local)} ${formatSocketAddress(remote)}`
}

/** The outer addresses and ports of a side's states, and of its policies' templates. */
function outerOf(xfrm: RecordingXfrm) {
  const states = [...xfrm.states.values()].map(
    ({ direction, saddr, daddr, encap }) =>
      `${direction} ${formatIp(saddr)}[${encap!.sport}] ${formatIp(daddr)}[${encap!.dport}]`,
  )
  const templates = [...xfrm.policies.values()].map(
    ({ direction, templates: [template] }) => `${direction} ${formatIp(template!.saddr)} ${formatIp(template!.daddr)}`,
  )
  return { states: states.sort(), templates: [...new Set(templates)].sort() }
}

function expectBetween({ a, b, xfrmA, xfrmB }: Pair, client: string, gateway: string): void {
  expect(pathOf(a)).toBe(`${client}:4500 ${gateway}:4500`)
  expect(pathOf(b)).toBe(`${gateway}:4500 ${client}:4500`)
  const [there, back] = [`${client}[4500] ${gateway}[4500]`, `${gateway}[4500] ${client}[4500]`]
  expect(outerOf(xfrmA).states).toEqual([`in ${back}`, `out ${there}`])
  expect(outerOf(xfrmB).states).toEqual([`in ${there}`, `out ${back}`])
  const [plain, reverse] = [`${client} ${gateway}`, `${gateway} ${client}`]
  expect(outerOf(xfrmA).templates).toEqual([`fwd ${reverse}`, `in ${reverse}`, `out ${plain}`])
  expect(outerOf(xfrmB).templates).toEqual([`fwd ${plain}`, `in ${plain}`, `out ${reverse}`])
}

const sentBy = (peer: VirtualPeer, payload: string) =>
  peer.eventsOf('message').filter(({ direction, payloads }) => direction === 'out' && payloads.includes(payload))

afterEach(() => vi.restoreAllMocks())

describe('MOBIKE', () => {
  it('is announced by both sides, with the other addresses of a gateway that has several', () => {
    const { a, b } = roamingPair({ gateway: [right, alsoRight] })
    expect([a.ikeSa.mobike, b.ikeSa.mobike]).toEqual([true, true])
    expect(sentBy(a, 'N(MOBIKE_SUPPORTED)')).toHaveLength(1)
    expect(sentBy(b, 'N(ADDITIONAL_IP4_ADDRESS)')).toHaveLength(1)
  })

  it.each([['a'], ['b']] as const)('is not used when side %s does not want it', (side) => {
    const { a, b } = roamingPair({ [side]: { mobike: false } })
    expect([a.ikeSa.mobike, b.ikeSa.mobike]).toEqual([false, false])
  })

  it('a client that roams takes IKE, states and policies of both ends along', () => {
    const pair = roamingPair()
    pair.a.roam(elsewhere)
    pair.clock.advance(1_000)
    expectBetween(pair, elsewhere, right)
    expect(pair.a.eventsOf('local-moved')).toHaveLength(1)
    expect(pair.b.eventsOf('remote-moved')).toHaveLength(1)
  })

  it('roams although the first messages from the new address are lost', () => {
    const pair = roamingPair()
    pair.network.drop({ exchange: 'INFORMATIONAL' }, { times: 2 })
    pair.a.roam(elsewhere)
    pair.clock.advance(60_000)
    expectBetween(pair, elsewhere, right)
  })

  it('roams again before the first change is answered', () => {
    const pair = roamingPair()
    pair.a.roam(elsewhere)
    pair.clock.advance(3)
    pair.a.roam('192.0.2.78')
    pair.clock.advance(60_000)
    expectBetween(pair, '192.0.2.78', right)
  })

  it('a request that was under way goes on from the new address', () => {
    const pair = roamingPair({ a: { livenessDelayMs: 5_000 } })
    const lost = pair.network.drop({ exchange: 'INFORMATIONAL' }, { times: 1 })
    pair.clock.advance(5_100)
    lost.remove()
    pair.a.roam(elsewhere)
    pair.clock.advance(30_000)
    expectBetween(pair, elsewhere, right)
  })

  it('a new address beside the old one changes nothing', () => {
    const pair = roamingPair()
    pair.a.addAddress(elsewhere)
    pair.clock.advance(1_000)
    expectBetween(pair, left, right)
    expect(sentBy(pair.a, 'N(UPDATE_SA_ADDRESSES)')).toHaveLength(0)
  })

  it('a gateway tells its addresses when they change, and not when it only looks again', () => {
    const pair = roamingPair({ gateway: [right, alsoRight] })
    const told = () => sentBy(pair.b, 'N(ADDITIONAL_IP4_ADDRESS)').length
    const before = told()
    pair.b.perform(pair.b.ike.localAddressesChanged(pair.b.addresses, () => parseIp(right), pair.b.now))
    pair.clock.advance(1_000)
    expect(told()).toBe(before)
    pair.b.addAddress('198.51.100.4')
    pair.clock.advance(1_000)
    expect(told()).toBe(before + 1)
  })

  it('a gateway that loses the address in use is followed to another one', () => {
    const pair = roamingPair({ gateway: [right, alsoRight] })
    pair.b.removeAddress(right)
    pair.clock.advance(10_000)
    expectBetween(pair, left, alsoRight)
  })

  it('a path that does not answer any more is left for one that does', () => {
    const pair = roamingPair({ gateway: [right, alsoRight], a: { livenessDelayMs: 10_000 } })
    pair.network.path = (datagram) => (formatIp(datagram.to.address) === right ? [] : [datagram])
    pair.clock.advance(60_000)
    expectBetween(pair, left, alsoRight)
    expect(pair.a.eventsOf('ike-closed')).toHaveLength(0)
  })

  it('the side that does not decide never moves by itself', () => {
    const pair = roamingPair({ gateway: [right, alsoRight], b: { livenessDelayMs: 10_000 } })
    pair.network.path = (datagram) => (formatIp(datagram.to.address) === left ? [] : [datagram])
    pair.clock.advance(30_000)
    expect(sentBy(pair.b, 'N(UPDATE_SA_ADDRESSES)')).toHaveLength(0)
    expect(pathOf(pair.b)).toBe(`${right}:4500 ${left}:4500`)
  })

  it('finds out by a liveness check that a NAT has forgotten us, and says so', () => {
    const pair = roamingPair({ nat: true, a: { livenessDelayMs: 10_000 } })
    pair.clock.advance(50_000)
    // Once at the first check: what the NAT did before it nobody knows.
    expect(sentBy(pair.a, 'N(UPDATE_SA_ADDRESSES)')).toHaveLength(1)
    pair.nat.rebind()
    pair.clock.advance(25_000)
    expect(sentBy(pair.a, 'N(UPDATE_SA_ADDRESSES)').length + sentBy(pair.b, 'N(COOKIE2)').length).toBeGreaterThan(1)
    const { remote } = pair.b.ikeSa
    expect(pair.nat.mappings).toContain(`${left}:4500 -> ${remote.port}`)
  })

  it('finds out, too, when the NAT forgot us before the first liveness check', () => {
    const pair = roamingPair({ nat: true, a: { livenessDelayMs: 10_000 } })
    pair.nat.rebind()
    pair.clock.advance(11_000)
    expect(pair.nat.mappings).toContain(`${left}:4500 -> ${pair.b.ikeSa.remote.port}`)
  })

  it('a request that was lost on the old path has all its tries on the new one', () => {
    const pair = roamingPair({ nat: true, a: { livenessDelayMs: 150_000 }, b: { livenessDelayMs: 10_000 } })
    const first = pair.b.status()
    pair.nat.rebind()
    const lost = pair.network.drop({ from: pair.a, response: true }, { times: 2 })
    // The gateway's liveness check goes to the mapping that is gone, five times, until the client tells of the new one.
    pair.clock.advance(180_000)
    expect(lost.hits).toBe(2)
    expect(pair.b.ikeSa.SPIi).toBe(first[0]!.SPIi)
    expect(pair.nat.mappings).toContain(`${left}:4500 -> ${pair.b.ikeSa.remote.port}`)
  })

  it('a request goes to where ESP comes from as well, when it stands before the question whether the peer is there', () => {
    const pair = roamingPair({ nat: true })
    const before = pair.b.ikeSa
    const answer = pair.network.drop({ from: pair.a, exchange: 'CREATE_CHILD_SA', response: true }, { nth: 1 })
    pair.b.perform(pair.b.ike.rekeyIke(before.sa.id, pair.b.now))
    pair.clock.advance(1_000)
    // The client goes on with an IKE_SA that the gateway does not know yet, and the gateway sends to a mapping that is gone.
    expect(answer.hits).toBe(1)
    pair.nat.rebind()
    const [from, to] = [left, right].map((address) => ({ address: parseIp(address), port: 4500 }))
    pair.a.transmit(from!, to!, Uint8Array.of(0xff))
    pair.clock.advance(10)
    const { from: seen } = pair.network.sent.at(-1)!
    const [child] = before.children
    const state = { daddr: parseIp(right), spi: child!.spiIn, proto: 50, reqid: child!.reqid }
    const old = { oldAddress: before.remote.address, oldPort: before.remote.port }
    const mapping = { ...state, ...old, newAddress: seen.address, newPort: seen.port }
    pair.b.perform(pair.b.ike.mapping(mapping, pair.b.now))
    pair.clock.advance(1_000)
    expect(pair.b.ikeSa.SPIi).toBe(pair.a.ikeSa.SPIi)
    expect(pair.b.ikeSa.SPIi).not.toBe(before.SPIi)
    expect(pair.b.ikeSa.remote).toEqual(seen)
  })

  it('a mapping that ESP tells of is asked before traffic goes there', () => {
    const pair = roamingPair({ nat: true })
    const before = pair.b.ikeSa
    const moved = { newAddress: parseIp('203.0.113.99'), newPort: 7777 }
    const [child] = before.children
    const state = { daddr: parseIp(right), spi: child!.spiIn, proto: 50, reqid: child!.reqid }
    const old = { oldAddress: before.remote.address, oldPort: before.remote.port }
    pair.b.perform(pair.b.ike.mapping({ ...state, ...old, ...moved }, pair.b.now))
    pair.clock.advance(1_000)
    expect(sentBy(pair.b, 'N(COOKIE2)')).toHaveLength(1)
    expect(formatIp(pair.b.ikeSa.remote.address)).not.toBe('203.0.113.99')
  })

  it('an address where another CHILD_SA has the same outbound SPI is refused, told on both sides, and nothing is half moved', () => {
    chooseSpis((connection) => (connection.startsWith('client') ? 0x11223344 : undefined))
    const pair = roamingPair({ a: { name: 'client1', localId: 'one.example.org' }, b: { remoteId: '*.example.org' } })
    const { localAddress: _, ...second } = leftConnection
    const settings = { ...second, name: 'client2', localId: 'two.example.org', livenessDelayMs: 0 }
    const other = new VirtualPeer(pair.network, { address: elsewhere, connections: [pskConnection(settings)] })
    other.initiate('client2')
    pair.clock.advance(1_000)
    pair.a.crash()
    const before = outerOf(pair.xfrmB)
    other.roam(left)
    pair.clock.advance(12)
    expect(outerOf(pair.xfrmB)).toEqual(before)
    expect(pair.b.eventsOf('refused').at(-1)!.refusal).toMatchObject({ detail: 'UNACCEPTABLE_ADDRESSES', by: 'local' })
    expect(other.eventsOf('refused').at(-1)!.refusal).toMatchObject({ detail: 'UNACCEPTABLE_ADDRESSES', by: 'peer' })
    const refusals = sentBy(pair.b, 'N(UNACCEPTABLE_ADDRESSES)')
    expect(refusals).toMatchObject([{ payloads: ['N(UNACCEPTABLE_ADDRESSES)', 'N(COOKIE2)'] }])
  })

  it('addresses that a later message has overtaken are not those of the peer', () => {
    const pair = roamingPair({ a: { windowSize: 2 } })
    const known = () => pair.a.ike.remoteAddresses().map(formatIp)
    const mail = pair.network.hold()
    pair.b.addAddress(alsoRight)
    const first = pair.b.lastRequest
    pair.b.addAddress('198.51.100.4')
    mail.deliver(pair.b.lastRequest)
    mail.deliver(first)
    mail.release()
    pair.clock.advance(1_000)
    expect(known()).toEqual([right, alsoRight, '198.51.100.4'])
    pair.b.removeAddress(alsoRight)
    pair.clock.advance(1_000)
    expect(known()).toEqual([right, '198.51.100.4'])
  })

  it('a NAT that changes the mapping again before the first change is answered does not cost the connection', () => {
    const pair = roamingPair({ nat: true })
    const comeFromElsewhere = () => {
      pair.nat.rebind()
      pair.a.perform(pair.a.ike.rekeyChild(pair.a.ikeSa.sa.id, pair.a.ikeSa.children[0]!.spiIn, pair.a.now))
    }
    const lost = pair.network.drop({ from: pair.b, payload: 'N(COOKIE2)', response: false }, { times: 1 })
    comeFromElsewhere()
    pair.clock.advance(1_000)
    expect(lost.hits).toBe(1)
    comeFromElsewhere()
    const latest = pair.network.sent.at(-1)!.from.port
    pair.clock.advance(600_000)
    expect(pair.b.eventsOf('ike-closed')).toEqual([])
    expect(pair.b.ikeSa.remote.port).toBeGreaterThanOrEqual(latest)
  })

  it('packets that somebody passes on from elsewhere do not keep a later change of the mapping from being seen', () => {
    const { a, b, network, clock, nat, connect } = createPair({ nat: {}, both: { livenessDelayMs: 0, keepaliveMs: 0 } })
    connect()
    const traffic = new VirtualTraffic(a, b, { everyMs: 100 })
    traffic.start()
    network.drop({ kind: 'esp', from: a }, { nth: 2 })
    let copy: VirtualDatagram | undefined
    network.observe((fate) => {
      if (fate.kind === 'lost' && fate.reason === 'rule') copy = fate.datagram
    })
    clock.advance(200)
    expect(copy).toBeDefined()
    const somebody = { address: parseIp('203.0.113.99'), port: 7777 }
    network.bind(somebody, () => {})
    network.send({ from: somebody, to: copy!.to, payload: copy!.payload })
    clock.advance(1_000)
    const before = b.ikeSa.remote
    expect(sentBy(b, 'N(COOKIE2)')).toHaveLength(1)
    nat!.rebind()
    clock.advance(1_000)
    expect(b.ikeSa.remote.port).not.toBe(before.port)
  })

  it('a peer that comes from ever new places and does not answer is asked at the last of them', () => {
    const pair = roamingPair({ nat: true })
    const unanswered = pair.network.drop({ from: pair.b, payload: 'N(COOKIE2)', response: false })
    for (let times = 0; times < 20; times++) {
      pair.nat.rebind()
      pair.a.perform(pair.a.ike.rekeyChild(pair.a.ikeSa.sa.id, pair.a.ikeSa.children[0]!.spiIn, pair.a.now))
      pair.clock.advance(100)
    }
    unanswered.remove()
    const before = sentBy(pair.b, 'N(COOKIE2)').length
    pair.clock.advance(60_000)
    const messageIds = new Set(
      sentBy(pair.b, 'N(COOKIE2)')
        .slice(before)
        .map((one) => one.messageId),
    )
    expect(messageIds.size).toBeLessThanOrEqual(2)
    expect(pair.b.ikeSa.remote).toEqual(pair.network.sent.findLast(({ to }) => formatIp(to.address) === right)!.from)
  })
})

describe('a peer without MOBIKE', () => {
  it('that is taken to be behind a NAT is followed to where its next message comes from', () => {
    const pair = roamingPair({ a: { mobike: false, encap: 'force' } })
    pair.a.roam(elsewhere)
    pair.clock.advance(1_000)
    expectBetween(pair, elsewhere, right)
  })
})
