import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import {
  type AkaSubscriber,
  aka,
  akaPrime,
  type EapMethod,
  type EapServerCredentials,
  newAka,
  newAkaPrime,
  softwareAuc,
  softwareUsim,
} from '../../src/eap/index.ts'
import { converse, providers, type Sides, worldWith } from './conversation.ts'

const key = { k: fromHex('465b5ce8b199b49faa5f0a2ee238a6bc'), opc: fromHex('cd63cb71954a9f4e48a5994e37a02baf') }
const identity = '0232010000000000@nai.epc.mnc001.mcc232.3gppnetwork.org'

interface Bench {
  /** What the USIM and the AuC have used. */
  readonly usim?: number
  readonly auc?: number
  readonly usimKey?: Uint8Array
  readonly known?: string
}

function bench({ usim = 0, auc = 0, usimKey = key.k, known = identity }: Bench = {}) {
  const card: AkaSubscriber = { ...key, k: usimKey, sqn: usim }
  const home: AkaSubscriber = { ...key, sqn: auc }
  const { random } = worldWith()
  return {
    card,
    home,
    peer: { credentials: softwareUsim(nodeProvider, card), identity },
    server: { credentials: softwareAuc(nodeProvider, random, new Map([[known, home]])) },
  }
}

const subtypes = (packets: readonly Uint8Array[]) =>
  packets.map((packet) => (packet[4] === 23 || packet[4] === 50 ? `${packet[4]}/${packet[5]}` : packet[4]))

async function run(method: EapMethod, options: Bench = {}, sides: Sides = {}) {
  const { peer, server, card, home } = bench(options)
  const outcome = await converse({
    methods: [method],
    ...sides,
    peer: { ...peer, ...sides.peer },
    server: { ...server, ...sides.server },
  })
  return { ...outcome, card, home }
}

function expectSuccess({ server, peer }: Awaited<ReturnType<typeof run>>): void {
  expect(server).toMatchObject({ kind: 'success', mutual: true, identity })
  expect(peer).toMatchObject({ kind: 'success', mutual: true })
  if (server.kind !== 'success' || peer.kind !== 'success') return
  expect(server.msk).toHaveLength(64)
  expect(peer.msk).toEqual(server.msk)
}

