import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Encr, Integ, KeGroup, Sn, TransformType } from '../../../src/crypto/transforms.ts'
import { PeerError } from '../../../src/errors.ts'
import type { Proposal, Transform } from '../../../src/ike/codec/index.ts'
import type { ProposalConfig } from '../../../src/ike/config.ts'
import type { PeerRefusal } from '../../../src/ike/explain/refusal.ts'
import { chooseProposal, differingTypes, encodeProposals, verifyChosen } from '../../../src/ike/negotiation/proposal.ts'
import { formatProposal, keyBitsOf, parseProposal } from '../../../src/ike/negotiation/proposal-keywords.ts'
import { espText, ikeText } from './proposal-arbitraries.ts'

const IKE = { protocol: 1 }
const ESP = { protocol: 3 }
const noSpi = new Uint8Array(0)
const spi = Uint8Array.of(0xc0, 0xff, 0xee, 0x01)

const ike = (...texts: string[]) => texts.map((text) => parseProposal(text, 'IKE'))
const esp = (...texts: string[]) => texts.map((text) => parseProposal(text, 'ESP'))
const offerIke = (...texts: string[]) => encodeProposals(ike(...texts), 1, noSpi)
const offerEsp = (...texts: string[]) => encodeProposals(esp(...texts), 3, spi)
const withTransforms = (proposal: Proposal, ...transforms: Transform[]): Proposal => ({
  ...proposal,
  transforms: [...proposal.transforms, ...transforms],
})
const without = (proposal: Proposal, type: number): Proposal => ({
  ...proposal,
  transforms: proposal.transforms.filter((transform) => transform.type !== type),
})

describe('encodeProposals', () => {
  it('numbers from 1, copies the SPI into each and gives key lengths as attributes', () => {
    const [first, second] = offerEsp('aes256-sha256', 'chacha20poly1305-esn')
    expect([first?.number, second?.number]).toEqual([1, 2])
    expect(first?.spi).toEqual(spi)
    expect(first?.spi).not.toBe(spi)
    expect(first?.transforms[0]).toEqual({
      type: TransformType.ENCR,
      id: Encr.ENCR_AES_CBC,
      attributes: [{ type: 14, value: 256 }],
    })
    expect(second?.transforms[0]?.attributes).toEqual([])
  })
})

