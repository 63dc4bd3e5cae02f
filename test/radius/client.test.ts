import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes/index.ts'
import { DecodeError } from '../../src/errors.ts'
import type { SocketAddress } from '../../src/ip/address.ts'
import { parseIp } from '../../src/ip/address.ts'
import { eapMessage, eapMessageAttributes, vendorValues } from '../../src/radius/attributes.ts'
import { RadiusClient, type RadiusOutcome, type RadiusServer } from '../../src/radius/index.ts'
import { decodeRadiusPacket, encodeRadiusPacket, type RadiusAttribute } from '../../src/radius/packet.ts'
import { radiusSession } from '../../src/radius/session-data.ts'
import { encodeResponse, messageAuthenticator, mppeKey } from '../../src/radius/signing.ts'
import { providers, worldWith } from '../eap/conversation.ts'

const { crypto, random } = worldWith()
const secret = Uint8Array.of(115, 51, 99, 114, 51, 116)
const first: RadiusServer = { at: { address: parseIp('192.0.2.1'), port: 1812 }, secret }
const second: RadiusServer = { at: { address: parseIp('192.0.2.2'), port: 1812 }, secret: Uint8Array.of(7) }

const attributes = fc.array(
  fc.record({ type: fc.nat(255), value: fc.uint8Array({ maxLength: 40 }) }) satisfies fc.Arbitrary<RadiusAttribute>,
  { maxLength: 8 },
)
const packets = fc.record({
  code: fc.nat(255),
  identifier: fc.nat(255),
  authenticator: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  attributes,
})

describe('RADIUS packets (RFC 2865 §3)', () => {
  it('come out as they went in, also with padding behind them', () => {
    fc.assert(
      fc.property(packets, fc.uint8Array({ maxLength: 5 }), (packet, padding) => {
        expect(decodeRadiusPacket(concat(encodeRadiusPacket(packet), padding))).toEqual(packet)
      }),
    )
  })

  it('give a value or a DecodeError for any prefix and any changed octet', () => {
    fc.assert(
      fc.property(packets, fc.nat(400), fc.nat(400), fc.nat(255), (packet, length, at, octet) => {
        const whole = encodeRadiusPacket(packet)
        whole[at % whole.length] = octet
        try {
          decodeRadiusPacket(whole.subarray(0, length))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })

  it('carry an EAP packet in pieces of 253 octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1200 }), (packet) => {
        const pieces = eapMessageAttributes(packet)
        expect(pieces.every(({ value }) => value.length <= 253)).toBe(true)
        expect(eapMessage(pieces)).toEqual(packet)
      }),
    )
  })

  it("find a vendor's attributes, several in one, and pass malformed ones over", () => {
    const of = (...value: number[]) => ({ type: 26, value: Uint8Array.from(value) })
    const all = [of(0, 0, 1, 55, 28, 4, 9, 9, 29, 3, 8), of(0, 0, 0, 9, 28, 3, 1), of(0, 0, 1, 55, 28, 200, 1), of(0)]
    expect(vendorValues(all, 311, 28)).toEqual([Uint8Array.of(9, 9)])
    expect(vendorValues(all, 311, 29)).toEqual([Uint8Array.of(8)])
    fc.assert(fc.property(attributes, (any) => void vendorValues(any, 311, 16)))
  })
})

describe.each(providers)('MS-MPPE keys with %s', (_, provider) => {
  it('come out as RFC 2548 §2.4.2 seals them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 48 }),
        fc.uint8Array({ minLength: 2, maxLength: 2 }),
        (key, salt) => {
          const authenticator = random(16)
          const plain = concat(Uint8Array.of(key.length), key, new Uint8Array(16 - ((key.length + 1) % 16)))
          let chain = concat(authenticator, salt)
          const blocks: Uint8Array[] = [salt]
          for (let at = 0; at < plain.length; at += 16) {
            const pad = provider.hash('md5', concat(secret, chain))
            chain = plain.slice(at, at + 16).map((octet, i) => octet ^ pad[i]!)
            blocks.push(chain)
          }
          expect(mppeKey(provider, concat(...blocks), authenticator, secret)).toEqual(key)
        },
      ),
    )
  })

  it('are undefined for what is no sealed key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        const key = mppeKey(provider, value, new Uint8Array(16), secret)
        expect(key === undefined || key.length < value.length).toBe(true)
      }),
    )
  })
})

interface Bench {
  readonly client: RadiusClient
  readonly sent: { octets: Uint8Array; to: SocketAddress }[]
  readonly outcomes: RadiusOutcome[]
  ask(now: number, server?: number): void
}

function bench(servers: readonly RadiusServer[] = [first, second]): Bench {
  const sent: Bench['sent'] = []
  const outcomes: RadiusOutcome[] = []
  const client = new RadiusClient({
    crypto,
    random,
    servers,
    send: (octets, to) => sent.push({ octets, to }),
    timeoutMs: 100,
    tries: 2,
    deadMs: 5000,
  })
  const ask = (now: number, server?: number) =>
    client.request(
      { code: 1, attributes: [{ type: 1, value: Uint8Array.of(97) }], ...(server !== undefined && { server }) },
      now,
      (outcome) => outcomes.push(outcome),
    )
  return { client, sent, outcomes, ask }
}

