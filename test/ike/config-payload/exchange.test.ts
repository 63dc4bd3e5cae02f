import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  CfgAttribute,
  CfgType,
  type CpPayload,
  ExchangeType,
  NotifyType,
  type Payload,
} from '../../../src/ike/codec/index.ts'
import { decodeAttribute, supportedAttributes } from '../../../src/ike/config-payload/attribute.ts'
import type { Answer } from '../../../src/ike/questions.ts'
import { parseIp } from '../../../src/ip/address.ts'
import { buildUdp } from '../../../src/ip/build.ts'
import { formatRange } from '../../../src/ip/prefix.ts'
import type { VirtualGateway } from '../../../src/testing/virtual-gateway.ts'
import { alterPayloads } from '../alter.ts'
import { dial, office, texts } from './support.ts'

afterEach(() => vi.restoreAllMocks())

const childTs = (gateway: VirtualGateway) => gateway.ikeSa.children.map(({ localTs, remoteTs }) => [localTs, remoteTs])
const refusals = (gateway: VirtualGateway) => gateway.eventsOf('refused').map(({ refusal }) => refusal)
const cpOf = (payloads: readonly Payload[]) => payloads.find((payload): payload is CpPayload => payload.kind === 'CP')
const freed = (gateway: VirtualGateway) => gateway.eventsOf('ike-closed').flatMap(({ addresses }) => texts(addresses))

describe('a client that asks for an address', () => {
  it('gets one with all that belongs to it, and a CHILD_SA for it alone', () => {
    const { clock, server, questions, client } = office()
    const anna = client('anna', 1)
    dial(anna, clock)
    expect(childTs(anna)).toEqual([[['10.3.0.1/32'], ['10.1.0.0/16']]])
    expect(childTs(server)).toEqual([[['10.1.0.0/16'], ['10.3.0.1/32']]])
    const [configured] = anna.eventsOf('configured')
    expect(texts(configured?.addresses)).toEqual(['10.3.0.1'])
    expect(texts(configured?.dns)).toEqual(['10.1.0.53'])
    expect(configured?.subnets.map(formatRange)).toEqual(['10.1.0.0/16'])
    expect(configured).toMatchObject({ domains: [{ name: 'corp.example' }], unknown: [], ignored: [] })
    expect(server.eventsOf('assigned')).toMatchObject([{ addresses: [parseIp('10.3.0.1')] }])
    expect(texts(anna.ikeSa.virtualIps)).toEqual(['10.3.0.1'])
    expect(texts(server.ikeSa.assignedIps)).toEqual(['10.3.0.1'])
    expect(questions).toMatchObject([
      { kind: 'assign', pools: ['rw'], held: [], peer: { connection: 'rw', methods: ['psk'] } },
    ])
  })

  it('gets one of each family', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1, { virtualIps: ['0.0.0.0', '::'] })
    dial(anna, clock)
    expect(texts(anna.ikeSa.virtualIps)).toEqual(['10.3.0.1', 'fd00:3::1'])
    // Nothing on our side is of IPv6.
    expect(childTs(server)).toEqual([[['10.1.0.0/16'], ['10.3.0.1/32', 'fd00:3::1/128']]])
  })

  it('gets the address that it names, when that is free', () => {
    const { clock, client } = office()
    const anna = client('anna', 1, { virtualIps: ['10.3.0.7'] })
    const bert = client('bert', 2, { virtualIps: ['10.3.0.7'] })
    dial(anna, clock)
    dial(bert, clock)
    expect([anna, bert].map((one) => texts(one.ikeSa.virtualIps))).toEqual([['10.3.0.7'], ['10.3.0.1']])
  })

  it('gives it back when it leaves, and has it again when it returns', () => {
    const { clock, server, pools, client } = office()
    const [anna, bert] = [client('anna', 1), client('bert', 2)]
    dial(anna, clock)
    dial(bert, clock)
    expect(texts(bert.ikeSa.virtualIps)).toEqual(['10.3.0.2'])
    for (const one of [bert, anna]) one.perform(one.ike.deleteIke(one.ikeSa.sa.id, one.now))
    clock.advance(1000)
    expect(freed(server)).toEqual(['10.3.0.2', '10.3.0.1'])
    expect(pools.status()[0]).toMatchObject({ leases: 2, online: 0 })
    dial(bert, clock)
    dial(anna, clock)
    expect([anna, bert].map((one) => texts(one.ikeSa.virtualIps))).toEqual([['10.3.0.1'], ['10.3.0.2']])
  })

  it('asks for what it had, so that a gateway that lost its memory can give it again', () => {
    const { clock, client } = office()
    const anna = client('anna', 1)
    dial(anna, clock)
    anna.perform(anna.ike.deleteIke(anna.ikeSa.sa.id, anna.now))
    clock.advance(1000)
    const asked: (Uint8Array | undefined)[] = []
    alterPayloads((header, payloads) => {
      const cp = cpOf(payloads)
      if (!header.flags.response && cp !== undefined)
        asked.push(cp.attributes.find(({ type }) => type === CfgAttribute.INTERNAL_IP4_ADDRESS)?.value)
      return payloads
    })
    dial(anna, clock)
    expect(asked).toEqual([parseIp('10.3.0.1')])
  })

  it('keeps it while its IKE_SA is rekeyed by either end, and it is free only after that', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1)
    dial(anna, clock)
    for (const one of [anna, server]) {
      one.perform(one.ike.rekeyIke(one.ikeSa.sa.id, one.now))
      clock.advance(200_000)
    }
    expect(anna.eventsOf('ike-rekeyed')).toHaveLength(2)
    expect(texts(anna.ikeSa.virtualIps)).toEqual(['10.3.0.1'])
    expect(texts(server.ikeSa.assignedIps)).toEqual(['10.3.0.1'])
    expect(freed(server)).toEqual([])
    anna.perform(anna.ike.deleteIke(anna.ikeSa.sa.id, anna.now))
    clock.advance(1000)
    expect(freed(server)).toEqual(['10.3.0.1'])
    expect(anna.eventsOf('configured')).toHaveLength(1)
  })

  it('keeps it through a reauthentication, also when the pool is full', () => {
    const { clock, server, questions, client } = office({
      pool: { ranges: [], reserved: [{ identity: 'anna', address: parseIp('10.3.0.1') }] },
    })
    const anna = client('anna', 1)
    dial(anna, clock)
    anna.perform(anna.ike.reauthenticate(anna.ikeSa.sa.id, anna.now))
    clock.advance(30_000)
    expect(questions.map((question) => (question.kind === 'assign' ? texts(question.held) : []))).toEqual([
      [],
      ['10.3.0.1'],
    ])
    expect(server.eventsOf('ike-closed')).toMatchObject([{ reason: 'peer' }])
    expect(freed(server)).toEqual([])
    expect(childTs(anna)).toEqual([[['10.3.0.1/32'], ['10.1.0.0/16']]])
    expect(server.status()).toHaveLength(1)
  })

  it('keeps it when it comes back after a crash, while its old IKE_SA still stands', () => {
    const { clock, server, pools, client } = office()
    const anna = client('anna', 1)
    dial(anna, clock)
    anna.crash()
    anna.restart()
    dial(anna, clock)
    expect(texts(anna.ikeSa.virtualIps)).toEqual(['10.3.0.1'])
    clock.advance(120_000)
    expect(server.status()).toHaveLength(1)
    expect(freed(server)).toEqual([])
    expect(pools.status()[0]).toMatchObject({ leases: 1, online: 1 })
  })
})