describe('chooseProposal', () => {
  it('prefers our order over the order of the offer, for proposals and within a type', () => {
    const offered = offerIke('aes256gcm16-aes128gcm16-prfsha512-prfsha256-ecp384-x25519', 'aes128-sha256-modp2048')
    const ours = ike('aes128-sha256-modp2048', 'aes128gcm16-prfsha256-x25519')
    expect(chooseProposal(offered, ours, IKE)).toMatchObject({ number: 2, suite: 'aes128-sha256-modp2048' })
    const within = ike('aes128gcm16-aes256gcm16-prfsha256-prfsha512-x25519-ecp384')
    const chosen = chooseProposal(offered, within, IKE)
    expect(chosen).toMatchObject({ number: 1, suite: 'aes128gcm16-prfsha256-x25519', keyBits: 128 })
  })

  it('answers with the number of the offer, one transform of each type and our SPI', () => {
    const chosen = chooseProposal(
      offerEsp('aes256-sha512', 'aes256-aes128-sha512-sha256-esn-noesn'),
      esp('aes128-sha256-esn'),
      ESP,
    )
    const ourSpi = Uint8Array.of(1, 2, 3, 4)
    expect(chosen).toMatchObject({ spi, integ: Integ.AUTH_HMAC_SHA2_256_128, prf: 0, ke: 0, esn: true })
    expect(chosen?.toProposal(ourSpi)).toEqual({ ...offerEsp('aes128-sha256-esn')[0], number: 2, spi: ourSpi })
  })

  it('knows the key length of a cipher that has only one', () => {
    expect(chooseProposal(offerEsp('chacha20poly1305'), esp('chacha20poly1305'), ESP)?.keyBits).toBe(256)
  })

  it.each([
    ['another key length', 'aes256gcm16', 'aes128gcm16'],
    ['no common integrity', 'aes128-sha256', 'aes128-sha512'],
    ['an offer with PFS where none is configured', 'aes128gcm16-ecp256', 'aes128gcm16'],
    ['an offer without PFS where it is configured', 'aes128gcm16', 'aes128gcm16-ecp256'],
    ['ESN only against no ESN', 'aes128gcm16-esn', 'aes128gcm16'],
    ['an AEAD against a cipher with integrity', 'aes128gcm16', 'aes128-sha256'],
  ])('refuses %s', (_, offer, ours) => {
    expect(chooseProposal(offerEsp(offer), esp(ours), ESP)).toBeUndefined()
  })

  it('does not look at key exchange in the first CHILD_SA', () => {
    const context = { protocol: 3, ignoreKe: true }
    expect(chooseProposal(offerEsp('aes128gcm16-ecp256'), esp('aes128gcm16'), context)?.ke).toBe(0)
    expect(chooseProposal(offerEsp('aes128gcm16'), esp('aes128gcm16-ecp256'), context)?.ke).toBe(0)
  })

  it('takes NONE for absent and sends it back', () => {
    const none = { type: TransformType.INTEG, id: Integ.NONE, attributes: [] }
    const noKe = { type: TransformType.KE, id: KeGroup.NONE, attributes: [] }
    const offer = withTransforms(offerEsp('aes128gcm16')[0]!, none, noKe)
    const chosen = chooseProposal([offer], esp('aes128gcm16'), ESP)
    expect(chosen?.integ).toBe(0)
    expect(chosen?.toProposal().transforms).toContainEqual(none)
    expect(chosen?.toProposal().transforms).toContainEqual(noKe)
  })

  it('takes a missing sequence number transform for 32 bits', () => {
    const offer = without(offerEsp('aes128gcm16')[0]!, TransformType.SN)
    expect(chooseProposal([offer], esp('aes128gcm16-esn-noesn'), ESP)?.esn).toBe(false)
    expect(chooseProposal([offer], esp('aes128gcm16-esn'), ESP)).toBeUndefined()
  })

  it('refuses a proposal with a transform type that it does not know', () => {
    const offer = withTransforms(offerEsp('aes128gcm16')[0]!, { type: 77, id: 0, attributes: [] })
    expect(chooseProposal([offer], esp('aes128gcm16'), ESP)).toBeUndefined()
  })

  it.each([
    ['no key length', []],
    ['a key length as octets', [{ type: 14, value: Uint8Array.of(0, 128) }]],
    [
      'an unknown attribute besides',
      [
        { type: 14, value: 128 },
        { type: 18, value: 1 },
      ],
    ],
  ])('does not take a variable-length cipher with %s', (_, attributes) => {
    const offer = { ...offerEsp('aes128gcm16')[0]! }
    const transforms = offer.transforms.map((one) => (one.type === TransformType.ENCR ? { ...one, attributes } : one))
    expect(chooseProposal([{ ...offer, transforms }], esp('aes128gcm16'), ESP)).toBeUndefined()
  })

  it('passes over proposals of another protocol and with an unusable SPI', () => {
    const [offer] = offerEsp('aes128gcm16')
    const choose = (change: Partial<Proposal>) => chooseProposal([{ ...offer!, ...change }], esp('aes128gcm16'), ESP)
    expect(choose({ protocol: 2 })).toBeUndefined()
    expect(choose({ spi: noSpi })).toBeUndefined()
    expect(choose({ spi: Uint8Array.of(0, 0, 0, 255) })).toBeUndefined()
    expect(choose({})).toBeDefined()
  })

  it('looks at the first 64 proposals of an offer', () => {
    const at = (place: number) =>
      Array.from({ length: 100 }, (_, i) => offerEsp(i === place ? 'aes128gcm16' : 'aes256gcm16')[0]!)
    expect(chooseProposal(at(63), esp('aes128gcm16'), ESP)).toBeDefined()
    expect(chooseProposal(at(64), esp('aes128gcm16'), ESP)).toBeUndefined()
  })

  it('chooses what trying every combination in our order chooses', () => {
    const lists = fc.array(ikeText, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(lists, lists, (offeredTexts, ourTexts) => {
        const chosen = chooseProposal(offerIke(...offeredTexts), ike(...ourTexts), IKE)
        expect(chosen?.suite).toBe(chooseByTrying(ike(...offeredTexts), ike(...ourTexts)))
      }),
      { numRuns: 300 },
    )
  })
})