describe.each([aka, akaPrime])('$name', (method) => {
  const t = method.type
  const newMethod = t === 23 ? newAka : newAkaPrime

  it.each(providers)('authenticates both ends and makes a key (%s)', async (_, crypto) => {
    const outcome = await run(method, {}, { crypto })
    expectSuccess(outcome)
    expect(subtypes(outcome.packets)).toEqual([1, 1, `${t}/1`, `${t}/1`, undefined])
    expect(outcome.card.sqn).toBe(outcome.home.sqn)
  })

  it("sets the sequence number back to the USIM's when the home network is behind (RFC 4187 §3)", async () => {
    const outcome = await run(method, { usim: 5000, auc: 64 })
    expectSuccess(outcome)
    expect(subtypes(outcome.packets)).toEqual([1, 1, `${t}/1`, `${t}/4`, `${t}/1`, `${t}/1`, undefined])
    expect([outcome.card.sqn, outcome.home.sqn]).toEqual([5032, 5032])
  })

  it('gives up when the USIM is still not content after resynchronisation', async () => {
    const { peer } = bench({ usim: 5000 })
    const { rand, autn } = (await bench().server.credentials.akaVector!({ identity }))!
    const stuck: EapServerCredentials = {
      akaVector: () => ({ rand, autn, xres: new Uint8Array(8), ck: new Uint8Array(16), ik: new Uint8Array(16) }),
    }
    const outcome = await converse({ methods: [method], peer, server: { credentials: stuck } })
    expect(outcome.peer).toMatchObject({ message: expect.stringContaining('out of step') })
    expect(outcome.server).toMatchObject({ message: expect.stringContaining('does not take our AUTN') })
  })

  it('refuses AUTS that is not of the USIM', async () => {
    const outcome = await run(
      method,
      { usim: 5000, auc: 64 },
      { meddle: (packet, by) => (by === 'peer' && packet[5] === 4 ? packet.with(20, packet[20]! ^ 1) : undefined) },
    )
    expect(outcome.server).toMatchObject({ kind: 'failure', message: `no resynchronisation for ${identity}` })
    expect(outcome.home.sqn).toBe(96)
  })

  it('is rejected by a USIM with another key', async () => {
    const { server, peer, packets } = await run(method, { usimKey: new Uint8Array(16) })
    expect(subtypes(packets)).toEqual([1, 1, `${t}/1`, `${t}/2`, undefined])
    expect(server).toMatchObject({ kind: 'failure', message: expect.stringContaining('does not take our AUTN') })
    expect(peer).toMatchObject({ kind: 'failure', message: expect.stringContaining('AUTN is not for our USIM') })
  })

  it('tells success under the keys where the server wants it (RFC 4187 §6.2)', async () => {
    const outcome = await run(newMethod({ resultIndications: true }))
    expectSuccess(outcome)
    expect(subtypes(outcome.packets)).toEqual([1, 1, `${t}/1`, `${t}/1`, `${t}/12`, `${t}/12`, undefined])
  })

  it('does not take EAP Success in place of the protected one', async () => {
    const { peer } = await run(
      newMethod({ resultIndications: true }),
      {},
      {
        meddle: (packet, by) => (by === 'server' && packet[5] === 12 ? Uint8Array.of(3, packet[1]!, 0, 4) : undefined),
      },
    )
    expect(peer).toEqual({ kind: 'failure', message: 'EAP Success before EAP-AKA was done' })
  })

  it('asks for the identity itself, and protects that by AT_CHECKCODE (RFC 4187 §4.1, §10.13)', async () => {
    const asking = newMethod({ requestIdentity: true })
    const outcome = await run(asking, {}, { server: { identity: 'somebody' } })
    expectSuccess(outcome)
    expect(subtypes(outcome.packets)).toEqual([`${t}/5`, `${t}/5`, `${t}/1`, `${t}/1`, undefined])

    // Permanent in place of any: each answers, the checkcode tells.
    const changed = await run(
      asking,
      {},
      {
        server: { identity: 'somebody' },
        meddle: (packet, by) => (by === 'server' && packet[5] === 5 ? packet.with(8, 10) : undefined),
      },
    )
    expect(changed.peer.kind).toBe('failure')
    expect(changed.server).toMatchObject({ message: expect.stringContaining('client error 0') })
  })

  it('asks for the permanent identity when it does not know a pseudonym', async () => {
    const outcome = await run(method, {}, { server: { identity: '2pseudonym@example.org' } })
    expectSuccess(outcome)
    expect(subtypes(outcome.packets)).toEqual([`${t}/5`, `${t}/5`, `${t}/1`, `${t}/1`, undefined])
  })

  it('says with a notification that a subscriber is not known', async () => {
    const { server, peer, packets } = await run(method, { known: 'another' })
    expect(subtypes(packets)).toEqual([1, 1, `${t}/5`, `${t}/5`, `${t}/12`, `${t}/12`, undefined])
    expect(server).toMatchObject({ kind: 'failure', message: `no subscriber ${identity} is known` })
    expect(peer).toMatchObject({ message: expect.stringContaining('notification 16384') })
  })

  it('refuses a wrong AT_RES, and an AT_MAC that does not fit', async () => {
    for (const [by, round, at] of [
      ['peer', 3, 12],
      ['peer', 3, -1],
    ] as const) {
      const { server } = await run(
        method,
        {},
        {
          meddle: (packet, from, n) => (from === by && n === round ? packet.with(at, packet.at(at)! ^ 1) : undefined),
        },
      )
      expect(server).toMatchObject({ kind: 'failure', message: `wrong answer of the USIM of ${identity}` })
    }
  })

  it('does not answer a challenge whose AT_MAC is wrong', async () => {
    const { peer, server } = await run(
      method,
      {},
      {
        meddle: (packet, by) => (by === 'server' && packet[5] === 1 ? packet.with(-1, packet.at(-1)! ^ 1) : undefined),
      },
    )
    expect(peer).toMatchObject({ message: expect.stringContaining('wrong AT_MAC') })
    expect(server).toMatchObject({ message: expect.stringContaining('client error 0') })
  })

  it('passes over attributes from 128 on, and refuses others that are not known', async () => {
    const insert = (type: number) => (packet: Uint8Array, by: string) => {
      if (by !== 'server' || packet[5] !== 5) return undefined
      const longer = new Uint8Array([...packet, type, 1, 0, 0])
      longer[3] = longer.length
      return longer
    }
    const asking = newMethod({ requestIdentity: true })
    const passed = await run(asking, {}, { server: { identity: 'x' }, meddle: insert(200) })
    // The identity round was changed on the way: that is what ends it.
    expect(passed.peer).toMatchObject({ message: expect.stringContaining('AT_CHECKCODE') })
    const refused = await run(asking, {}, { server: { identity: 'x' }, meddle: insert(99) })
    expect(refused.peer).toMatchObject({ message: expect.stringContaining('attribute 99 is not known') })
  })

  it('says that there is no USIM', async () => {
    const { peer } = await run(method, {}, { peer: { credentials: {} } })
    expect(peer).toMatchObject({ message: 'no USIM is set for EAP-AKA' })
  })
})

