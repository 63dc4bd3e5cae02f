import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EapPeerSession, EapServerSession } from '../../src/eap/index.ts'
import { eapTls } from '../../src/eap-tls/index.ts'
import { tlsSettings } from '../../src/eap-tls/secure-context.ts'
import { TlsEngine } from '../../src/eap-tls/tls-engine.ts'
import { TlsPipe } from '../../src/eap-tls/tls-pipe.ts'
import { worldWith } from '../eap/conversation.ts'
import { converse, only, peerOptions, serverOptions, sharedKey, versions } from './world.ts'

const mutation = fc.record({
  round: fc.nat(14),
  at: fc.nat(4000),
  kind: fc.constantFrom('flip', 'cut', 'grow'),
  value: fc.integer({ min: 1, max: 255 }),
})

function mutate(packet: Uint8Array, { at, kind, value }: { at: number; kind: string; value: number }): Uint8Array {
  const place = at % packet.length
  const changed = kind === 'grow' ? Uint8Array.from([...packet, value, value]) : packet.slice()
  if (kind === 'flip') changed[place]! ^= value
  const length = kind === 'cut' ? Math.max(place, 5) : changed.length
  const cut = changed.subarray(0, length)
  // The length of EAP's header is right, so that the method sees the rest.
  if (kind !== 'flip') new DataView(cut.buffer, cut.byteOffset).setUint16(2, cut.length)
  return cut
}

describe.each(versions)('EAP-TLS over TLS %s under fire', (version) => {
  const sides = { server: eapTls({ ...serverOptions, ...only(version) }), peer: eapTls(peerOptions), mtu: 600 }

  it('comes to an end, without a throw, whatever becomes of one packet', async () => {
    await fc.assert(
      fc.asyncProperty(mutation, async (change) => {
        const outcome = await converse({
          ...sides,
          meddle: (packet, _by, round) => (round === change.round ? mutate(packet, change) : packet),
        })
        if (outcome.server.kind === 'success' && outcome.peer.kind === 'success') sharedKey(outcome)
        else expect(outcome.packets.length).toBeLessThan(40)
      }),
      { numRuns: 40 },
    )
  })

  it('leaves nothing behind, wherever it is given up', async () => {
    const handles = () => process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate/.test(name)).length
    const before = handles()
    for (let rounds = 0; rounds < 8; rounds++) {
      const world = { ...worldWith(), mtu: 1400 }
      const server = new EapServerSession({ world, methods: [sides.server], credentials: {}, identity: undefined })
      const peer = new EapPeerSession({ world, methods: [sides.peer], credentials: {}, identity: 'alice@example.org' })
      let asked = await server.begin()
      for (let round = 0; round < rounds && asked.kind === 'send'; round++) {
        const answered = await peer.receive(asked.packet)
        if (answered.kind !== 'send') break
        asked = await server.receive(answered.packet)
      }
      server.destroy()
      peer.destroy()
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(handles()).toBe(before)
  })

  it('may be destroyed while it works', async () => {
    const world = worldWith()
    const server = new EapServerSession({ world, methods: [sides.server], credentials: {}, identity: 'alice' })
    const peer = new EapPeerSession({ world, methods: [sides.peer], credentials: {}, identity: 'alice' })
    const hello = await peer.receive((await server.begin()).packet)
    const working = server.receive('packet' in hello ? hello.packet : new Uint8Array(0))
    server.destroy()
    peer.destroy()
    expect(['send', 'failure']).toContain((await working).kind)
  })
})

describe('fragments', () => {
  const start = async () => {
    const world = worldWith()
    const server = new EapServerSession({ world, methods: [eapTls(serverOptions)], credentials: {}, identity: 'alice' })
    const first = await server.begin()
    const answer = (identifier: number, ...data: number[]) =>
      server.receive(Uint8Array.from([2, identifier, 0, 5 + data.length, 13, ...data]))
    return { server, answer, identifier: first.packet[1]! }
  }

  it.each([
    ['announced as longer than is taken', [0xc0, 0, 2, 0, 0, 1], /a TLS message of 131072 octets, 65536 are taken/],
    ['with less in it than announced', [0x80, 0, 0, 0, 9, 1], /ended after 1 octets, announced were 9/],
    ['with more in it than announced', [0xc0, 0, 0, 0, 1, 1, 2], /fragments of 2 octets, announced were 1/],
    ['without anything, and more to come', [0x40], /an empty fragment/],
    ['without anything', [0], /without a TLS message/],
    ['of another version', [3, 22, 3, 1], /version 3/],
    ['cut in its length', [0x80, 0, 0], /TLS Message Length needs 4 octets/],
  ])('refuse a message %s', async (_what, data, why) => {
    const { answer, identifier, server } = await start()
    expect(await answer(identifier, ...data)).toMatchObject({ kind: 'failure', message: expect.stringMatching(why) })
    server.destroy()
  })

  it('take no more than a number of octets in all', async () => {
    const { server, identifier } = await start()
    const packet = (at: number) => {
      const octets = new Uint8Array(6 + 8000)
      octets.set([2, (identifier + at) & 0xff, 0, 0, 13, 0x40])
      new DataView(octets.buffer).setUint16(2, octets.length)
      return octets
    }
    let at = 0
    let result = await server.receive(packet(at))
    while (result.kind === 'send') result = await server.receive(packet(++at))
    expect(result).toMatchObject({ message: expect.stringContaining('fragments of 72000 octets') })
    expect(at).toBe(8)
  })
})

describe('the TLS engine', () => {
  it('does not negotiate again', async () => {
    const server = new TlsEngine({ role: 'server', settings: tlsSettings(serverOptions), requestCertificate: true })
    const pipe = new TlsPipe(() => {})
    const client = connect({
      socket: pipe as unknown as Socket,
      ...tlsSettings({ ...peerOptions, ...only('1.2') }),
      secureOptions: 0,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      servername: '',
    })
    const errors: string[] = []
    client.on('error', (error) => errors.push(error.message))
    const exchange = async () => {
      for (let turn = 0; turn < 6; turn++) {
        for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve))
        await server.feed(pipe.takeWritten())
        pipe.push(server.takeRecords())
      }
    }
    await exchange()
    expect(server.established).toBe(true)
    let renegotiated: Error | null | undefined
    client.renegotiate({ rejectUnauthorized: false }, (error) => {
      renegotiated = error
    })
    await exchange()
    expect(renegotiated === undefined || renegotiated !== null).toBe(true)
    expect(errors.join()).toMatch(/no renegotiation/)
    client.destroy()
    server.destroy()
  })
})
