import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeEapPacket,
  type EapMethod,
  type EapPacket,
  EapPeerSession,
  EapServerSession,
  EapType,
  encodeEapPacket,
  gtc,
  md5Challenge,
} from '../../src/eap/index.ts'
import { DecodeError } from '../../src/errors.ts'
import { converse, providers, worldWith } from './conversation.ts'

const known = { password: (identity: string) => (identity === 'alice' ? 'secret' : undefined) }
const secret = { password: () => 'secret' }

const packets = fc.oneof(
  fc.record({
    code: fc.constantFrom<1 | 2>(1, 2),
    identifier: fc.nat(255),
    type: fc.nat(255),
    data: fc.uint8Array({ maxLength: 60 }),
  }),
  fc.record({ code: fc.constantFrom<3 | 4>(3, 4), identifier: fc.nat(255) }),
) satisfies fc.Arbitrary<EapPacket>

describe('EAP packets (RFC 3748 §4)', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        expect(decodeEapPacket(encodeEapPacket(packet))).toEqual(packet)
      }),
    )
  })

  it('give a value or a DecodeError for any prefix and any octets', () => {
    const check = (octets: Uint8Array) => {
      try {
        decodeEapPacket(octets)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), check))
    fc.assert(
      fc.property(packets, fc.nat(60), (packet, length) => {
        const whole = encodeEapPacket(packet)
        if (length < whole.length) expect(() => decodeEapPacket(whole.subarray(0, length))).toThrow(DecodeError)
      }),
    )
  })

  it('lose the padding behind Length', () => {
    expect(decodeEapPacket(Uint8Array.of(1, 7, 0, 6, 1, 65, 99, 99))).toEqual({
      code: 1,
      identifier: 7,
      type: 1,
      data: Uint8Array.of(65),
    })
  })
})

describe('server and peer', () => {
  it.each(providers)('agree on MD5-Challenge (%s)', async (_, crypto) => {
    const { server, peer } = await converse({
      crypto,
      methods: [md5Challenge],
      server: { credentials: known },
      peer: { credentials: secret },
    })
    expect(server).toMatchObject({ kind: 'success', identity: 'alice', method: 'md5', msk: undefined, mutual: false })
    expect(peer).toMatchObject({ kind: 'success', method: 'md5' })
  })

  it('compute the response of RFC 1994: MD5 over identifier, secret, challenge', async () => {
    const session = new EapPeerSession({
      world: worldWith(),
      methods: [md5Challenge],
      credentials: secret,
      identity: 'alice',
    })
    const challenge = Uint8Array.of(4, 1, 2, 3, 4)
    const result = await session.receive(encodeEapPacket({ code: 1, identifier: 9, type: 4, data: challenge }))
    // printf '\x09secret\x01\x02\x03\x04' | md5sum
    expect(result).toEqual({
      kind: 'send',
      packet: encodeEapPacket({
        code: 2,
        identifier: 9,
        type: 4,
        data: Buffer.concat([
          Buffer.of(16),
          Buffer.from('326e94a2d20562c83ccbe6c275dd41a2', 'hex'),
          Buffer.from('alice'),
        ]),
      }),
    })
  })

  it('agree on GTC', async () => {
    const { server, peer } = await converse({
      methods: [gtc],
      server: { credentials: known },
      peer: { credentials: secret },
    })
    expect([server.kind, peer.kind]).toEqual(['success', 'success'])
  })

  it('do without Identity where the identity is known', async () => {
    const { server, packets } = await converse({
      methods: [md5Challenge],
      server: { credentials: known, identity: 'alice' },
      peer: { credentials: secret, identity: 'other' },
    })
    expect(server).toMatchObject({ kind: 'success', identity: 'alice' })
    expect(packets.map((packet) => packet[4])).toEqual([4, 4, undefined])
  })

  it('wait for credentials that take their time', async () => {
    const { server, peer } = await converse({
      methods: [md5Challenge],
      server: { credentials: { password: async (name) => known.password(name) } },
      peer: { credentials: { password: async () => 'secret' } },
    })
    expect([server.kind, peer.kind]).toEqual(['success', 'success'])
  })

  it.each([md5Challenge, gtc])(
    'refuse a wrong password and an unknown user, without the password in the message ($name)',
    async (method) => {
      for (const [identity, password, reason] of [
        ['alice', 'hunter2', 'wrong password of alice'],
        ['bob', 'hunter2', 'no user bob is known'],
      ] as const) {
        const { server, peer } = await converse({
          methods: [method],
          server: { credentials: known },
          peer: { credentials: { password: () => password }, identity },
        })
        expect(server).toMatchObject({ kind: 'failure', message: reason })
        expect(peer).toMatchObject({
          kind: 'failure',
          message: expect.stringContaining('refused our user name or password'),
        })
        expect(JSON.stringify([server, peer])).not.toContain(password)
      }
    },
  )

  it('end when a database of users fails', async () => {
    const { server } = await converse({
      methods: [md5Challenge],
      server: { credentials: { password: () => Promise.reject(new Error('the database is away')) } },
      peer: { credentials: secret },
    })
    expect(server).toMatchObject({ kind: 'failure', message: 'the database is away' })
  })
})

