import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Encr, Integ, KeGroup, Prf, Sn, TransformType } from '../../../src/crypto/transforms.ts'
import { UsageError } from '../../../src/errors.ts'
import { defaultEspProposals, defaultIkeProposals } from '../../../src/ike/negotiation/default-proposals.ts'
import {
  formatProposal,
  isConfigurable,
  keyBitsOf,
  type ProposalKind,
  parseProposal,
  weakKeywords,
} from '../../../src/ike/negotiation/proposal-keywords.ts'
import { transformKeywords, transformOf } from '../../../src/ike/negotiation/transform-keywords.ts'

import { espText, ikeText } from './proposal-arbitraries.ts'

const { ENCR, PRF, INTEG, KE, SN } = TransformType

const failure = (text: string, what: ProposalKind): string => {
  try {
    parseProposal(text, what)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as Error).message
  }
  throw new Error(`"${text}" parsed`)
}

describe('parseProposal', () => {
  it('reads an AEAD suite', () => {
    expect(parseProposal('aes128gcm16-prfsha256-ecp256', 'IKE').transforms).toEqual([
      { type: ENCR, id: Encr.ENCR_AES_GCM_16, keyBits: 128 },
      { type: PRF, id: Prf.PRF_HMAC_SHA2_256 },
      { type: KE, id: KeGroup.ECP_256 },
    ])
  })

  it.each([
    ['aes128ccm16-prfaesxcbc-x448', 'IKE'],
    ['aes256ccm8-aes192gcm12-prfaescmac-mlkem1024-ecp512bp', 'IKE'],
    ['aes128ctr-aesxcbc-ecp224bp-modp8192', 'IKE'],
    ['aes128-aescmac-ecp256bp-ecp384bp-modp6144', 'IKE'],
    ['3des-sha256-modp2048', 'IKE'],
    ['aes192ctr-3des-aescmac-sha384', 'ESP'],
    ['aes256ccm12-aes128gcm8-mlkem512-ke1_x448-ke3_none-esn', 'ESP'],
  ] as const)('reads %s for %s, and it is printed again so', (text, what) => {
    expect(formatProposal(parseProposal(text, what))).toBe(text)
  })

  it('lets integrity imply the PRF of the same hash for IKE, not for ESP', () => {
    expect(parseProposal('aes256-sha256-modp2048', 'IKE').transforms).toEqual([
      { type: ENCR, id: Encr.ENCR_AES_CBC, keyBits: 256 },
      { type: PRF, id: Prf.PRF_HMAC_SHA2_256 },
      { type: INTEG, id: Integ.AUTH_HMAC_SHA2_256_128 },
      { type: KE, id: KeGroup.MODP_2048 },
    ])
    expect(parseProposal('aes256-sha256', 'ESP').transforms.some(({ type }) => type === PRF)).toBe(false)
  })

  it('takes aliases, either case, and both names of curve 25519', () => {
    const expected = parseProposal('chacha20poly1305-prfsha512-x25519', 'IKE')
    expect(parseProposal('ChaCha20Poly1305-prfsha512-curve25519', 'IKE')).toEqual(expected)
    expect(parseProposal('aes256gcm128', 'ESP')).toEqual(parseProposal('aes256gcm16', 'ESP'))
    expect(parseProposal('aes192ccm96', 'ESP')).toEqual(parseProposal('aes192ccm12', 'ESP'))
  })

  it('keeps several of one kind in the order of preference, without repetitions', () => {
    const { transforms } = parseProposal('aes256-aes128-aes256-sha512-sha256', 'ESP')
    expect(transforms.map(keyBitsOf)).toEqual([256, 128, undefined, undefined, undefined])
    expect(transforms.filter(({ type }) => type === INTEG).map(({ id }) => id)).toEqual([
      Integ.AUTH_HMAC_SHA2_512_256,
      Integ.AUTH_HMAC_SHA2_256_128,
    ])
  })

  it('reads additional key exchanges', () => {
    const text = 'aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_mlkem1024-ke2_none-ke7_ecp384'
    const proposal = parseProposal(text, 'IKE')
    expect(proposal.transforms.slice(2)).toEqual([
      { type: KE, id: KeGroup.CURVE25519 },
      { type: TransformType.ADDKE1, id: KeGroup.ML_KEM_768 },
      { type: TransformType.ADDKE1, id: KeGroup.ML_KEM_1024 },
      { type: TransformType.ADDKE2, id: KeGroup.NONE },
      { type: TransformType.ADDKE7, id: KeGroup.ECP_384 },
    ])
    expect(formatProposal(proposal)).toBe(text)
    expect(formatProposal(parseProposal('aes128gcm16-x25519-ke1_mlkem512-esn', 'ESP'))).toBe(
      'aes128gcm16-x25519-ke1_mlkem512-esn',
    )
  })

  it('takes 32-bit sequence numbers for ESP unless esn is named', () => {
    const sn = (text: string) =>
      parseProposal(text, 'ESP')
        .transforms.filter(({ type }) => type === SN)
        .map(({ id }) => id)
    expect(sn('aes128gcm16')).toEqual([Sn.NO_ESN])
    expect(sn('aes128gcm16-esn')).toEqual([Sn.ESN])
    expect(sn('aes256-sha256-esn-noesn')).toEqual([Sn.ESN, Sn.NO_ESN])
  })

  it.each([
    ['aes128gmc16-prfsha256-ecp256', 'IKE', '"aes128gmc16" in'],
    ['aes128gmc16-prfsha256-ecp256', 'IKE', 'did you mean aes128gcm16'],
    ['md5', 'ESP', 'known, but not implemented'],
    ['null-sha256-ecp256', 'IKE', 'are for ESP'],
    ['aes128gmac-prfsha256-ecp256', 'IKE', 'are for ESP'],
    ['aes128gcm16iiv-prfsha256-ecp256', 'IKE', 'are for ESP'],
    ['null', 'ESP', 'needs an integrity algorithm'],
    ['aes256gmac-sha256', 'ESP', 'own integrity'],
    ['aes256gmac-null', 'ESP', 'two proposals'],
    ['aes256ctr', 'ESP', 'needs an integrity algorithm'],
    ['aes256ccm16-sha256', 'ESP', 'own integrity'],
    ['aes128gcm16-aes128-sha256-ecp256', 'IKE', 'two proposals'],
    ['aes128gcm16-sha256-ecp256', 'IKE', 'own integrity'],
    ['aes128', 'ESP', 'needs an integrity algorithm'],
    ['aes128gcm16-prfsha256', 'IKE', 'needs a key exchange group'],
    ['sha256-modp2048', 'IKE', 'needs an encryption algorithm'],
    ['aes128gcm16-prfsha256', 'ESP', 'has no PRF'],
    ['aes128gcm16-ke1_mlkem768', 'ESP', 'needs a key exchange group before it'],
    ['aes128gcm16-prfsha256-ecp256-esn', 'IKE', 'belong to ESP'],
    ['', 'ESP', '"" in ""'],
  ] as const)('refuses %s for %s: %s', (text, what, expected) => {
    expect(failure(text, what)).toContain(expected)
  })
})

