import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, UsageError } from '../../../src/errors.ts'
import { decodeXfrmMessage, decodeXfrmMessages, encodeXfrmMessage } from '../../../src/xfrm/netlink/index.ts'
import {
  acquireLayout,
  aeventLayout,
  encapLayout,
  expireLayout,
  mappingLayout,
  migrateLayout,
  policyIdLayout,
  policyInfoLayout,
  reportLayout,
  saIdLayout,
  saInfoLayout,
  spiInfoLayout,
  templateLayout,
} from '../../../src/xfrm/netlink/structs.ts'
import { anyMessage, events } from './arbitraries.ts'

const order = fc.constantFrom('little', 'big')

function decoded(bytes: Uint8Array): unknown {
  try {
    return decodeXfrmMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
}

describe('the structures', () => {
  it.each([
    ['xfrm_usersa_info', saInfoLayout, 224],
    ['xfrm_usersa_id', saIdLayout, 24],
    ['xfrm_userspi_info', spiInfoLayout, 232],
    ['xfrm_userpolicy_info', policyInfoLayout, 168],
    ['xfrm_userpolicy_id', policyIdLayout, 64],
    ['xfrm_user_tmpl', templateLayout, 64],
    ['xfrm_user_acquire', acquireLayout, 280],
    ['xfrm_user_expire', expireLayout, 232],
    ['xfrm_user_report', reportLayout, 60],
    ['xfrm_aevent_id', aeventLayout, 48],
    ['xfrm_user_mapping', mappingLayout, 64],
    ['xfrm_user_migrate', migrateLayout, 76],
    ['xfrm_encap_tmpl', encapLayout, 24],
  ])('%s has the size that a 64-bit compiler gives it', (_, layout, bytes) => {
    expect(layout.bytes).toBe(bytes)
  })
})

describe('XFRM messages', () => {
  it('come out of their octets as they went in, in both byte orders', () => {
    fc.assert(
      fc.property(anyMessage, order, fc.nat(0xffffffff), fc.nat(0xffffffff), (message, byteOrder, seq, portId) => {
        const bytes = encodeXfrmMessage(message, { byteOrder, seq, portId, flags: 5 })
        const flags = message.type.startsWith('dump') ? 0x305 : 5
        expect(decodeXfrmMessage(bytes, byteOrder)).toEqual({ header: { flags, seq, portId }, message })
      }),
    )
  })

  it('have their length, number and numbers in the byte order of the machine, and SPIs in that of the network', () => {
    const id = { daddr: Uint8Array.from([192, 0, 2, 1, ...new Array<number>(12).fill(0)]), spi: 0x01020304 }
    const body = { ...id, family: 2, proto: 50 }
    const little = encodeXfrmMessage({ type: 'getsa', body, attributes: { mark: { value: 1, mask: 2 } } })
    expect([...little.subarray(0, 8)]).toEqual([52, 0, 0, 0, 0x12, 0, 0, 0])
    expect([...little.subarray(32, 40)]).toEqual([1, 2, 3, 4, 2, 0, 50, 0])
    expect([...little.subarray(40)]).toEqual([12, 0, 21, 0, 1, 0, 0, 0, 2, 0, 0, 0])
    const big = encodeXfrmMessage({ type: 'getsa', body, attributes: {} }, { byteOrder: 'big' })
    expect([...big.subarray(0, 8)]).toEqual([0, 0, 0, 40, 0, 0x12, 0, 0])
    expect([...big.subarray(32, 40)]).toEqual([1, 2, 3, 4, 0, 2, 50, 0])
  })

  it('follow one another in what is read at once', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 4 }), (messages) => {
        const bytes = messages.map((message) => encodeXfrmMessage(message))
        const joined = Uint8Array.from(bytes.flatMap((one) => [...one]))
        expect(decodeXfrmMessages(joined).map(({ message }) => message)).toEqual(messages)
      }),
      { numRuns: 30 },
    )
  })

  it('cut short are a message or a DecodeError, never anything else', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, cut) => {
        const bytes = encodeXfrmMessage(message)
        expect(decoded(bytes.subarray(0, cut % bytes.length))).toBeInstanceOf(DecodeError)
        // The length says so too: what is left out may be whole attributes.
        const shorter = bytes.slice(0, 16 + (cut % (bytes.length - 15)))
        new DataView(shorter.buffer).setUint32(0, shorter.length, true)
        decoded(shorter)
      }),
    )
  })

  it('with changed octets are a message or a DecodeError, never anything else', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(anyMessage, changes, (message, spots) => {
        const bytes = encodeXfrmMessage(message)
        for (const [at, octet] of spots) bytes[at % bytes.length] = octet
        decoded(bytes)
      }),
      { numRuns: 300 },
    )
  })

  it('with the same attribute twice are refused', () => {
    const mark = { value: 1, mask: 2 }
    const bytes = encodeXfrmMessage({ type: 'dumpsa', body: {}, attributes: { mark } })
    const twice = Uint8Array.from([...bytes, ...bytes.subarray(16)])
    twice[0] = twice.length
    expect(decoded(twice)).toBeInstanceOf(DecodeError)
  })

  it('are not made of numbers that their fields cannot have', () => {
    const message = { type: 'flushsa', body: { proto: 256 }, attributes: {} } as const
    expect(() => encodeXfrmMessage(message)).toThrow(UsageError)
  })

  it('are sampled in all that the kernel tells', () => {
    expect(events.map((one) => fc.sample(one, 1)[0]!.type)).toEqual([
      ...['newsa', 'updsa', 'delsa', 'expire', 'newpolicy', 'updpolicy', 'delpolicy', 'polexpire', 'acquire'],
      ...['flushsa', 'flushpolicy', 'report', 'newae', 'mapping', 'migrate', 'newsadinfo', 'newspdinfo'],
    ])
  })
})
