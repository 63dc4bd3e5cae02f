import { describe, expect, it } from 'vitest'
import { fromHex, toHex, Writer } from '../../../src/bytes/index.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { Encr, Integ } from '../../../src/crypto/transforms.ts'
import { decodeMessage, encodePayloads } from '../../../src/ike/codec/index.ts'
import { MessageProtector } from '../../../src/ike/message/message-crypto.ts'
import { Reassembly, ReassemblyPool } from '../../../src/ike/message/reassembly.ts'
import { ikeMessage, loadMessageTrace, type TracePacket, traceNames } from '../../support/ike-traces.ts'
import type { TraceIkeSa } from '../../support/trace.ts'
import { loadVectors, sharedVectors } from '../../support/vectors.ts'

const providers = [nobleProvider, nodeProvider]

/** Conversations without a message that could be opened. */
const closedTraces: Record<string, string> = {
  'no-proposal': 'nothing is encrypted',
}

const noRandom = (): Uint8Array => {
  throw new Error('the recorded IV was to be used')
}

function protectorOf(provider: (typeof providers)[number], sa: TraceIkeSa, packet: TracePacket): MessageProtector {
  const keys = sa.keySets?.[packet.keySet!] ?? sa
  const [SK_e, SK_a] = packet.header.initiator ? [keys.sk_ei, keys.sk_ai] : [keys.sk_er, keys.sk_ar]
  const suite = { encr: Encr[sa.encr], integ: Integ[sa.integ] }
  return new MessageProtector(provider, suite, fromHex(SK_e), fromHex(SK_a), noRandom)
}

interface SkVector {
  readonly sk_e: string
  readonly iv: string
  readonly firstPayload: number
  readonly innerPayloads: string
  readonly message: string
}

const hexBodies = (packet: TracePacket) => packet.decrypted?.payloads?.map(({ type, body }) => ({ type, body }))

/** Type and body of each payload in a well-formed chain, read without the codec. */
function bodiesOf(first: number, chain: Uint8Array): { type: number; body: string }[] {
  const bodies = []
  for (let type = first, at = 0; type !== 0; ) {
    const length = chain[at + 2]! * 256 + chain[at + 3]!
    bodies.push({ type, body: toHex(chain.subarray(at + 4, at + length)) })
    type = chain[at]!
    at += length
  }
  return bodies
}

