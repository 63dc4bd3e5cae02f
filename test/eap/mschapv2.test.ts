import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { EapPeerSession, EapServerSession, mschapv2 } from '../../src/eap/index.ts'
import { md4 } from '../../src/eap/md4.ts'
import {
  authenticatorResponse,
  challengeHash,
  des,
  mschapMsk,
  ntPasswordHash,
  ntResponse,
  withParity,
} from '../../src/eap/mschapv2-keys.ts'
import { decodeMschapPacket, encodeMschapPacket } from '../../src/eap/mschapv2-packet.ts'
import { refusalText } from '../../src/eap/mschapv2-peer.ts'
import { loadTrace, loadVectors } from '../support/vectors.ts'
import { converse, providers, worldWith } from './conversation.ts'

interface MschapCase {
  readonly userName: string
  readonly password: string
  readonly authenticatorChallenge: string
  readonly peerChallenge: string
  readonly challenge: string
  readonly passwordHash: string
  readonly ntResponse: string
  readonly authenticatorResponse: string
  readonly sendStartKey128: string
}

/** RFC 1320 appendix A.5. */
const md4Suite: readonly [string, string][] = [
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
  [
    '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
    'e33b4ddc9c38f2199c3e7b164fcc0536',
  ],
]

describe('MD4 and DES', () => {
  it.each(md4Suite)('MD4 of %j (RFC 1320 appendix A.5)', (text, digest) => {
    expect(toHex(md4(new TextEncoder().encode(text)))).toBe(digest)
  })

  it('spreads seven octets of key over eight with odd parity (RFC 2759 §9.3)', () => {
    const { des: row } = loadVectors('rfc/rfc2759-3079-mschapv2.json') as unknown as { des: Record<string, string> }
    expect(toHex(ntPasswordHash(row.password!))).toBe(row.passwordHash)
    expect(toHex(withParity(fromHex(row.rawDesKey1!)))).toBe(row.desKey1)
    expect(toHex(withParity(fromHex(row.rawDesKey2!)))).toBe(row.desKey2)
  })

  // NIST SP 800-17 table A.1 and A.2: a key of zeros but for parity, one bit of text.
  it.each(providers)('DES has the known answers of NIST SP 800-17 (%s)', (_, crypto) => {
    expect(toHex(des(crypto, new Uint8Array(7), fromHex('8000000000000000')))).toBe('95f8a5e5dd31d900')
    expect(toHex(des(crypto, new Uint8Array(7), fromHex('0000000000000001')))).toBe('166b40b44aba4bd6')
  })
})

describe.each(providers)('MSCHAPv2 with %s', (_, crypto) => {
  const { cases } = loadVectors<MschapCase>('rfc/rfc2759-3079-mschapv2.json')

  it.each(cases)('computes what RFC 2759 §9.2 and RFC 3079 §3.5.3 print', (row) => {
    const exchange = {
      authenticatorChallenge: fromHex(row.authenticatorChallenge),
      peerChallenge: fromHex(row.peerChallenge),
      user: row.userName,
    }
    const hash = ntPasswordHash(row.password)
    expect(toHex(challengeHash(crypto, exchange))).toBe(row.challenge)
    expect(toHex(hash)).toBe(row.passwordHash)
    const response = ntResponse(crypto, exchange, hash)
    expect(toHex(response)).toBe(row.ntResponse)
    expect(authenticatorResponse(crypto, exchange, hash, response)).toBe(row.authenticatorResponse)
    // The RFC takes the server's send key.
    expect(toHex(mschapMsk(crypto, hash, response).subarray(16, 32))).toBe(row.sendStartKey128)
  })

  it('makes the same key at both ends', async () => {
    const { server, peer } = await converse({
      crypto,
      methods: [mschapv2],
      server: { credentials: { password: (name) => (name === 'alice' ? 'pässwörd €' : undefined) } },
      peer: { credentials: { password: () => 'pässwörd €' } },
    })
    expect(server).toMatchObject({ kind: 'success', mutual: true, identity: 'alice', method: 'mschapv2' })
    expect(peer).toMatchObject({ kind: 'success', mutual: true, method: 'mschapv2' })
    if (server.kind !== 'success' || peer.kind !== 'success') return
    expect(server.msk).toHaveLength(64)
    expect(peer.msk).toEqual(server.msk)
  })

  it('is refused with the reason on both sides for a wrong password, and for an unknown user in the same words', async () => {
    for (const [identity, reason] of [
      ['alice', 'wrong password of alice'],
      ['mallory', 'no user mallory is known'],
    ] as const) {
      const { server, peer } = await converse({
        crypto,
        methods: [mschapv2],
        server: { credentials: { password: (name) => (name === 'alice' ? 'right' : undefined) } },
        peer: { identity, credentials: { password: () => 'hunter2' } },
      })
      expect(server).toMatchObject({ kind: 'failure', message: reason })
      expect(peer).toMatchObject({
        kind: 'failure',
        message:
          'the server refused us (EAP-MSCHAPv2 error 691): wrong user name or password, and said: "Authentication failed"',
      })
    }
  })
})

interface EapTrace {
  readonly eapMsk?: string
  readonly packets: readonly { readonly decrypted?: { readonly payloads: readonly { type: number; body: string }[] } }[]
}

