import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import { type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { UsageError } from '../../../src/errors.ts'
import { encodeGateway, parseGateway } from '../../../src/ike/auth/gateway-identity.ts'
import { NotifyType } from '../../../src/ike/codec/index.ts'
import type { PeerRefusal } from '../../../src/ike/explain/refusal.ts'
import { IkeEndpoint } from '../../../src/ike/ike-endpoint.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { formatIp, parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm } from '../../../src/testing/recording-xfrm.ts'
import { VirtualClock, VirtualNetwork } from '../../../src/testing/virtual-network.ts'
import { VirtualPeer, type VirtualPeerOptions } from '../../../src/testing/virtual-peer.ts'
import { alterPayloads } from '../alter.ts'
import { alterInit, withoutNotify } from '../alter-init.ts'
import { left, leftConnection, right, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const third = '203.0.113.3'

interface Trio {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly client: VirtualPeer
  /** At `right`, where the client is configured to go. */
  readonly first: VirtualPeer
  /** At `third`. */
  readonly second: VirtualPeer
}

/** A client and two gateways that are alike but for their addresses. */
function makeTrio(
  changes: { client?: Partial<PskConnection>; first?: Partial<PskConnection>; second?: Partial<PskConnection> } = {},
): Trio {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock)
  const peer = (address: string, connection: PskConnection) =>
    new VirtualPeer(network, { address, connections: [pskConnection(connection)], xfrm: new RecordingXfrm() })
  const client = peer(left, { ...leftConnection, ...changes.client })
  const first = peer(right, { ...rightConnection, ...changes.first })
  const second = peer(third, { ...rightConnection, localAddress: third, ...changes.second })
  return { clock, network, client, first, second }
}

function connect(trio: Trio): Trio {
  trio.client.initiate('office')
  trio.clock.advance(2_000)
  return trio
}

const standing = (peer: VirtualPeer) =>
  peer.ike
    .status()
    .filter(({ state }) => state === 'established')
    .map(({ remote, children }) => `${formatIp(remote.address)} ${children.map(({ name }) => name).join()}`)

const requests = (peer: VirtualPeer) =>
  peer
    .eventsOf('message')
    .filter(({ direction, response }) => direction === 'out' && !response)
    .map(({ exchange, remote }) => `${exchange} ${formatIp(remote.address)}`)

const refusals = (peer: VirtualPeer) => peer.eventsOf('refused').map(({ refusal }) => refusal as PeerRefusal)

/** Two connections, of which only one sends its peer elsewhere: which it is, shows in IKE_AUTH. */
function chosenInAuth(to: string, options: Partial<VirtualPeerOptions> = {}): Trio {
  const trio = makeTrio()
  const connections = [
    pskConnection({ ...rightConnection, name: 'other', remoteId: 'other.example.org' }),
    pskConnection({ ...rightConnection, redirect: { to } }),
  ]
  const first = new VirtualPeer(trio.network, { address: right, connections, xfrm: new RecordingXfrm(), ...options })
  return { ...trio, first }
}

describe('an initiator that the gateway sends elsewhere', () => {
  it('in IKE_SA_INIT goes there, and tells where it comes from', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: third } } }))
    expect(requests(trio.client)).toEqual([`IKE_SA_INIT ${right}`, `IKE_SA_INIT ${third}`, `IKE_AUTH ${third}`])
    expect(standing(trio.client)).toEqual([`${third} net`])
    expect(trio.first.ike.status()).toEqual([])
    const init = trio.second.eventsOf('message')[0]!
    expect(init.payloads).toContain('N(REDIRECTED_FROM)')
    expect(trio.client.eventsOf('redirected').map(({ to }) => to)).toEqual([third])
    // To its caller it is one and the same IKE_SA all along.
    expect(trio.client.eventsOf('ike-closed')).toEqual([])
    expect(trio.client.eventsOf('ike-established').map(({ sa }) => sa.id)).toEqual([1])
  })

  it('in IKE_AUTH goes there, and deletes what stands at the first', () => {
    const trio = connect(chosenInAuth(third))
    expect(requests(trio.client)).toEqual([
      `IKE_SA_INIT ${right}`,
      `IKE_AUTH ${right}`,
      `INFORMATIONAL ${right}`,
      `IKE_SA_INIT ${third}`,
      `IKE_AUTH ${third}`,
    ])
    expect(standing(trio.client)).toEqual([`${third} net`])
    expect(trio.first.ike.status()).toEqual([])
    expect(trio.first.eventsOf('child-established')).toEqual([])
    expect(trio.client.eventsOf('ike-closed')).toEqual([])
  })

  it('while it stands sets up the new one first, so that traffic goes on', () => {
    const trio = connect(makeTrio())
    trio.first.perform(trio.first.ike.redirect(1, third, trio.clock.now))
    trio.clock.advance(20)
    expect(standing(trio.client)).toEqual([`${right} net`])
    trio.clock.advance(5_000)
    expect(standing(trio.client)).toEqual([`${third} net`])
    expect(trio.first.ike.status()).toEqual([])
    const order = trio.client.events.filter(({ kind }) => kind === 'child-established' || kind === 'child-closed')
    expect(order.map(({ kind }) => kind)).toEqual(['child-established', 'child-established', 'child-closed'])
  })

  it('takes the children along that wait for the IKE_SA', () => {
    const children = [
      ...leftConnection.children,
      { name: 'second', localTs: ['10.3.0.0/16'], remoteTs: ['10.4.0.0/16'], espProposals: ['aes128gcm16'] },
    ]
    const ofGateway = children.map((child) => ({ ...child, localTs: child.remoteTs, remoteTs: child.localTs }))
    const trio = makeTrio({
      client: { children },
      first: { children: ofGateway, redirect: { to: third } },
      second: { children: ofGateway },
    })
    trio.client.initiate('office', 'net')
    trio.client.initiate('office', 'second')
    trio.clock.advance(2_000)
    expect(standing(trio.client)).toEqual([`${third} net,second`])
  })

  it('goes back to the first gateway the next time', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: third } } }))
    trio.client.perform(trio.client.ike.deleteIke(1, trio.clock.now))
    trio.clock.advance(1_000)
    trio.client.events.length = 0
    connect(trio)
    expect(requests(trio.client)[0]).toBe(`IKE_SA_INIT ${right}`)
  })

  it('is set up alone there as well, when it is childless', () => {
    const childless = 'force' as const
    const trio = connect(makeTrio({ client: { childless }, first: { redirect: { to: third } } }))
    expect(requests(trio.client).slice(-2)).toEqual([`IKE_AUTH ${third}`, `CREATE_CHILD_SA ${third}`])
    expect(standing(trio.client)).toEqual([`${third} net`])
  })
})

