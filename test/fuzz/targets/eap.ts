import { equalBytes, fromHex } from '../../../src/bytes/index.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import {
  aka,
  type EapMethod,
  type EapPeerResult,
  EapPeerSession,
  type EapServerResult,
  EapServerSession,
  gtc,
  type MaybePromise,
  md5Challenge,
  mschapv2,
  newAka,
  newAkaPrime,
  passwordOf,
  softwareAuc,
  softwareUsim,
  usersOf,
} from '../../../src/eap/index.ts'
import { DecodeError } from '../../../src/errors.ts'
import { decodeRadiusPacket, encodeRadiusPacket } from '../../../src/radius/packet.ts'
import { radiusSession } from '../../../src/radius/session-data.ts'
import { mutateOctets } from '../../../src/testing/hostile-octets.ts'
import { reduceOctets } from '../octets.ts'
import type { Target } from '../target.ts'

/** What the two ends are set to: methods of the server, methods of the peer. */
const settings: readonly (readonly [readonly EapMethod[], readonly EapMethod[]])[] = [
  [[md5Challenge], [md5Challenge]],
  [[mschapv2], [mschapv2]],
  [[aka], [aka]],
  [[newAka({ requestIdentity: true, resultIndications: true })], [aka]],
  [[newAkaPrime({ resultIndications: true })], [newAkaPrime()]],
  [[md5Challenge, mschapv2, gtc], [gtc]],
]

/** An edit has four octets: number of the packet, what to do, and two operands. */
const editBytes = 4
const editKinds = 5

/**
 * A man in the middle of EAP. The first octet of an input chooses the settings, or a packet of RADIUS; then come edits of the packets between
 * two real ends: an octet changed or put in, the end cut off, an earlier packet in its place, lengths made right again.
 */
export const eap: Target = {
  name: 'eap',
  covers: ['eap/', 'radius/packet', 'radius/session-data', 'radius/attributes'],

  seeds(dice) {
    const seeds = settings.map((_, at) => Uint8Array.of(at))
    for (let more = 200; more > 0; more--) {
      const edits = Array.from({ length: 1 + dice.below(3) }, () => [
        dice.below(8),
        dice.below(editKinds),
        dice.below(70),
        dice.below(256),
      ])
      seeds.push(Uint8Array.of(dice.below(settings.length), ...edits.flat()))
    }
    const attributes = [1, 8, 22, 26, 79, 97].map((type) => ({
      type,
      value: Uint8Array.of(0, 128, 1, 55, 28, 4, 9, 9),
    }))
    const packet = encodeRadiusPacket({ code: 2, identifier: 1, authenticator: new Uint8Array(16), attributes })
    return [...seeds, Uint8Array.of(255, ...packet)]
  },

  run(input, note) {
    if (input[0] === 255) checkRadius(input.subarray(1), note)
    else converse(input, note)
  },

  mutate: (input, dice, others) => mutateOctets(input, dice, others),
  reduce: reduceOctets,
}

function converse(input: Uint8Array, note: (situation: string) => void): void {
  const [servers, peers] = settings[(input[0] ?? 0) % settings.length]!
  const { server, peer } = ends(servers, peers)
  const packets: Uint8Array[] = []
  const carry = (packet: Uint8Array) => {
    const carried = edited(packet, packets, input)
    packets.push(carried)
    return carried
  }
  let asked = now(server.begin())
  for (;;) {
    const answered: EapPeerResult = now(peer.receive(carry(asked.packet)))
    if (asked.kind !== 'send' || answered.kind !== 'send') return checkEnd(asked, answered, input, note)
    asked = now(server.receive(carry(answered.packet)))
    if (packets.length > 300) throw new Error('the conversation does not end')
  }
}

function checkEnd(
  server: EapServerResult,
  peer: EapPeerResult,
  input: Uint8Array,
  note: (situation: string) => void,
): void {
  for (const result of [server, peer]) {
    note('message' in result ? result.message.replaceAll(/\d+/g, 'n').slice(0, 60) : result.kind)
  }
  const both = server.kind === 'success' && peer.kind === 'success'
  if (input.length < 1 + editBytes && !both) throw new Error('nobody changed anything, and it failed')
  if (!both || server.msk === undefined || peer.msk === undefined) return
  if (!equalBytes(server.msk, peer.msk)) throw new Error('both ends succeeded with different keys')
}

function ends(servers: readonly EapMethod[], peers: readonly EapMethod[]) {
  let state = 1
  const random = (length: number) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state >>> 16
    })
  const world = { crypto: nodeProvider, random, mtu: 1400 }
  const home = softwareAuc(nodeProvider, random, new Map([['alice', { ...key, sqn: 0 }]]))
  const usim = softwareUsim(nodeProvider, { ...key, sqn: 100 })
  const options = { world, identity: undefined }
  return {
    server: new EapServerSession({
      ...options,
      methods: servers,
      credentials: { ...usersOf({ alice: 'secret' }), ...home },
    }),
    peer: new EapPeerSession({
      ...{ world, methods: peers, identity: 'alice' },
      credentials: { ...passwordOf('secret'), ...usim },
    }),
  }
}

const key = { k: fromHex('465b5ce8b199b49faa5f0a2ee238a6bc'), opc: fromHex('cd63cb71954a9f4e48a5994e37a02baf') }

function edited(packet: Uint8Array, before: readonly Uint8Array[], input: Uint8Array): Uint8Array {
  let octets = packet
  for (let at = 1; at + editBytes <= input.length; at += editBytes) {
    const [round, kind, a, b] = input.subarray(at, at + editBytes) as unknown as [number, number, number, number]
    if (round === before.length) octets = edit(octets, kind % editKinds, a, b, before)
  }
  return octets
}

function edit(octets: Uint8Array, kind: number, a: number, b: number, before: readonly Uint8Array[]): Uint8Array {
  const at = octets.length === 0 ? 0 : a % octets.length
  switch (kind) {
    case 0:
      return octets.length === 0 ? octets : octets.with(at, b)
    case 1:
      return octets.slice(0, at)
    case 2:
      return Uint8Array.of(...octets.subarray(0, at), b, ...octets.subarray(at))
    case 3:
      return before.length === 0 ? octets : before[a % before.length]!
    default: {
      const whole = octets.slice()
      if (whole.length >= 4) whole.set([whole.length >>> 8, whole.length & 0xff], 2)
      return whole
    }
  }
}

function checkRadius(octets: Uint8Array, note: (situation: string) => void): void {
  try {
    const packet = decodeRadiusPacket(octets)
    radiusSession(packet.attributes)
    const again = encodeRadiusPacket(packet)
    if (!equalBytes(again, octets.subarray(0, again.length))) throw new Error('encode(decode(x)) is not x')
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    note(error.message.replaceAll(/\d+/g, 'n').slice(0, 60))
  }
}

/** Nothing here has to wait. */
function now<T>(value: MaybePromise<T>): T {
  if (value instanceof Promise) throw new Error('an answer came later')
  return value
}