describe('choosing a method', () => {
  it('goes to the first one of the server that the peer asks for in its Nak', async () => {
    const { server, peer, packets } = await converse({
      methods: [],
      server: { methods: [md5Challenge, gtc], credentials: known },
      peer: { methods: [gtc], credentials: secret },
    })
    expect(server).toMatchObject({ kind: 'success', method: 'gtc' })
    expect(peer).toMatchObject({ kind: 'success', method: 'gtc' })
    expect(packets[3]).toEqual(Uint8Array.of(2, packets[2]![1]!, 0, 6, 3, 6))
  })

  it('says what each side wants when there is nothing in common', async () => {
    const { server, peer } = await converse({
      server: { methods: [md5Challenge], credentials: known },
      peer: { methods: [gtc], credentials: secret },
    })
    expect(server).toMatchObject({
      kind: 'failure',
      message: 'no EAP method in common: the peer does not take MD5-Challenge (4); it wants GTC (6)',
    })
    expect(peer).toMatchObject({
      kind: 'failure',
      message: 'no EAP method in common: the server wants MD5-Challenge (4); we take GTC (6)',
    })
  })

  it('answers an Expanded request with an Expanded Nak, which a server understands (RFC 3748 §5.3.2)', async () => {
    const vendor: EapMethod = {
      type: EapType.Expanded,
      name: 'vendor',
      beginServer: () => ({
        start: () => ({ kind: 'request', data: Uint8Array.of(0, 1, 2, 0, 0, 0, 9) }),
        next: () => ({ kind: 'failure', message: 'never' }),
        destroy() {},
      }),
    }
    const { server, packets } = await converse({
      server: { methods: [vendor, md5Challenge, gtc], credentials: known },
      peer: { methods: [gtc], credentials: secret },
    })
    expect(server).toMatchObject({ kind: 'success', method: 'gtc' })
    expect(packets[3]!.subarray(4)).toEqual(Uint8Array.of(254, 0, 0, 0, 0, 0, 0, 3, 254, 0, 0, 0, 0, 0, 0, 6))
  })

  it('is over when the peer says Nak in the middle of a method', async () => {
    const twoRounds: EapMethod = {
      type: 200,
      name: 'two-rounds',
      beginServer: () => ({
        start: () => ({ kind: 'request', data: Uint8Array.of(1) }),
        next: () => ({ kind: 'request', data: Uint8Array.of(2) }),
        destroy() {},
      }),
      beginPeer: () => ({
        next: () => ({ kind: 'response', data: Uint8Array.of(1) }),
        finish: () => ({ kind: 'failure', message: 'not done' }),
        destroy() {},
      }),
    }
    const { server } = await converse({
      methods: [twoRounds, gtc],
      meddle: (packet, by, round) =>
        by === 'peer' && round === 5 ? Uint8Array.of(2, packet[1]!, 0, 6, 3, 6) : undefined,
    })
    expect(server).toMatchObject({ kind: 'failure', message: 'a Nak in the middle of type 200' })
  })
})