describe.each(providers)('recorded SK payloads over $name', (provider) => {
  const open = (name: string) => {
    const { packets, ikeSas } = loadMessageTrace(name)
    const messages = packets.flatMap((packet) => {
      if (packet.decrypted === undefined) return []
      const sa = ikeSas.find(({ spiI, spiR }) => spiI === packet.header.spiI && spiR === packet.header.spiR)!
      return [{ packet, protector: protectorOf(provider, sa, packet) }]
    })
    return {
      whole: messages.filter(({ packet }) => packet.decrypted?.skType === 46),
      fragments: messages.filter(({ packet }) => packet.decrypted?.skType === 53),
    }
  }

  it.each(traceNames)('%s: open, hold what was recorded, and are built again to the same octets', (name) => {
    const { whole, fragments } = open(name)
    const reassembly = new Reassembly(new ReassemblyPool())
    expect(whole.length === 0).toBe(name in closedTraces)
    for (const { packet, protector } of whole) {
      const bytes = ikeMessage(packet)
      const result = protector.open(bytes)
      if (!result.ok) throw new Error(`packet ${packet.n} does not open`)
      expect(bodiesOf(result.firstPayload, result.plaintext)).toEqual(hexBodies(packet))
      const writer = new Writer()
      expect(encodePayloads(result.payloads, writer)).toBe(result.firstPayload)
      expect(toHex(writer.finish())).toBe(toHex(result.plaintext))

      const { iv, padLength } = packet.decrypted!
      expect(result.padding).toHaveLength(padLength)
      const again = protector.protectRaw(decodeMessage(bytes).header, result.firstPayload, result.plaintext, {
        iv: fromHex(iv),
        padding: result.padding,
      })
      expect(toHex(again)).toBe(toHex(bytes))
    }
    for (const { packet, protector } of fragments) {
      const { fragment, total, innerBytes } = packet.decrypted!
      const result = protector.openFragment(ikeMessage(packet))
      if (!result.ok) throw new Error(`fragment ${packet.n} does not open`)
      expect(result).toMatchObject({ fragmentNumber: fragment, totalFragments: total })
      expect(toHex(result.plaintext)).toBe(innerBytes)
      const { messageId, response, initiator } = packet.header
      const key = 4 * messageId + 2 * Number(response) + Number(initiator)
      const whole = reassembly.add(key, result, ikeMessage(packet), 0)
      expect(typeof whole === 'object').toBe(packet.decrypted!.reassembled === true)
      if (typeof whole === 'object') expect(bodiesOf(whole.firstPayload, whole.plaintext)).toEqual(hexBodies(packet))
    }
  })

  it('of the wrong direction stay closed', () => {
    const { packets, ikeSas } = loadMessageTrace('psk-gcm128-sha256-ecp256')
    const packet = packets.find(({ decrypted }) => decrypted !== undefined)!
    const swapped = { ...packet, header: { ...packet.header, initiator: !packet.header.initiator } }
    expect(protectorOf(provider, ikeSas[0]!, swapped).open(ikeMessage(packet)).ok).toBe(false)
  })

  it('of RFC 7634 Appendix B are built and opened', () => {
    const vector = loadVectors<SkVector>('rfc/rfc7634-ike.json').cases[0]!
    const protector = new MessageProtector(
      provider,
      { encr: Encr.ENCR_CHACHA20_POLY1305, integ: 0 },
      fromHex(vector.sk_e),
      new Uint8Array(0),
      noRandom,
    )
    const message = fromHex(vector.message)
    const { header } = decodeMessage(message)
    const built = protector.protectRaw(header, vector.firstPayload, fromHex(vector.innerPayloads), {
      iv: fromHex(vector.iv),
    })
    expect(toHex(built)).toBe(vector.message)
    expect(protector.open(message)).toMatchObject({ ok: true, plaintext: fromHex(vector.innerPayloads) })
  })
})

interface KeyedCase {
  readonly id: string
  readonly keys: { readonly sk_ei: string; readonly sk_ai: string }
  readonly packets: readonly {
    readonly message: string
    readonly header: { readonly exchangeType: number }
    readonly icvValid?: boolean
    readonly decrypted?: { readonly innerFirst: number; readonly plaintext: string; readonly padLength: number }
  }[]
  readonly negatives?: readonly { readonly message: string }[]
}

const keyed = sharedVectors<{ readonly cases: readonly KeyedCase[] }>('packets/ikev2-with-keys.json')

describe.skipIf(keyed === undefined).each(providers)('SK payloads of other implementations over $name', (provider) => {
  const suite = { encr: Encr.ENCR_AES_CBC, integ: Integ.AUTH_HMAC_SHA1_96 }

  it.each(keyed?.cases ?? [])('$id: open when, and only when, the ICV is good', ({ keys, packets, negatives }) => {
    const protector = new MessageProtector(provider, suite, fromHex(keys.sk_ei), fromHex(keys.sk_ai), noRandom)
    for (const { message, decrypted, icvValid } of packets) {
      const result = protector.open(fromHex(message))
      expect(result.ok).toBe(decrypted !== undefined && icvValid !== false)
      if (!result.ok || decrypted === undefined) continue
      expect(result.firstPayload).toBe(decrypted.innerFirst)
      const inside = toHex(result.plaintext) + toHex(result.padding)
      expect(`${inside}${decrypted.padLength.toString(16).padStart(2, '0')}`).toBe(decrypted.plaintext)
    }
    for (const { message } of negatives ?? []) expect(protector.open(fromHex(message)).ok).toBe(false)
  })
})