describe('a gateway that sends initiators elsewhere', () => {
  it('does not send one back to where it comes from', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: third } }, second: { redirect: { to: right } } }))
    expect(standing(trio.client)).toEqual([`${third} net`])
  })

  it('serves one that does not go elsewhere', () => {
    const trio = connect(makeTrio({ client: { redirect: { follow: false } }, first: { redirect: { to: third } } }))
    expect(trio.first.eventsOf('message')[0]!.payloads).not.toContain('N(REDIRECT_SUPPORTED)')
    expect(standing(trio.client)).toEqual([`${right} net`])
    expect(() => trio.first.ike.redirect(1, third, trio.clock.now)).toThrow(UsageError)
  })

  it('remembers after a rekeying that the initiator goes elsewhere', () => {
    const trio = connect(makeTrio())
    trio.client.perform(trio.client.ike.rekeyIke(1, trio.clock.now))
    trio.clock.advance(1_000)
    trio.first.perform(trio.first.ike.redirect(1, third, trio.clock.now))
    trio.clock.advance(5_000)
    expect(standing(trio.client)).toEqual([`${third} net`])
  })

  it('cannot be sent elsewhere by its initiator', () => {
    const trio = connect(makeTrio())
    expect(() => trio.client.ike.redirect(1, third, trio.clock.now)).toThrow(UsageError)
    alterPayloads((header, payloads) =>
      header.exchangeType === 37 && !header.flags.response
        ? [...payloads, notify(NotifyType.REDIRECT, encodeGateway(parseGateway(third)))]
        : payloads,
    )
    trio.clock.advance(40_000)
    expect(trio.first.eventsOf('redirected')).toEqual([])
  })

  it('stands only with an initiator that is authorized, since it may stay and ask for CHILD_SAs', () => {
    const no = { ok: false, message: 'no', hint: 'no' } as const
    const trio = connect(chosenInAuth(third, { asks: { authorize: true }, answers: () => no }))
    expect(trio.first.eventsOf('ike-established')).toEqual([])
    expect(trio.first.eventsOf('refused')).toHaveLength(1)
    expect(standing(trio.client)).toEqual([])
  })

  it('deletes an IKE_SA whose initiator stays', () => {
    const trio = connect(makeTrio())
    trio.network.path = (datagram) => (formatIp(datagram.to.address) === third ? [] : [datagram])
    trio.first.perform(trio.first.ike.redirect(1, third, trio.clock.now))
    trio.clock.advance(30_000)
    expect(standing(trio.client)).toEqual([`${right} net`])
    trio.clock.advance(31_000)
    expect(trio.first.ike.status()).toEqual([])
  })

  it('is told at once when it is configured to send them nowhere', () => {
    const connections = [pskConnection({ ...rightConnection, redirect: { to: 'not a name' } })]
    const world = {
      crypto: nodeProvider,
      random: (length: number) => new Uint8Array(length),
      xfrm: new RecordingXfrm(),
    }
    expect(() => new IkeEndpoint({ ...world, connections })).toThrow('neither an IP address nor a host name')
  })
})