describe('a gateway without an address for a peer', () => {
  it('says why, leaves the IKE_SA standing, and the client tells its user', () => {
    const { clock, server, client } = office({
      pool: { ranges: [], reserved: [{ identity: 'boss', address: parseIp('10.3.0.1') }] },
    })
    const anna = client('anna', 1)
    dial(anna, clock)
    expect(refusals(server)).toMatchObject([
      {
        kind: 'no-address',
        by: 'local',
        message: expect.stringContaining('anna gets no address and so no CHILD_SA: no address for anna'),
        hint: 'pools.rw.addresses: add a range',
      },
    ])
    expect(server.eventsOf('ike-established')).toHaveLength(1)
    expect(server.eventsOf('child-established')).toEqual([])
    expect(refusals(anna)).toMatchObject([
      {
        kind: 'no-address',
        by: 'peer',
        detail: 'INTERNAL_ADDRESS_FAILURE',
        message: expect.stringContaining('any IPv4 address'),
      },
    ])
    expect([...server.status(), ...anna.status()]).toEqual([])
    expect(freed(server)).toEqual([])
  })

  it('refuses further CHILD_SAs for the same reason', () => {
    const answers = (): Answer => ({ ok: false, message: 'not today', hint: 'come tomorrow' })
    const { clock, server, client } = office({ answers })
    const anna = client('anna', 1, { childless: 'force' })
    dial(anna, clock)
    anna.perform(anna.ike.createChild(anna.ikeSa.sa.id, 'net', anna.now))
    clock.advance(1000)
    // The one that belongs to the set-up, and the one that was asked for.
    expect(refusals(anna)).toMatchObject([
      { detail: 'INTERNAL_ADDRESS_FAILURE' },
      { detail: 'INTERNAL_ADDRESS_FAILURE' },
    ])
    expect(anna.ikeSa.children).toEqual([])
    expect(refusals(server)).toHaveLength(3)
    for (const { message } of refusals(server)) expect(message).toContain('not today')
  })

  it('may want every peer to ask', () => {
    const { clock, server, questions, client } = office({ server: { addressRequired: true } })
    const anna = client('anna', 1, {
      virtualIps: [],
      children: [{ name: 'net', localTs: ['10.3.0.1'], remoteTs: ['10.1.0.0/16'] }],
    })
    dial(anna, clock)
    expect(questions).toEqual([])
    expect(refusals(server)).toMatchObject([
      { detail: 'FAILED_CP_REQUIRED', hint: expect.stringContaining('connections.rw.remote.addressRequired') },
    ])
    expect(refusals(anna)).toMatchObject([
      { by: 'peer', detail: 'FAILED_CP_REQUIRED', hint: expect.stringContaining('local.virtualIps') },
    ])
  })

  it('lets peers in that do not ask, when it does not want that', () => {
    const { clock, client } = office({
      server: { children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.9.0.0/16'] }] },
    })
    const anna = client('anna', 1, {
      virtualIps: [],
      children: [{ name: 'net', localTs: ['10.9.0.0/16'], remoteTs: ['10.1.0.0/16'] }],
    })
    dial(anna, clock)
    expect(childTs(anna)).toEqual([[['10.9.0.0/16'], ['10.1.0.0/16']]])
  })

  it('answers nothing where it has no pools, and the client does not go on without', () => {
    const { clock, server, client } = office({ server: { pools: [] } })
    const anna = client('anna', 1)
    dial(anna, clock)
    expect(refusals(anna)).toMatchObject([
      { kind: 'no-address', by: 'local', message: expect.stringContaining('its CFG_REPLY has none') },
    ])
    expect([...server.status(), ...anna.status()]).toEqual([])
    expect(anna.eventsOf('child-established')).toEqual([])
    const why = 'it asks for an address, and connections.rw.remote.pools names no pool'
    expect(server.eventsOf('assigned')).toMatchObject([{ addresses: [], ignored: [why] }])
    expect([...server.databases.states()]).toEqual([])
    expect([...anna.databases.states()]).toEqual([])
  })

  it('never gives one address to two, whoever answers', () => {
    const answers = (): Answer => ({ ok: true, addresses: [parseIp('10.3.0.5'), parseIp('fd00::5')], attributes: [] })
    const { clock, server, client } = office({ answers })
    const [anna, bert] = [client('anna', 1), client('bert', 2)]
    dial(anna, clock)
    dial(bert, clock)
    expect(refusals(server)).toMatchObject([
      { message: expect.stringContaining('10.3.0.5, which it was to have, is with anna on IKE_SA rw[1]') },
    ])
    expect(server.eventsOf('unassigned')).toEqual([])
    expect(server.status()).toHaveLength(1)
  })

  it('tells of addresses that were given to who is gone', () => {
    const { clock, server, client } = office({ answers: () => undefined })
    const anna = client('anna', 1)
    const asked: number[] = []
    const perform = server.perform.bind(server)
    vi.spyOn(server, 'perform').mockImplementation((actions) => {
      for (const action of actions) if (action.type === 'ask') asked.push(action.token)
      perform(actions)
    })
    dial(anna, clock)
    clock.advance(200_000)
    expect(server.status()).toEqual([])
    perform(server.ike.answered(asked[0]!, { ok: true, addresses: [parseIp('10.3.0.5')], attributes: [] }, server.now))
    expect(server.eventsOf('unassigned')).toEqual([{ kind: 'unassigned', addresses: [parseIp('10.3.0.5')] }])
  })
})

describe('what goes over the wire', () => {
  it('is told of split DNS and encrypted DNS only to who asks for it (RFC 8598 §3.2, RFC 9464 §4)', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1)
    const told: number[][] = []
    alterPayloads((header, payloads) => {
      const cp = cpOf(payloads)
      if (cp === undefined || header.exchangeType !== ExchangeType.IKE_AUTH) return payloads
      if (header.flags.response) told.push(cp.attributes.map(({ type }) => type))
      const attributes = cp.attributes.filter(({ type }) => type < CfgAttribute.INTERNAL_DNS_DOMAIN)
      return payloads.map((payload) => (payload === cp ? { ...cp, attributes } : payload))
    })
    dial(anna, clock)
    expect(told).toEqual([
      [
        CfgAttribute.INTERNAL_IP4_ADDRESS,
        CfgAttribute.INTERNAL_IP4_DNS,
        CfgAttribute.INTERNAL_IP4_SUBNET,
        CfgAttribute.APPLICATION_VERSION,
      ],
    ])
    expect(server.eventsOf('assigned')[0]!.attributes.map(({ type }) => type)).toEqual([3, 13])
  })

  it('stands before SA, and the asking one offers any address', () => {
    const { clock, client } = office()
    const anna = client('anna', 1)
    const kinds: string[][] = []
    alterPayloads((header, payloads) => {
      if (header.exchangeType === ExchangeType.IKE_AUTH)
        kinds.push(payloads.map(({ kind }) => kind).filter((kind) => kind !== 'N'))
      return payloads
    })
    dial(anna, clock)
    expect(kinds).toEqual([
      ['IDi', 'IDr', 'AUTH', 'CP', 'SA', 'TSi', 'TSr'],
      ['IDr', 'AUTH', 'CP', 'SA', 'TSi', 'TSr'],
    ])
  })

  it('is malformed in places: what is good of it is taken, and the rest told', () => {
    const { clock, client } = office()
    const anna = client('anna', 1)
    alterPayloads((header, payloads) =>
      payloads.map((payload) =>
        payload.kind === 'CP' && header.flags.response
          ? {
              ...payload,
              attributes: [
                { type: CfgAttribute.INTERNAL_IP4_DNS, value: Uint8Array.of(1, 2) },
                { type: 30000, value: Uint8Array.of(9) },
                ...payload.attributes,
              ],
            }
          : payload,
      ),
    )
    dial(anna, clock)
    expect(anna.eventsOf('configured')).toMatchObject([
      {
        addresses: [parseIp('10.3.0.1')],
        unknown: [{ type: 30000 }],
        ignored: [expect.stringContaining('INTERNAL_IP4_DNS')],
      },
    ])
  })

  it('is malformed in places of the request: the rest is answered, and that is told', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1)
    alterPayloads((header, payloads) =>
      payloads.map((payload) =>
        payload.kind === 'CP' && !header.flags.response
          ? { ...payload, attributes: [{ type: CfgAttribute.INTERNAL_IP4_ADDRESS, value: Uint8Array.of(10, 3) }] }
          : payload,
      ),
    )
    dial(anna, clock)
    expect(server.eventsOf('assigned')).toMatchObject([
      { addresses: [parseIp('10.3.0.1')], ignored: [expect.stringContaining('INTERNAL_IP4_ADDRESS')] },
    ])
    expect(texts(anna.ikeSa.virtualIps)).toEqual(['10.3.0.1'])
  })

  it('does not make the client take more than its address, if the gateway does not narrow', () => {
    const { clock, client } = office()
    const anna = client('anna', 1)
    const any = {
      tsType: 7,
      protocol: 0,
      startPort: 0,
      endPort: 65535,
      startAddress: parseIp('0.0.0.0'),
      endAddress: parseIp('255.255.255.255'),
    } as const
    alterPayloads((header, payloads) =>
      payloads.map((payload) =>
        payload.kind === 'TSi' && header.flags.response ? { ...payload, selectors: [any] } : payload,
      ),
    )
    dial(anna, clock)
    expect(childTs(anna)).toEqual([[['10.3.0.1/32'], ['10.1.0.0/16']]])
  })

  it('gives version and supported attributes to who asks in INFORMATIONAL, and takes nothing from CFG_SET (RFC 7296 §2.20, §3.15)', () => {
    const { clock, server, client } = office({ applicationVersion: 'gate 1.0', server: { livenessDelayMs: 0 } })
    const anna = client('anna', 1)
    dial(anna, clock)
    let ask: CpPayload = { kind: 'CP', critical: false, cfgType: CfgType.CFG_REQUEST, attributes: [] }
    const answered: CpPayload[] = []
    alterPayloads((header, payloads) => {
      if (header.exchangeType !== ExchangeType.INFORMATIONAL) return payloads
      if (!header.flags.response) return [ask]
      answered.push(...payloads.filter((payload) => payload.kind === 'CP'))
      return payloads
    })
    const send = (cfgType: number, ...types: number[]) => {
      ask = { ...ask, cfgType, attributes: types.map((type) => ({ type, value: new Uint8Array(0) })) }
      clock.advance(40_000)
      return answered.splice(0)[0]
    }
    const version = send(
      CfgType.CFG_REQUEST,
      CfgAttribute.APPLICATION_VERSION,
      CfgAttribute.SUPPORTED_ATTRIBUTES,
      CfgAttribute.INTERNAL_IP4_ADDRESS,
    )
    expect(version?.cfgType).toBe(CfgType.CFG_REPLY)
    expect(version?.attributes.map(decodeAttribute)).toEqual([
      { kind: 'text', type: CfgAttribute.APPLICATION_VERSION, text: 'gate 1.0' },
      { kind: 'types', type: CfgAttribute.SUPPORTED_ATTRIBUTES, types: supportedAttributes },
    ])
    expect(send(CfgType.CFG_REQUEST)).toMatchObject({ cfgType: CfgType.CFG_REPLY, attributes: [] })
    expect(send(CfgType.CFG_SET, CfgAttribute.INTERNAL_IP4_DNS)).toMatchObject({
      cfgType: CfgType.CFG_ACK,
      attributes: [],
    })
    expect(send(CfgType.CFG_REPLY, CfgAttribute.INTERNAL_IP4_DNS)).toBeUndefined()
    expect(server.ikeSa.state).toBe('established')
  })

  it('ends the IKE_SA where the payload itself is broken (INVALID_SYNTAX)', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1)
    let answer: readonly Payload[] = []
    alterPayloads((header, payloads) => {
      if (header.flags.response) answer = payloads
      // More attributes than a payload may have.
      const many = Array.from({ length: 300 }, () => ({ type: 1, value: new Uint8Array(0) }))
      return payloads.map((payload) =>
        payload.kind === 'CP' && !header.flags.response ? { ...payload, attributes: many } : payload,
      )
    })
    dial(anna, clock)
    expect(answer).toMatchObject([{ kind: 'N', notify: NotifyType.INVALID_SYNTAX }])
    expect(server.status()).toEqual([])
  })
})