/** Slow twin: our proposals in order, each offer, each combination of our transforms; the first that the offer holds. */
function chooseByTrying(offered: readonly ProposalConfig[], ours: readonly ProposalConfig[]): string | undefined {
  const key = (one: { type: number; id: number; keyBits?: number }) => `${one.type}/${one.id}/${keyBitsOf(one)}`
  for (const config of ours) {
    for (const offer of offered) {
      const held = new Set(offer.transforms.map(key))
      const offeredTypes = new Set(offer.transforms.map(({ type }) => type))
      for (const suite of combinations(config)) {
        const sameTypes = suite.length === offeredTypes.size && suite.every(({ type }) => offeredTypes.has(type))
        if (sameTypes && suite.every((one) => held.has(key(one)))) return formatProposal({ transforms: suite })
      }
    }
  }
  return undefined
}

function combinations(config: ProposalConfig): ProposalConfig['transforms'][] {
  const types = [...new Set(config.transforms.map(({ type }) => type))]
  return types.reduce<ProposalConfig['transforms'][]>(
    (suites, type) => {
      const alternatives = config.transforms.filter((one) => one.type === type)
      return suites.flatMap((suite) => alternatives.map((one) => [...suite, one]))
    },
    [[]],
  )
}

describe('verifyChosen', () => {
  it('accepts whatever a responder chooses from what we sent, with the same result on both sides', () => {
    const lists = fc.array(espText, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(lists, lists, (sentTexts, theirTexts) => {
        const chosen = chooseProposal(offerEsp(...sentTexts), esp(...theirTexts), ESP)
        fc.pre(chosen !== undefined)
        const verified = verifyChosen([chosen!.toProposal(Uint8Array.of(9, 9, 9, 9))], esp(...sentTexts), ESP)
        expect({ ...verified, toProposal: null, spi: null }).toEqual({ ...chosen, toProposal: null, spi: null })
        expect(verified.spi).toEqual(Uint8Array.of(9, 9, 9, 9))
      }),
    )
  })

  const sent = esp('aes128gcm16', 'aes256-sha256-esn-noesn')
  const good = { ...offerEsp('aes256-sha256-esn')[0]!, number: 2 }
  const esnTwice = withTransforms(good, { type: TransformType.SN, id: Sn.NO_ESN, attributes: [] })

  it.each<[string, Proposal[], string]>([
    ['no proposal', [], '0 proposals'],
    ['two proposals', [good, good], '2 proposals'],
    ['another protocol', [{ ...good, protocol: 1, spi: noSpi }], 'protocol 1'],
    ['no SPI', [{ ...good, spi: noSpi }], 'SPI of 0 octets'],
    ['a number that was not sent', [{ ...good, number: 3 }], 'proposal number 3'],
    ['the number of another proposal', [{ ...good, number: 1 }], 'were not offered'],
    ['two transforms of one type', [esnTwice], 'two transforms'],
    ['a missing type', [without(good, TransformType.INTEG)], 'were not offered'],
    ['another key length', [{ ...offerEsp('aes128-sha256')[0]!, number: 2 }], 'were not offered'],
  ])('refuses an answer with %s', (_, answer, problem) => {
    let caught: unknown
    try {
      verifyChosen(answer, sent, ESP)
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(PeerError)
    const explanation = (caught as PeerError).explanation as PeerRefusal
    expect(explanation).toMatchObject({ kind: 'protocol-error', by: 'local' })
    expect(explanation.message).toContain(problem)
  })
})

describe('differingTypes', () => {
  it('is empty exactly when the proposal can be chosen', () => {
    fc.assert(
      fc.property(espText, espText, (offer, ours) => {
        const same = differingTypes(offerEsp(offer)[0]!, esp(ours)[0]!, ESP).length === 0
        expect(same).toBe(chooseProposal(offerEsp(offer), esp(ours), ESP) !== undefined)
      }),
    )
  })
})