describe('a host name to go to', () => {
  const name = 'gw.example.org'
  const answer = (trio: Trio, address: string | undefined) => {
    const [asked] = trio.client.eventsOf('resolve')
    expect(asked!.name).toBe(name)
    const found = address === undefined ? undefined : parseIp(address)
    trio.client.perform(trio.client.ike.resolved(asked!.token, found, trio.clock.now))
    trio.clock.advance(15_000)
  }

  it.each([
    ['IKE_SA_INIT', () => makeTrio({ first: { redirect: { to: name } } })],
    ['IKE_AUTH', () => chosenInAuth(name)],
  ])('in %s is asked for once, and gone to when it is known', (_, make) => {
    const trio = connect(make())
    trio.clock.advance(15_000)
    expect(trio.client.eventsOf('resolve')).toHaveLength(1)
    expect(standing(trio.client)).toEqual([])
    answer(trio, third)
    expect(standing(trio.client)).toEqual([`${third} net`])
    expect(standing(trio.first)).toEqual([])
  })

  it('for an established IKE_SA leaves it as it is meanwhile', () => {
    const trio = connect(makeTrio())
    trio.first.perform(trio.first.ike.redirect(1, name, trio.clock.now))
    trio.clock.advance(5_000)
    expect(standing(trio.client)).toEqual([`${right} net`])
    answer(trio, third)
    expect(standing(trio.client)).toEqual([`${third} net`])
  })

  it.each([
    ['IKE_SA_INIT', () => makeTrio({ first: { redirect: { to: name } } })],
    ['IKE_AUTH', () => chosenInAuth(name)],
  ])('without an address ends the set-up, explained, in %s', (_, make) => {
    const trio = connect(make())
    answer(trio, undefined)
    expect(refusals(trio.client)[0]?.message).toContain('gw.example.org, which has no address that we reach')
    expect(trio.client.ike.status()).toEqual([])
    expect(trio.first.ike.status()).toEqual([])
  })

  it('without an address of a family that we have is nowhere', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: name } } }))
    answer(trio, '2001:db8::1')
    expect(refusals(trio.client)[0]?.detail).toBe('REDIRECT')
    expect(trio.client.ike.status()).toEqual([])
  })

  it('without an address leaves an established IKE_SA as it is', () => {
    const trio = connect(makeTrio())
    trio.first.perform(trio.first.ike.redirect(1, name, trio.clock.now))
    trio.clock.advance(1_000)
    answer(trio, undefined)
    expect(standing(trio.client)).toEqual([`${right} net`])
    expect(trio.client.eventsOf('refused').map(({ renewal }) => renewal)).toEqual([true])
  })

  it('that nobody looks up ends with the patience for the first gateway', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: name } } }))
    trio.clock.advance(300_000)
    expect(trio.client.ike.status()).toEqual([])
    const [asked] = trio.client.eventsOf('resolve')
    expect(trio.client.ike.resolved(asked!.token, parseIp(third), trio.clock.now)).toEqual([])
    expect(trio.client.ike.resolved(99, parseIp(third), trio.clock.now)).toEqual([])
  })
})

