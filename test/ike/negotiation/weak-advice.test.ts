import { describe, expect, it } from 'vitest'
import {
  defaultEspProposals,
  defaultIkeProposals,
  parseProposal,
  weakAdvice,
  weakAlgorithms,
} from '../../../src/ike/index.ts'
import { transformKeywords, transformOf } from '../../../src/ike/negotiation/transform-keywords.ts'

const advised = (text: string, what: 'IKE' | 'ESP') => weakAdvice(parseProposal(text, what))

describe('what is weak in a proposal', () => {
  it.each([
    ['3des-sha256', 'ESP', '3des', 'aes256gcm16', 'RFC 8221'],
    ['null-sha256', 'ESP', 'null', 'aes256gcm16 or aes256-sha256', 'encrypts nothing'],
    ['aes128gmac', 'ESP', 'aes128gmac', 'aes256gcm16 or aes256-sha256', 'encrypts nothing'],
    ['aes256-sha1', 'ESP', 'sha1', 'sha256', 'RFC 8221 §6'],
    ['aes256ccm8', 'ESP', 'aes256ccm8', 'aes256ccm16', '8 octets'],
    ['aes192gcm8', 'ESP', 'aes192gcm8', 'aes192gcm16', '8 octets'],
    ['aes128ccm8iiv', 'ESP', 'aes128ccm8iiv', 'aes128gcm16iiv', '8 octets'],
    ['aes128gcm16-prfsha256-modp1024', 'IKE', 'modp1024', 'x25519, ecp256 or modp3072', 'RFC 8247 §2.4'],
  ] as const)('%s for %s: %s, better %s', (text, what, keyword, instead, why) => {
    const [only, ...more] = advised(text, what)
    expect(only).toMatchObject({ keyword, instead, why: expect.stringContaining(why) })
    expect(more).toEqual([])
    expect(transformKeywords).toContain(keyword)
  })

  it('names each weakness once', () => {
    expect(
      advised('3des-aes128-sha1-modp1024-modp1536', 'IKE')
        .map(({ keyword }) => keyword)
        .sort(),
    ).toEqual([...['3des', 'modp1024', 'modp1536', 'sha1']])
  })

  it('is nothing in the defaults, nor in strong suites', () => {
    for (const proposal of [...defaultIkeProposals, ...defaultEspProposals]) expect(weakAdvice(proposal)).toEqual([])
    expect(advised('aes256ctr-aescmac', 'ESP')).toEqual([])
    expect(advised('chacha20poly1305iiv-esn', 'ESP')).toEqual([])
  })

  it('is said of everything that must be named as allowed', () => {
    for (const name of weakAlgorithms) {
      const transform = transformOf(name)!
      expect(weakAdvice({ transforms: [transform] }).map(({ keyword }) => keyword)).toEqual([name])
    }
  })
})
