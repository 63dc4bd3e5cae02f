import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/bytes/index.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import {
  aka,
  type EapMethod,
  type EapPeerResult,
  type EapServerResult,
  gtc,
  md5Challenge,
  mschapv2,
  newAkaPrime,
  passwordOf,
  softwareAuc,
  softwareUsim,
  usersOf,
} from '../../src/eap/index.ts'
import { converse, type Sides, worldWith } from './conversation.ts'

const key = { k: fromHex('465b5ce8b199b49faa5f0a2ee238a6bc'), opc: fromHex('cd63cb71954a9f4e48a5994e37a02baf') }

const methods: readonly EapMethod[] = [
  md5Challenge,
  gtc,
  mschapv2,
  aka,
  newAkaPrime({ requestIdentity: true, resultIndications: true }),
]

/** Both ends know each other; the USIM is out of step, so that AKA resynchronises. */
function sides(method: EapMethod): Sides {
  const subscribers = new Map([['alice', { ...key, sqn: 0 }]])
  const { random } = worldWith()
  return {
    methods: [method],
    server: { credentials: { ...usersOf({ alice: 'secret' }), ...softwareAuc(nodeProvider, random, subscribers) } },
    peer: { credentials: { ...passwordOf('secret'), ...softwareUsim(nodeProvider, { ...key, sqn: 1000 }) } },
  }
}

/** What was changed on the way may have been of no weight (a prompt, a padding), but both ends mean the same. */
function requireSameKey(server: EapServerResult, peer: EapPeerResult): void {
  const over = server.kind !== 'send' || peer.kind !== 'send'
  expect(over).toBe(true)
  if (server.kind === 'success' && peer.kind === 'success') expect(peer.msk).toEqual(server.msk)
}

describe.each(methods)('$name under hostile packets', (method) => {
  it('ends without throwing and without a success on the side that was lied to, whatever the prefix', async () => {
    const { packets } = await converse(sides(method))
    for (let at = 0; at < packets.length; at++) {
      const whole = packets[at]!
      for (let length = 0; length < whole.length; length++) {
        const { server, peer } = await converse({
          ...sides(method),
          meddle: (packet, _, round) => (round === at ? packet.subarray(0, length) : undefined),
        })
        const liedTo = at % 2 === 0 ? peer : server
        expect(liedTo.kind, `packet ${at}, ${length} octets`).toBe('failure')
      }
    }
  })

  it('ends for any changed octets, and never with two keys', async () => {
    const { packets } = await converse(sides(method))
    const change = fc.tuple(fc.nat(packets.length - 1), fc.nat(200), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const { server, peer } = await converse({
          ...sides(method),
          meddle(packet, _, round) {
            const changed = packet.slice()
            for (const [at, offset, octet] of changes) if (at === round) changed[offset % changed.length] = octet
            return changed
          },
        })
        requireSameKey(server, peer)
      }),
      { numRuns: 100 },
    )
  })

  it('ends for any octets at all in place of a packet, and never with two keys', async () => {
    const { packets } = await converse(sides(method))
    await fc.assert(
      fc.asyncProperty(fc.nat(packets.length - 1), fc.uint8Array({ maxLength: 80 }), async (at, octets) => {
        const forged = Uint8Array.from([...packets[at]!.subarray(0, 5), ...octets])
        forged[2] = 0
        forged[3] = forged.length
        const { peer, server } = await converse({
          ...sides(method),
          meddle: (_, __, round) => (round === at ? forged : undefined),
        })
        requireSameKey(server, peer)
      }),
      { numRuns: 60 },
    )
  })
})