describe('formatProposal', () => {
  it('is the inverse of parseProposal for canonical text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          ikeText.map((text) => ({ text, what: 'IKE' as const })),
          espText.map((text) => ({ text, what: 'ESP' as const })),
        ),
        ({ text, what }) => {
          expect(formatProposal(parseProposal(text, what))).toBe(text)
        },
      ),
    )
  })

  it('names what it does not know by type and number, and an unknown transform type too', () => {
    const transforms = [
      { type: ENCR, id: 99, attributes: [{ type: 14, value: 128 }] },
      { type: PRF, id: Prf.PRF_HMAC_SHA2_256, attributes: [] },
      { type: 6, id: KeGroup.ML_KEM_768, attributes: [] },
      { type: 77, id: 1, attributes: [] },
    ]
    expect(formatProposal({ transforms })).toBe('ENCR_99/128-prfsha256-ke1_mlkem768-TRANSFORM77_1')
  })

  it('leaves NONE transforms out', () => {
    const transforms = [
      { type: ENCR, id: Encr.ENCR_CHACHA20_POLY1305 },
      { type: INTEG, id: Integ.NONE },
      { type: KE, id: KeGroup.NONE },
      { type: SN, id: Sn.NO_ESN },
    ]
    expect(formatProposal({ transforms })).toBe('chacha20poly1305')
  })
})

describe('isConfigurable', () => {
  const transform = fc.oneof(
    fc.constantFrom(...transformKeywords).map((keyword) => transformOf(keyword)!),
    fc.record({ type: fc.integer({ min: 0, max: 9 }), id: fc.integer({ min: 0, max: 40 }), keyBits: fc.constant(100) }),
    fc.record({ type: fc.integer({ min: 0, max: 9 }), id: fc.integer({ min: 0, max: 40 }) }),
  )
  const proposal = fc.oneof(
    fc.array(transform, { maxLength: 6 }).map((transforms) => ({ transforms })),
    ikeText.map((text) => parseProposal(text, 'IKE')),
    espText.map((text) => parseProposal(text, 'ESP')),
  )

  it('tells, without parsing, whether the text of a proposal parses', () => {
    const parses = (text: string, what: ProposalKind) => {
      try {
        return parseProposal(text, what) !== undefined
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(proposal, fc.constantFrom<ProposalKind>('IKE', 'ESP'), (proposal, what) => {
        expect(isConfigurable(proposal, what)).toBe(parses(formatProposal(proposal), what))
      }),
      { numRuns: 500 },
    )
  })
})

describe('weakKeywords', () => {
  it('names each weak algorithm once, the implied PRF under the name of its hash', () => {
    expect(weakKeywords(parseProposal('aes128-sha1-modp1024-modp2048', 'IKE'))).toEqual(['sha1', 'modp1024'])
    expect(weakKeywords(parseProposal('3des-aes128-sha256', 'ESP'))).toEqual(['3des'])
  })

  it('finds none in the defaults', () => {
    expect([...defaultIkeProposals, ...defaultEspProposals].flatMap(weakKeywords)).toEqual([])
  })
})
