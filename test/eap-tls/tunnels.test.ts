import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EapMethod, gtc, md5Challenge, mschapv2 } from '../../src/eap/index.ts'
import { avp, decodeAvps, encodeAvps } from '../../src/eap-tls/avp.ts'
import { type EapPeapOptions, eapPeap, eapTtls } from '../../src/eap-tls/index.ts'
import { type Inside, say, wait } from '../../src/eap-tls/inside.ts'
import { decodeEnd, encodeEnd, withHeader, withoutHeader } from '../../src/eap-tls/peap-packet.ts'
import { tunnelMethod } from '../../src/eap-tls/tunnel.ts'
import { DecodeError } from '../../src/errors.ts'
import { ca, converse, failures, holder, only, type Sides, serverOptions, sharedKey, versions } from './world.ts'

const peerTls = { ca, serverNames: ['aaa.example.org'] }

const password = 'S3cret ünd long enough'
const serverRest = {
  credentials: { password: (name: string) => (name === 'alice@example.org' ? password : undefined) },
}
const peerRest = { credentials: { password: () => password }, anonymousIdentity: 'anonymous@example.org' }
const wrong = { ...peerRest, credentials: { password: () => 'guess' } }
const unknown = { ...peerRest, identity: 'bob@example.org' }

/** Each method for both sides, and what the peer hears when the password is wrong. */
type Make = (tls: { minimumVersion?: '1.2' | '1.3' }) => { server: EapMethod; peer: EapMethod }
const inner = ['pap', 'mschapv2', 'eap'] as const
const ttls = (kind: (typeof inner)[number], methods?: readonly EapMethod[]): Make => {
  const rest = methods === undefined ? {} : { methods }
  return (tls) => ({
    server: eapTtls({ ...serverOptions, ...tls, inner, ...rest }),
    peer: eapTtls({ ...peerTls, inner: [kind], ...rest }),
  })
}
const peap = (methods: readonly EapMethod[], peerMethods = methods): Make => {
  return (tls) => ({
    server: eapPeap({ ...serverOptions, ...tls, methods }),
    peer: eapPeap({ ...peerTls, methods: peerMethods }),
  })
}
const cases: [string, Make, RegExp][] = [
  ['TTLS with PAP', ttls('pap'), /refused our user name or password \(EAP-TTLS with PAP\)/],
  ['TTLS with MSCHAPv2', ttls('mschapv2'), /refused our user name or password \(EAP-TTLS with MSCHAPv2\)/],
  ['TTLS with EAP-MSCHAPv2', ttls('eap', [mschapv2]), /wrong user name or password/],
  ['TTLS with EAP-MD5', ttls('eap', [md5Challenge]), /password/],
  ['PEAP with MSCHAPv2', peap([mschapv2]), /wrong user name or password/],
  ['PEAP with GTC', peap([gtc]), /refused our user name or password/],
  ['PEAP where the peer wants another method first', peap([gtc, mschapv2], [mschapv2]), /wrong user name or password/],
]

describe.each(versions)('over TLS %s', (version) => {
  describe.each(cases)('%s', (_name, make, refusal) => {
    const sides = (rest: Partial<Sides> = {}): Sides => ({ ...make(only(version)), serverRest, peerRest, ...rest })

    it('proves the user, gives both the same MSK, and tells the name inside only', async () => {
      const outcome = await converse(sides())
      expect(sharedKey(outcome)).toHaveLength(64)
      expect(outcome.server).toMatchObject({ identity: 'alice@example.org', mutual: true })
      const seen = outcome.packets.map((packet) => Buffer.from(packet).toString('latin1')).join()
      expect(seen).toContain('anonymous@example.org')
      expect(seen).not.toContain('alice')
    })

    it('says on both sides that the password is wrong', async () => {
      const outcome = await converse(sides({ peerRest: wrong }))
      expect(failures(outcome).server).toMatch(/wrong password of alice@example.org/)
      expect(failures(outcome).peer).toMatch(refusal)
      expect(JSON.stringify(failures(outcome))).not.toContain('guess')
    })

    it('does not know everybody', async () => {
      const outcome = await converse(sides({ peerRest: unknown }))
      expect(failures(outcome).server).toMatch(/no user bob@example.org is known/)
    })

    it('gives no password to a server that it does not trust', async () => {
      let asked = 0
      const stranger = make({ ...only(version), ...holder('other-server') })
      const outcome = await converse(
        sides({ ...stranger, peerRest: { ...peerRest, credentials: { password: () => String(asked++) } } }),
      )
      expect(failures(outcome).peer).toMatch(/no CA of ours vouches/)
      expect(asked).toBe(0)
    })
  })
})

describe('EAP-TTLS', () => {
  it('is not led to a method that its options do not allow', async () => {
    const server = eapTtls({ ...serverOptions, inner: ['mschapv2'] })
    const outcome = await converse({ server, peer: eapTtls({ ...peerTls, inner: ['pap'] }), serverRest, peerRest })
    expect(failures(outcome).server).toBe('the peer wants PAP inside of EAP-TTLS; allowed here: mschapv2')
  })

  it('goes through in small fragments', async () => {
    sharedKey(await converse({ ...ttls('eap', [mschapv2])({}), serverRest, peerRest, mtu: 100 }))
  })

  it('does not believe EAP Success before the server has proved itself', async () => {
    const sides = { ...ttls('mschapv2')({}), serverRest, peerRest: wrong }
    const outcome = await converse({ ...sides, meddle: (packet) => (packet[0] === 4 ? successOf(packet) : packet) })
    expect(failures(outcome).peer).toMatch(/EAP Success before the server has proved/)
  })
})