describe('a recorded conversation of strongSwan', () => {
  const trace = loadTrace<EapTrace>('eap-mschapv2-nofrag-gcm')!
  const eap = trace.packets.flatMap(({ decrypted }) =>
    (decrypted?.payloads ?? []).filter(({ type }) => type === 48).map(({ body }) => fromHex(body)),
  )
  const msk =
    'fc4f630aaad936a8359d00d1b40cda5f967603152120de25c9cc5417ec8d77bb0000000000000000000000000000000000000000000000000000000000000000'

  it('comes out the same in the role of the peer', async () => {
    const [, , , response] = eap
    const random = () => decodeMschapPacket(response!.subarray(5)) as { peerChallenge?: Uint8Array }
    const peer = new EapPeerSession({
      world: { ...worldWith(), random: () => random().peerChallenge! },
      methods: [mschapv2],
      credentials: { password: () => 'clientPass' },
      identity: 'carol',
    })
    for (const at of [0, 2, 4]) expect(await peer.receive(eap[at]!)).toEqual({ kind: 'send', packet: eap[at + 1] })
    const end = await peer.receive(eap[6]!)
    expect(end.kind === 'success' && toHex(end.msk!)).toBe(msk)
  })

  it('is taken in the role of the server', async () => {
    const challenge = decodeMschapPacket(eap[2]!.subarray(5)) as { challenge?: Uint8Array }
    const server = new EapServerSession({
      world: {
        ...worldWith(),
        random: (length) => (length === 1 ? Uint8Array.of(0x6b) : challenge.challenge!.slice()),
      },
      methods: [mschapv2],
      credentials: { password: () => 'clientPass' },
      identity: 'carol',
    })
    await server.begin()
    const proof = await server.receive(eap[3]!)
    expect(new TextDecoder().decode(proof.packet.subarray(9, 51))).toBe(
      new TextDecoder().decode(eap[4]!.subarray(9, 51)),
    )
    const end = await server.receive(eap[5]!)
    expect(end.kind === 'success' && toHex(end.msk!)).toBe(msk)
    expect(end.packet).toEqual(eap[6])
  })
})

describe('what MSCHAPv2 minds', () => {
  const users = { password: (name: string) => (name === 'alice' ? 'secret' : undefined) }
  const secret = { password: () => 'secret' }

  it('finds a user of a domain without it, and hashes the name alone (RFC 2759 §8.2)', async () => {
    const { server, peer } = await converse({
      methods: [mschapv2],
      server: { credentials: users },
      peer: { credentials: secret, identity: 'OFFICE\\alice' },
    })
    expect(server).toMatchObject({ kind: 'success', identity: 'alice' })
    expect(peer.kind).toBe('success')
  })

  it('does not take a server that cannot prove that it knows the password', async () => {
    const { peer } = await converse({
      methods: [mschapv2],
      server: { credentials: users },
      peer: { credentials: secret },
      meddle: (packet, by) => {
        if (by === 'peer' || packet[5] !== 3) return undefined
        return packet.with(12, packet[12] === 0x41 ? 0x42 : 0x41)
      },
    })
    expect(peer).toEqual({
      kind: 'failure',
      message: 'the server could not prove that it knows the password: it is not ours',
    })
  })

  it('does not take EAP Success in the middle', async () => {
    const { peer } = await converse({
      methods: [mschapv2],
      server: { credentials: users },
      peer: { credentials: secret },
      meddle: (packet, by) => (by === 'server' && packet[5] === 3 ? Uint8Array.of(3, packet[1]!, 0, 4) : undefined),
    })
    expect(peer).toMatchObject({ kind: 'failure', message: expect.stringContaining('EAP Success before the server') })
  })

  it('refuses to change the password', async () => {
    const { peer } = await converse({
      methods: [mschapv2],
      server: { credentials: users },
      peer: { credentials: secret },
      meddle: (packet, by) => (by === 'server' && packet[5] === 3 ? packet.with(5, 7) : undefined),
    })
    expect(peer).toMatchObject({ message: expect.stringContaining('wants a new password') })
  })

  it.each([
    ['E=691 R=1 C=00 V=3 M=Nope', 'error 691): wrong user name or password, and said: "Nope"'],
    ['E=647 R=0', 'error 647): our account is disabled'],
    ['E=649 R=0', 'error 649): our account has no permission to dial in'],
    ['E=646 R=0', 'error 646): we may not log on at this hour'],
    ['E=648 R=0', 'error 648): our password has expired, and has to be changed elsewhere'],
    ['E=5 R=0', 'error 5): an error that RFC 2759 does not name'],
    ['nothing known', 'the server refused us (EAP-MSCHAPv2)'],
  ])('explains %j', (message, words) => {
    expect(refusalText(message)).toContain(words)
  })

  it('reads a packet as it was written', () => {
    for (const packet of [
      { op: 1, id: 3, challenge: new Uint8Array(16).fill(1), name: 'server' },
      { op: 2, id: 3, peerChallenge: new Uint8Array(16), ntResponse: new Uint8Array(24).fill(2), name: 'alice' },
      { op: 3, id: 4, message: 'S=00' },
      { op: 4, id: 5, message: 'E=691' },
    ] as const) {
      expect(decodeMschapPacket(encodeMschapPacket(packet))).toEqual(packet)
    }
  })
})