describe("EAP-AKA' (RFC 9048)", () => {
  it.each([
    ['WLAN', undefined, true],
    ['WLAN', 'WLAN', true],
    ['WLAN:example', 'WLAN', true],
    ['WLAN', 'WLAN:example', true],
    ['WLANX', 'WLAN', false],
    ['HRPD', 'WLAN', false],
  ])('network %j is taken by a peer in %j: %s', async (served, ours, taken) => {
    const { peer } = await run(
      akaPrime,
      {},
      {
        server: { methods: [newAkaPrime({ networkName: served })] },
        peer: { methods: [newAkaPrime(ours === undefined ? {} : { networkName: ours })] },
      },
    )
    expect(peer.kind).toBe(taken ? 'success' : 'failure')
    if (!taken) expect(peer).toMatchObject({ message: `the server names the network "${served}"` })
  })

  it('is refused for a vector whose separation bit is not set', async () => {
    const { server } = bench()
    const outcome = await run(
      akaPrime,
      {},
      {
        server: {
          credentials: {
            akaVector: async (request) => {
              const vector = (await server.credentials.akaVector!(request))!
              return { ...vector, autn: vector.autn.with(6, 0) }
            },
          },
        },
      },
    )
    expect(outcome.peer).toMatchObject({ message: expect.stringContaining('separation bit') })
  })

  it('is chosen by the peer where the server begins with another key derivation', async () => {
    // AT_KDF stands behind AT_KDF_INPUT: 4 header, 1 type, 3, RAND 20, AUTN 20, KDF_INPUT 8.
    const kdfAt = 4 + 1 + 3 + 20 + 20 + 8
    const { packets } = await run(
      akaPrime,
      {},
      {
        meddle: (packet, by) => {
          if (by !== 'server' || packet[5] !== 1) return undefined
          const longer = new Uint8Array([...packet.subarray(0, kdfAt), 24, 1, 0, 2, ...packet.subarray(kdfAt)])
          longer[3] = longer.length
          return longer
        },
      },
    )
    expect(packets[3]!.subarray(5)).toEqual(Uint8Array.of(1, 0, 0, 24, 1, 0, 1))
  })

  it('is not given up for EAP-AKA when somebody in between wants that', async () => {
    const both = [akaPrime, aka]
    const { peer } = await run(
      aka,
      {},
      {
        server: { methods: [aka, akaPrime] },
        peer: { methods: both },
      },
    )
    expect(peer).toMatchObject({ message: expect.stringContaining('bids us down') })
    const alone = await run(aka, {}, { server: { methods: [aka, akaPrime] }, peer: { methods: [aka] } })
    expectSuccess(alone)
  })
})