describe('the peer', () => {
  const newPeer = (onNotification?: (text: string) => void) =>
    new EapPeerSession({
      world: worldWith(),
      methods: [md5Challenge],
      credentials: secret,
      identity: 'alice',
      ...(onNotification && { onNotification }),
    })
  const request = (type: number, data: Uint8Array, identifier = 1) =>
    encodeEapPacket({ code: 1, identifier, type, data })

  it('does not take EAP Success before the method is done', async () => {
    const peer = newPeer()
    await peer.receive(request(1, new Uint8Array(0)))
    expect(await peer.receive(Uint8Array.of(3, 2, 0, 4))).toEqual({
      kind: 'failure',
      message: 'EAP Success without any method',
    })
  })

  it('shows a Notification and answers it', async () => {
    const shown: string[] = []
    const peer = newPeer((text) => shown.push(text))
    const result = await peer.receive(request(2, Buffer.from('Your password ends tomorrow')))
    expect(result).toEqual({ kind: 'send', packet: Uint8Array.of(2, 1, 0, 5, 2) })
    expect(shown).toEqual(['Your password ends tomorrow'])
  })

  it('gives a request that comes once more the same answer', async () => {
    const peer = newPeer()
    const first = await peer.receive(request(4, Uint8Array.of(2, 5, 6)))
    expect(await peer.receive(request(4, Uint8Array.of(2, 5, 6)))).toEqual(first)
  })

  it('says another name where the real one is for the inside of a tunnel', async () => {
    const peer = new EapPeerSession({
      world: worldWith(),
      methods: [],
      credentials: {},
      identity: 'alice',
      anonymousIdentity: '@example.org',
    })
    expect(await peer.receive(request(1, new Uint8Array(0)))).toMatchObject({
      packet: request(1, Buffer.from('@example.org')).with(0, 2),
    })
  })

  it('ends when the server changes the method, or asks for the identity in its middle', async () => {
    for (const [type, reason] of [
      [6, 'the server began GTC (6) after MD5-Challenge (4)'],
      [1, 'the server asked for the identity too late'],
    ] as const) {
      const peer = newPeer()
      await peer.receive(request(4, Uint8Array.of(2, 5, 6)))
      expect(await peer.receive(request(type, new Uint8Array(0), 2))).toEqual({ kind: 'failure', message: reason })
      expect(await peer.receive(request(4, Uint8Array.of(2, 5, 6)))).toMatchObject({ kind: 'failure' })
    }
  })

  it('gives up after too many rounds', async () => {
    const peer = new EapPeerSession({ world: worldWith(), methods: [], credentials: {}, identity: 'a', maxRounds: 3 })
    for (let round = 0; round < 3; round++) await peer.receive(request(2, new Uint8Array(0), round))
    expect(await peer.receive(request(2, new Uint8Array(0), 9))).toMatchObject({
      message: expect.stringContaining('3 rounds'),
    })
  })
})

describe('the server', () => {
  const newServer = () =>
    new EapServerSession({ world: worldWith(), methods: [md5Challenge], credentials: known, identity: undefined })

  it('refuses what does not answer its request', async () => {
    const cases: [(identifier: number) => Uint8Array, string][] = [
      [(id) => Uint8Array.of(2, id + 1, 0, 6, 1, 65), 'the peer answered request'],
      [(id) => Uint8Array.of(1, id, 0, 6, 1, 65), 'the peer sent EAP Code 1'],
      [(id) => Uint8Array.of(2, id, 0, 6, 4, 65), 'MD5-Challenge (4) in answer to Identity'],
      [(id) => Uint8Array.of(2, id, 0, 3, 1, 65), 'Length 3 is less than a header'],
    ]
    for (const [answer, reason] of cases) {
      const server = newServer()
      const first = await server.begin()
      const result = await server.receive(answer(first.packet[1]!))
      expect(result).toMatchObject({ kind: 'failure', message: expect.stringContaining(reason) })
      expect(result.packet).toEqual(Uint8Array.of(4, first.packet[1]!, 0, 4))
    }
  })

  it('reads the identity up to a NUL', async () => {
    const server = newServer()
    const { packet } = await server.begin()
    const name = encodeEapPacket({ code: 2, identifier: packet[1]!, type: 1, data: Buffer.from('bob\0nas=1') })
    const challenge = await server.receive(name)
    const answer = encodeEapPacket({ code: 2, identifier: challenge.packet[1]!, type: 4, data: Uint8Array.of(1, 1) })
    expect(await server.receive(answer)).toMatchObject({ message: 'no user bob is known' })
  })
})
