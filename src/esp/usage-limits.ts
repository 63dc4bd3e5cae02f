import { Encr, encrInfo } from '../crypto/transforms.ts'

/** What one key of an SA may be used for at most, and from when on it should be replaced. `Infinity` for what has no limit. */
export interface UsageLimits {
  /** Packets sealed, or opened. */
  readonly packets: number
  /** Octets of text in them: payload, padding, trailer. */
  readonly octets: number
  /** Packets whose ICV was wrong. */
  readonly forgeries: number
  /** The share of each at which the key should be replaced: what is left must last until that is done. */
  readonly soft: number
}

/** Sequence numbers of 32 bits must not cycle, and begin with 1. RFC 4303 §3.3.3. */
const SEQUENCE_NUMBERS = 0xffff_ffff
/** What is left is for the time that a rekeying takes: at 1 Gbit/s, AES-CCM's 8 GiB are a minute. */
const SOFT = 15 / 16

/**
 * RFC 8446 §5.5 and RFC 9001 §6.6 want an attacker's advantage from collisions of blocks below about 2^-57. With blocks of 128 bits that is
 * (blocks)^2 / 2^129 below 2^-57 for what counts (CTR, GCM): 2^36 blocks; (blocks)^2 / 2^128 for CBC: 2^35.5 blocks; and
 * the same of CCM, which calls the cipher twice for each block (SP 800-38C, RFC 9001 B.2). Of each packet there are up to 3 blocks beside those
 * that its octets fill (7 in CCM): so the two limits together stay below that.
 */
const counting = { octets: 2 ** 39, packets: 2 ** 33 }
const chaining = { octets: 2 ** 39, packets: 2 ** 31 }
const countingTwice = { octets: 2 ** 37, packets: 2 ** 32 }
const notAtAll = { octets: Number.POSITIVE_INFINITY, packets: Number.POSITIVE_INFINITY }

/** A forgery succeeds with a chance of 2^-64, 2^-96 or less each time: RFC 9001 §6.6 allows ChaCha20-Poly1305 2^36, SP 800-38D appendix C a tag of 8 octets 2^32. */
const FORGERIES = 2 ** 36
const FORGERIES_OF_SHORT_TAG = 2 ** 32

/** SP 800-67r2 §3.3: no more than 2^20 blocks of 8 octets under one key. They are few: half of them must last for a rekeying. */
const tripleDes = { octets: 2 ** 23, packets: 2 ** 20, soft: 1 / 2 }

const amountOf = (encr: number): { readonly octets: number; readonly packets: number; readonly soft?: number } => {
  if (encr === Encr.ENCR_3DES) return tripleDes
  // RFC 9001 §6.6: there are fewer packets than the cipher could bear.
  if (encr === Encr.ENCR_CHACHA20_POLY1305 || encr === Encr.ENCR_CHACHA20_POLY1305_IIV) return notAtAll
  if (ccmIds.has(encr)) return countingTwice
  const kind = encrInfo(encr)?.kind
  if (kind === 'cbc') return chaining
  // GMAC encrypts one block of each packet. A MAC alone bears 2^48 packets (SP 800-38B appendix B), ESN or not.
  if (kind === 'gmac') return { octets: Number.POSITIVE_INFINITY, packets: 2 ** 34 }
  return kind === 'null' ? { octets: Number.POSITIVE_INFINITY, packets: 2 ** 48 } : counting
}

const ccmIds: ReadonlySet<number> = new Set([
  ...[Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16, Encr.ENCR_AES_CCM_8_IIV],
])

/** The limits of one key of an SA, whatever is configured. */
export function usageLimits(encr: number, esn: boolean): UsageLimits {
  const key = 2 * encr + Number(esn)
  const known = limitsOf.get(key)
  if (known !== undefined) return known
  const limits = Object.freeze(newLimits(encr, esn))
  limitsOf.set(key, limits)
  return limits
}

/** Two for each transform, which all its SAs share. */
const limitsOf = new Map<number, UsageLimits>()

function newLimits(encr: number, esn: boolean): UsageLimits {
  const { octets, packets, soft = SOFT } = amountOf(encr)
  return {
    octets,
    packets: esn ? packets : Math.min(packets, SEQUENCE_NUMBERS),
    forgeries: encrInfo(encr)?.tagBytes === 8 ? FORGERIES_OF_SHORT_TAG : FORGERIES,
    soft,
  }
}