/** What a server with `key` would say to a request. */
function response(request: Uint8Array, key: Uint8Array, code = 2, signed = true): Uint8Array {
  const { identifier, authenticator } = decodeRadiusPacket(request)
  const empty = { code, identifier, attributes: signed ? [{ type: 80, value: new Uint8Array(16) }] : [] }
  if (!signed) return encodeResponse(crypto, empty, authenticator, key)
  const value = crypto.hmac('md5', key, encodeRadiusPacket({ ...empty, authenticator }))
  return encodeResponse(crypto, { ...empty, attributes: [{ type: 80, value }] }, authenticator, key)
}

describe('RadiusClient', () => {
  it('signs an Access-Request, first of all its attributes', () => {
    const { sent, ask } = bench()
    ask(0)
    const { octets, to } = sent[0]!
    expect(to).toEqual(first.at)
    expect(decodeRadiusPacket(octets).attributes.map(({ type }) => type)).toEqual([80, 1])
    expect(messageAuthenticator(crypto, octets, octets.subarray(4, 20), secret)).toBe('right')
    expect(messageAuthenticator(crypto, octets.with(22, octets[22]! ^ 1), octets.subarray(4, 20), secret)).toBe('wrong')
  })

  it('takes the answer once, from the server that was asked', () => {
    const { client, sent, outcomes, ask } = bench()
    ask(0)
    const answer = response(sent[0]!.octets, secret)
    expect(client.receive(answer, second.at)).toBe('unknown')
    expect(client.receive(answer, { ...first.at, port: 9 })).toBe('unknown')
    expect(client.receive(answer, first.at)).toBeUndefined()
    expect(client.receive(answer, first.at)).toBe('unknown')
    expect(outcomes).toMatchObject([{ ok: true, code: 2, server: 0 }])
    expect(client.next()).toBeUndefined()
  })

  it('drops what is forged, and an answer without Message-Authenticator (CVE-2024-3596)', () => {
    const { client, sent, outcomes, ask } = bench()
    ask(0)
    const { octets } = sent[0]!
    expect(client.receive(response(octets, Uint8Array.of(1)), first.at)).toBe('wrong-authenticator')
    expect(client.receive(response(octets, secret, 2, false), first.at)).toBe('no-message-authenticator')
    expect(client.receive(response(octets, secret, 5), first.at)).toBe('unknown')
    expect(client.receive(Uint8Array.of(2, 1), first.at)).toBe('malformed')
    expect(outcomes).toEqual([])
  })

  it('repeats the same datagram, then asks the next server, and that one first for a while', () => {
    const { client, sent, outcomes, ask } = bench()
    ask(0)
    client.due(client.next()!)
    expect(client.next()).toBe(300)
    client.due(300)
    expect(sent.map(({ to }) => to.address[3])).toEqual([1, 1, 2])
    expect(sent[1]!.octets).toEqual(sent[0]!.octets)
    client.receive(response(sent[2]!.octets, second.secret), second.at)
    expect(outcomes).toMatchObject([{ ok: true, server: 1 }])
    ask(400)
    expect(sent.at(-1)!.to).toBe(second.at)
    ask(300 + 5000)
    expect(sent.at(-1)!.to).toBe(first.at)
  })

  it('stays with the server that State belongs to', () => {
    const { client, sent, outcomes, ask } = bench()
    ask(0, 1)
    client.due(100)
    client.due(1000)
    expect(sent.map(({ to }) => to.address[3])).toEqual([2, 2])
    expect(outcomes).toEqual([{ ok: false, message: 'no answer of RADIUS at 192.0.2.2:1812' }])
  })

  it('has 256 requests under way to one server at most', () => {
    const { client, outcomes, ask } = bench([first])
    for (let count = 0; count < 257; count++) ask(0)
    expect(outcomes).toEqual([{ ok: false, message: 'too many requests to RADIUS are under way' }])
    client.close()
    expect(outcomes).toHaveLength(257)
  })
})

describe('an Access-Accept', () => {
  it('is read without minding what cannot be read', () => {
    fc.assert(fc.property(attributes, (any) => void radiusSession(any)))
    const text = (type: number, value: string) => ({ type, value: new TextEncoder().encode(value) })
    const session = radiusSession([
      { type: 8, value: Uint8Array.of(255, 255, 255, 254) },
      { type: 97, value: Uint8Array.of(0, 128, ...parseIp('fd00::7')) },
      text(22, 'not a route'),
      text(22, '10.1.0.0/16 10.1.0.1 1'),
      text(99, 'fd00:1::/32'),
      text(18, 'good '),
      text(18, 'morning'),
      { type: 27, value: Uint8Array.of(0, 0, 1, 0) },
      { type: 85, value: Uint8Array.of(0, 0, 0, 5) },
    ])
    expect(session.addresses).toEqual([parseIp('fd00::7')])
    expect(session.routes.map(({ start }) => start)).toEqual([parseIp('10.1.0.0'), parseIp('fd00:1::')])
    expect(session).toMatchObject({ replyMessage: 'good morning', sessionTimeout: 256, interimInterval: 60 })
  })
})