describe('what a peer says inside', () => {
  it.each([
    ['EAP-TTLS', eapTtls({ ...serverOptions, inner, methods: [mschapv2] })],
    ['PEAP', eapPeap({ ...serverOptions, methods: [mschapv2] })],
  ])('ends %s, without a throw, when it is nonsense', async (_name, server) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (octets) => {
        const { type, name } = server
        const begin = () => (name === 'ttls' ? say(octets) : wait)
        const nonsense: Inside = { begin, heard: () => say(octets) }
        const peer = tunnelMethod({ type, name, label: 'x', server: () => nonsense, peer: () => nonsense }, peerTls)
        const outcome = await converse({ server, peer, serverRest, peerRest })
        expect(outcome.server.kind).toBe('failure')
        expect(outcome.packets.length).toBeLessThan(40)
      }),
      { numRuns: 20 },
    )
  })
})

describe('PEAP', () => {
  it('does not believe EAP Success where the inside says failure', async () => {
    const sides = { ...peap([gtc])({}), serverRest, peerRest: wrong }
    const outcome = await converse({ ...sides, meddle: (packet) => (packet[0] === 4 ? successOf(packet) : packet) })
    expect(failures(outcome).peer).toMatch(/EAP Success before the server said so inside/)
  })

  it('binds TLS and the method inside, where a side requires it', async () => {
    const both = (server: EapPeapOptions['cryptobinding'], peer: EapPeapOptions['cryptobinding']) =>
      converse({
        server: eapPeap({ ...serverOptions, methods: [mschapv2], ...(server && { cryptobinding: server }) }),
        peer: eapPeap({ ...peerTls, methods: [mschapv2], ...(peer && { cryptobinding: peer }) }),
        ...{ serverRest, peerRest },
      })
    sharedKey(await both('required', 'required'))
    sharedKey(await both('never', 'offered'))
    sharedKey(await both('offered', 'never'))
    expect(failures(await both('required', 'never')).server).toMatch(/cryptobinding is required/)
    expect(failures(await both('never', 'required')).peer).toMatch(/cryptobinding is required/)
  })

  it('finds somebody between who relays the method from another conversation', async () => {
    const relayed: EapMethod = {
      ...mschapv2,
      // The same method, with the key of another conversation.
      beginPeer(world) {
        const exchange = mschapv2.beginPeer!(world)
        const finish = () => ({ kind: 'success', msk: new Uint8Array(64), mutual: true }) as const
        return { next: (data, id) => exchange.next(data, id), finish, destroy: () => exchange.destroy() }
      },
    }
    const outcome = await converse({ ...peap([mschapv2], [relayed])({}), serverRest, peerRest })
    expect(failures(outcome).peer).toMatch(/somebody is between/)
  })

  it('names both sides when they have no method in common', async () => {
    const outcome = await converse({ ...peap([gtc], [mschapv2])({}), serverRest, peerRest })
    expect(failures(outcome).server).toMatch(
      /no EAP method in common: the peer does not take GTC \(6\); it wants MSCHAPv2/,
    )
    expect(failures(outcome).peer).toMatch(/no EAP method in common/)
  })
})

describe('what goes through the tunnels', () => {
  const avps = fc.array(
    fc.record({
      code: fc.nat(0xffff),
      vendor: fc.constantFrom(0, 311),
      mandatory: fc.boolean(),
      data: fc.uint8Array({ maxLength: 300 }),
    }),
    { maxLength: 6 },
  )

  it('are AVPs that come out as they went in (RFC 5281 §10.1)', () => {
    fc.assert(
      fc.property(avps, (some) => {
        expect(decodeAvps(encodeAvps(some))).toEqual(some)
      }),
    )
    expect(encodeAvps([avp(1, Uint8Array.of(65))])).toEqual(Uint8Array.of(0, 0, 0, 1, 0x40, 0, 0, 9, 65, 0, 0, 0))
  })

  it('gives values or a DecodeError for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        for (const decode of [decodeAvps, (data: Uint8Array) => decodeEnd(data, 1)]) {
          for (const data of [octets, Uint8Array.from([1, 9, 0, 5 + octets.length, 33, ...octets])]) {
            try {
              decode(data)
            } catch (error) {
              expect(error).toBeInstanceOf(DecodeError)
            }
          }
        }
      }),
    )
  })

  it('are EAP packets without their header, except those of the Extensions method ([MS-PEAP] §2.2.3)', () => {
    const identity = Uint8Array.of(1, 7, 0, 5, 1)
    expect(withoutHeader(identity)).toEqual(Uint8Array.of(1))
    expect(withHeader(Uint8Array.of(1), 1, 7)).toEqual(identity)
    expect(withHeader(identity, 1, 9)).toEqual(identity)
    const result = encodeEnd(2, 9, { result: 1, binding: undefined })
    expect(result).toEqual(Uint8Array.of(2, 9, 0, 11, 33, 0x80, 3, 0, 2, 0, 1))
    expect(withoutHeader(result)).toEqual(result)
    expect([decodeEnd(result, 2)?.result, decodeEnd(result, 1), decodeEnd(identity, 1)]).toEqual([
      1,
      undefined,
      undefined,
    ])
  })
})

/** EAP Success in the place of EAP Failure. */
const successOf = (packet: Uint8Array): Uint8Array => Uint8Array.of(3, packet[1]!, 0, 4)
