import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeResourceInfo, encodeResourceInfo } from '../../../src/ike/codec/resource-info.ts'

describe('SA_RESOURCE_INFO', () => {
  it('says which worker, or nothing', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (worker) => {
        expect(decodeResourceInfo(encodeResourceInfo(worker)).number).toBe(worker)
      }),
    )
    expect(decodeResourceInfo(encodeResourceInfo(undefined))).toEqual({ identifier: new Uint8Array(0), number: -1 })
  })

  it('may be any octets of a peer, which are copied', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const { identifier, number } = decodeResourceInfo(data)
        expect(identifier).toEqual(data)
        expect(identifier).not.toBe(data)
        expect(number >= 0).toBe(data.length === 4)
      }),
    )
  })
})