describe('inside the tunnel', () => {
  const udp = (from: string, to = '10.1.0.9') =>
    buildUdp({
      source: parseIp(from),
      destination: parseIp(to),
      sourcePort: 1,
      destinationPort: 2,
      data: new Uint8Array(8),
    })

  it('packets go both ways from the address that was given', () => {
    const { clock, server, client } = office()
    const anna = client('anna', 1)
    dial(anna, clock)
    const arrived: string[] = []
    server.onInner(() => arrived.push('server'))
    anna.onInner(() => arrived.push('anna'))
    expect(anna.inject(udp('10.3.0.1'))).toBe('sent')
    clock.advance(100)
    expect(server.inject(udp('10.1.0.9', '10.3.0.1'))).toBe('sent')
    clock.advance(100)
    expect(arrived).toEqual(['server', 'anna'])
  })

  it.each([
    ['another client', '10.3.0.2', 'XfrmInTmplMismatch'],
    ['nobody', '10.3.0.99', 'XfrmInNoPols'],
    ['a host behind the gateway', '10.1.0.1', 'XfrmInNoPols'],
  ] as const)('a packet with the address of %s is dropped and counted', (_who, source, counter) => {
    const { clock, server, client } = office()
    const [anna, bert] = [client('anna', 1), client('bert', 2)]
    dial(anna, clock)
    dial(bert, clock)
    const arrived: Uint8Array[] = []
    server.onInner((packet) => arrived.push(packet))
    // Its own databases keep an honest client from it.
    expect(anna.inject(udp(source))).toBe('XfrmOutPolBlock')
    const [reqid] = anna.ikeSa.children.map((child) => child.reqid)
    const any = { start: parseIp('0.0.0.0'), end: parseIp('255.255.255.255') }
    const ports = { first: 0, last: 65535 }
    anna.databases.newPolicy({
      index: 1000,
      direction: 'out',
      selector: { source: any, destination: any, protocol: 0, sourcePort: ports, destinationPort: ports },
      action: 'allow',
      priority: 1,
      templates: [
        { saddr: parseIp('192.0.2.1'), daddr: parseIp('198.51.100.2'), proto: 50, mode: 'tunnel', reqid: reqid! },
      ],
      label: 'forged',
    })
    expect(anna.inject(udp(source))).toBe('sent')
    clock.advance(100)
    expect(server.databases.stats.value(counter)).toBe(1)
    expect(arrived).toEqual([])
    expect(anna.inject(udp('10.3.0.1'))).toBe('sent')
    clock.advance(100)
    expect(arrived).toHaveLength(1)
  })
})
