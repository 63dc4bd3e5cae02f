import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Encr, Integ, KeGroup, keGroupInfo, Prf } from '../../src/crypto/transforms.ts'
import { Endpoint } from '../../src/endpoint/endpoint.ts'
import { seededRandom, simulationProvider as sim } from '../../src/testing/index.ts'

const octets = (max = 200) => fc.uint8Array({ maxLength: max })

describe('the simulation provider', () => {
  it('opens what it sealed, and nothing that was changed', () => {
    fc.assert(
      fc.property(octets(), octets(30), fc.nat(), fc.integer({ min: 0, max: 7 }), (text, aad, where, bit) => {
        const aead = sim.aead(Encr.ENCR_AES_GCM_16, new Uint8Array(16).fill(1))
        const nonce = new Uint8Array(12).fill(text.length)
        const buffer = new Uint8Array(text.length + 16)
        buffer.set(text)
        aead.seal(nonce, aad, 0, aad.length, buffer, 0, text.length)
        const changed = buffer.slice()
        changed[where % buffer.length] = changed[where % buffer.length]! ^ (1 << bit)
        expect(aead.open(nonce, aad, 0, aad.length, changed, 0, text.length)).toBe(false)
        expect(aead.open(nonce, aad, 0, aad.length, buffer, 0, text.length)).toBe(true)
        expect(buffer.subarray(0, text.length)).toEqual(text)
      }),
    )
  })

  it('tells inputs apart that differ in their ends or their borders', () => {
    const hash = (...data: number[]) => Buffer.from(sim.hash('sha256', Uint8Array.from(data))).toString('hex')
    const inputs = [[], [0], [0, 0], [0, 0, 0], [0, 0, 0, 0], [1], [1, 0], [0, 1], [0, 0, 0, 1], [0, 0, 0, 0, 1]]
    expect(new Set(inputs.map((data) => hash(...data))).size).toBe(inputs.length)
    const prf = (key: number[], data: number[]) =>
      Buffer.from(sim.prf(Prf.PRF_HMAC_SHA2_256, Uint8Array.from(key), Uint8Array.from(data))).toString('hex')
    expect(prf([1, 2], [3])).not.toBe(prf([1], [2, 3]))
  })

  it.each(Object.entries(KeGroup))('agrees on a secret of the right size with %s', (_name, group) => {
    const info = keGroupInfo(group)
    if (info === undefined) return
    const ours = sim.keyExchange(group, seededRandom('ours'))
    const theirs = sim.respondKeyExchange(group, ours.publicValue, seededRandom('theirs'))
    expect(theirs.publicValue).toHaveLength(info.answerBytes)
    expect(ours.finish(theirs.publicValue)).toEqual(theirs.sharedSecret)
    expect(theirs.sharedSecret).toHaveLength(info.sharedBytes)
    expect(() => sim.respondKeyExchange(group, new Uint8Array(3), seededRandom('x'))).toThrow('3 octets')
  })

  it('has the sizes of the transforms', () => {
    expect(sim.hash('sha1', new Uint8Array(1))).toHaveLength(20)
    expect(sim.hmac('sha384', new Uint8Array(1), new Uint8Array(1))).toHaveLength(48)
    expect(sim.mac(Integ.AUTH_HMAC_SHA2_256_128, new Uint8Array(32)).icvBytes).toBe(16)
    expect(sim.aead(Encr.ENCR_AES_GCM_16, new Uint8Array(16)).nonceBytes).toBe(12)
  })

  it('is refused by an endpoint on real sockets', async () => {
    await expect(Endpoint.start({ connections: [], crypto: sim })).rejects.toThrow(
      '"simulation" is for simulations only',
    )
  })
})