describe('a redirection that is not followed', () => {
  it('is explained when following is off', () => {
    const trio = makeTrio({ client: { redirect: { follow: false } } })
    trio.network.path = alterInit('response', (payloads) => {
      const nonce = payloads.find(({ kind }) => kind === 'Nonce')
      return nonce === undefined ? payloads : [notify(NotifyType.REDIRECT, sentBack(trio))]
    })
    connect(trio)
    expect(refusals(trio.client)[0]?.hint).toContain('connections.office.redirect.follow: true')
    expect(trio.client.ike.status()).toEqual([])
  })

  it('and was not asked for does not end the attempt when the good answer comes', () => {
    const trio = makeTrio({ client: { redirect: { follow: false } } })
    const forge = alterInit('response', (payloads) =>
      payloads.some(({ kind }) => kind === 'Nonce') ? [notify(NotifyType.REDIRECT, sentBack(trio))] : payloads,
    )
    trio.network.path = (datagram) => {
      const [forged] = forge(datagram)
      return forged === datagram ? [datagram] : [forged!, { ...datagram, delayMs: 500 }]
    }
    connect(trio)
    expect(refusals(trio.client)).toEqual([])
    expect(standing(trio.client)).toEqual([`${right} net`])
  })

  it('is explained when it is the sixth within five minutes, and those before are forgotten afterwards', () => {
    const trio = connect(makeTrio())
    const gateways = [third, right]
    for (let turn = 0; turn < 6; turn++) {
      const at = turn % 2 === 0 ? trio.first : trio.second
      const id = at.ike.status().find(({ state }) => state === 'established')!.sa.id
      at.perform(at.ike.redirect(id, gateways[turn % 2]!, trio.clock.now))
      trio.clock.advance(6_000)
    }
    expect(refusals(trio.client).map(({ hint }) => hint)).toEqual([
      'look at the gateways: each of them sends us to another one',
    ])
    expect(standing(trio.client)).toEqual([`${third} net`])
    trio.clock.advance(300_000)
    connect(trio)
    const id = trio.first.ike.status()[0]!.sa.id
    trio.first.perform(trio.first.ike.redirect(id, third, trio.clock.now))
    trio.clock.advance(6_000)
    expect(standing(trio.client)).toEqual([`${third} net`])
  })

  it('is not heeded without the nonce of our request', () => {
    const trio = makeTrio()
    trio.network.path = alterInit('response', () => [
      notify(NotifyType.REDIRECT, encodeGateway(parseGateway(third), new Uint8Array(32))),
    ])
    connect(trio)
    expect(trio.client.eventsOf('redirected')).toEqual([])
    trio.network.path = (datagram) => [datagram]
    trio.clock.advance(10_000)
    expect(standing(trio.client)).toEqual([`${right} net`])
  })

  it.each(['', '01', '0104c000', '010400000000', '0303612062', '0904c0000207'])(
    'is not heeded when it is malformed: %s',
    (hex) => {
      const trio = connect(makeTrio())
      alterPayloads((header, payloads) =>
        header.exchangeType === 37 && !header.flags.response && !header.flags.initiator
          ? [...payloads.filter(({ kind }) => kind !== 'N'), notify(NotifyType.REDIRECT, octetsOf(hex))]
          : payloads,
      )
      trio.first.perform(trio.first.ike.redirect(1, third, trio.clock.now))
      trio.clock.advance(3_000)
      expect(trio.client.eventsOf('redirected')).toEqual([])
      expect(standing(trio.client)).toEqual([`${right} net`])
    },
  )

  it('leads to a refusal there when that gateway is somebody else', () => {
    const trio = connect(makeTrio({ first: { redirect: { to: third } }, second: { localId: 'other.example.org' } }))
    expect(trio.client.eventsOf('ike-established')).toEqual([])
    expect(trio.client.eventsOf('refused')).toHaveLength(1)
    expect(trio.client.ike.status()).toEqual([])
  })

  it('is not offered to an initiator whose request does not ask for it', () => {
    const trio = makeTrio({ first: { redirect: { to: third } } })
    trio.network.path = alterInit('request', withoutNotify(NotifyType.REDIRECT_SUPPORTED))
    connect(trio)
    expect(trio.client.eventsOf('redirected')).toEqual([])
  })

  /** Data of a REDIRECT to `third` that has the nonce of the client's request. */
  function sentBack(trio: Trio): Uint8Array {
    const request = trio.network.sent[0]!.payload
    const nonce = request.findIndex(
      (_, at) => request[at] === 0x29 && toHex(request.subarray(at + 1, at + 4)) === '000024',
    )
    return encodeGateway(parseGateway(third), request.slice(nonce + 4, nonce + 36))
  }

  const octetsOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
})
