import { Reader, type Writer } from '../../bytes/index.ts'
import { UsageError } from '../../errors.ts'
import { type AuthPayload, decodeAuth, encodeAuth } from './auth.ts'
import { type CertPayload, decodeCert, encodeCert } from './cert.ts'
import { type CertReqPayload, decodeCertReq, encodeCertReq } from './certreq.ts'
import { type CpPayload, decodeCp, encodeCp } from './cp.ts'
import { type DeletePayload, decodeDelete, encodeDelete } from './delete.ts'
import { decodeEap, type EapPayload, encodeEap } from './eap.ts'
import { decodeId, encodeId, type IdPayload } from './id.ts'
import { decodeKe, encodeKe, type KePayload } from './ke.ts'
import { maxPayloads, patchLength, payloadLimits } from './limits.ts'
import { decodeNonce, encodeNonce, type NoncePayload } from './nonce.ts'
import { decodeNotify, encodeNotify, type NotifyPayload } from './notify.ts'
import { PayloadType } from './numbers.ts'
import { decodePs, encodePs, type PsPayload } from './ps.ts'
import { decodeSa, encodeSa, type SaPayload } from './sa.ts'
import { decodeSk, encodeSk, type SkPayload } from './sk.ts'
import { decodeSkf, encodeSkf, type SkfPayload } from './skf.ts'
import { decodeTs, encodeTs, type TsPayload } from './ts.ts'
import { decodeUnknown, encodeUnknown, type UnknownPayload } from './unknown.ts'
import { decodeVendor, encodeVendor, type VendorPayload } from './vendor.ts'

/** Any payload; `kind` tells which. Octets inside are borrowed from the message that was decoded. */
export type Payload =
  | SaPayload
  | KePayload
  | IdPayload
  | CertPayload
  | CertReqPayload
  | AuthPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VendorPayload
  | TsPayload
  | SkPayload
  | SkfPayload
  | CpPayload
  | EapPayload
  | PsPayload
  | UnknownPayload

export type PayloadKind = Payload['kind']

/** Payload types by kind; `unknown` carries its own. */
export const payloadTypes: Readonly<Record<Exclude<PayloadKind, 'unknown'>, number>> = {
  SA: PayloadType.SA,
  KE: PayloadType.KE,
  IDi: PayloadType.IDi,
  IDr: PayloadType.IDr,
  CERT: PayloadType.CERT,
  CERTREQ: PayloadType.CERTREQ,
  AUTH: PayloadType.AUTH,
  Nonce: PayloadType.NONCE,
  N: PayloadType.NOTIFY,
  D: PayloadType.DELETE,
  V: PayloadType.VENDOR,
  TSi: PayloadType.TSi,
  TSr: PayloadType.TSr,
  SK: PayloadType.SK,
  CP: PayloadType.CP,
  EAP: PayloadType.EAP,
  SKF: PayloadType.SKF,
  PS: PayloadType.PS,
}

/** Octets of the generic payload header. */
export const genericHeaderBytes = 4

const criticalBit = 0x80

interface PayloadDecoder {
  readonly where: string
  readonly section: string
  /** `next` is the Next Payload field, which in SK and SKF names the first payload inside. */
  readonly decode: (reader: Reader, critical: boolean, next: number) => Payload
}

const rfc7296 = (where: string, section: string, decode: PayloadDecoder['decode']): PayloadDecoder => ({
  where: `${where} payload`,
  section: `RFC 7296 §${section}`,
  decode,
})

const decoders: ReadonlyMap<number, PayloadDecoder> = new Map([
  [PayloadType.SA, rfc7296('SA', '3.3', decodeSa)],
  [PayloadType.KE, rfc7296('KE', '3.4', decodeKe)],
  [PayloadType.IDi, rfc7296('IDi', '3.5', (reader, critical) => decodeId('IDi', reader, critical))],
  [PayloadType.IDr, rfc7296('IDr', '3.5', (reader, critical) => decodeId('IDr', reader, critical))],
  [PayloadType.CERT, rfc7296('CERT', '3.6', decodeCert)],
  [PayloadType.CERTREQ, rfc7296('CERTREQ', '3.7', decodeCertReq)],
  [PayloadType.AUTH, rfc7296('AUTH', '3.8', decodeAuth)],
  [PayloadType.NONCE, rfc7296('Nonce', '3.9', decodeNonce)],
  [PayloadType.NOTIFY, rfc7296('N', '3.10', decodeNotify)],
  [PayloadType.DELETE, rfc7296('D', '3.11', decodeDelete)],
  [PayloadType.VENDOR, rfc7296('V', '3.12', decodeVendor)],
  [PayloadType.TSi, rfc7296('TSi', '3.13', (reader, critical) => decodeTs('TSi', reader, critical))],
  [PayloadType.TSr, rfc7296('TSr', '3.13', (reader, critical) => decodeTs('TSr', reader, critical))],
  [PayloadType.SK, rfc7296('SK', '3.14', (reader, critical, next) => decodeSk(next, reader, critical))],
  [PayloadType.CP, rfc7296('CP', '3.15', decodeCp)],
  [PayloadType.EAP, rfc7296('EAP', '3.16', decodeEap)],
  [PayloadType.PS, { where: 'PS payload', section: 'RFC 8019 §8.2', decode: decodePs }],
  [
    PayloadType.SKF,
    {
      where: 'SKF payload',
      section: 'RFC 7383 §2.5',
      decode: (reader, critical, next) => decodeSkf(next, reader, critical),
    },
  ],
])

const encoders: {
  readonly [K in PayloadKind]: (payload: Extract<Payload, { readonly kind: K }>, writer: Writer) => void
} = {
  SA: encodeSa,
  KE: encodeKe,
  IDi: encodeId,
  IDr: encodeId,
  CERT: encodeCert,
  CERTREQ: encodeCertReq,
  AUTH: encodeAuth,
  Nonce: encodeNonce,
  N: encodeNotify,
  D: encodeDelete,
  V: encodeVendor,
  TSi: encodeTs,
  TSr: encodeTs,
  SK: encodeSk,
  CP: encodeCp,
  EAP: encodeEap,
  SKF: encodeSkf,
  PS: encodePs,
  unknown: encodeUnknown,
}

/**
 * Decodes a chain of payloads that fills `bytes` exactly; the first one's type comes from the header before it. Octets
 * are borrowed. `baseOffset` is the place of `bytes[0]` in the whole message, for errors. An SK or SKF payload ends the
 * chain; inside an SK payload (`inside` true) neither may stand. RFC 7296 §3.2.
 */
export function decodeChain(first: number, bytes: Uint8Array, baseOffset: number, inside: boolean): Payload[] {
  const reader = new Reader(bytes, 'payload chain', 'RFC 7296 §3.2', baseOffset)
  const payloads: Payload[] = []
  const counts = new Map<PayloadKind, number>()
  let type = first
  while (type !== PayloadType.NONE) {
    if (payloads.length === maxPayloads) reader.fail(`more than ${maxPayloads} payloads`)
    const closed = type === PayloadType.SK || type === PayloadType.SKF
    if (closed && inside) reader.fail('an encrypted payload inside an encrypted payload')
    const [payload, next] = decodeOne(type, reader)
    countPayload(payload.kind, counts, reader)
    payloads.push(payload)
    type = closed ? PayloadType.NONE : next
  }
  reader.end()
  return payloads
}

/**
 * Decodes the payloads inside an SK payload, padding taken off; octets are borrowed. `first` is the SK payload's
 * `firstPayload`. RFC 7296 §3.14.
 */
export function decodePayloads(first: number, bytes: Uint8Array, baseOffset = 0): Payload[] {
  return decodeChain(first, bytes, baseOffset, true)
}

/**
 * Writes the payloads, chained by their generic headers, and returns the type of the first (0 when there is none). An
 * SK or SKF payload must be the last. RFC 7296 §3.2.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Next Payload  |C|  RESERVED   |         Payload Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function encodePayloads(payloads: readonly Payload[], writer: Writer): number {
  payloads.forEach((payload, i) => {
    const next = payloads[i + 1]
    const start = writer.position
    writer
      .u8(nextPayloadField(payload, next))
      .u8(payload.critical ? criticalBit : 0)
      .u16(0)
    // The table is keyed by kind, which the type checker cannot tie to the union member at hand.
    const encode = encoders[payload.kind] as (payload: Payload, writer: Writer) => void
    encode(payload, writer)
    patchLength(writer, start, start + 2, `${payload.kind} payload`)
  })
  return typeOf(payloads[0])
}

function decodeOne(type: number, chain: Reader): readonly [payload: Payload, next: number] {
  const decoder = decoders.get(type)
  const where = decoder?.where ?? `payload ${type}`
  const next = chain.u8('Next Payload')
  const critical = (chain.u8('Critical') & criticalBit) !== 0
  const length = chain.u16('Payload Length')
  if (length < genericHeaderBytes) chain.fail(`${where}: Payload Length ${length} is shorter than its header`)
  const body = chain.sub(length - genericHeaderBytes, where, decoder?.section ?? chain.section)
  return [decoder?.decode(body, critical, next) ?? decodeUnknown(type, body, critical), next]
}

function countPayload(kind: PayloadKind, counts: Map<PayloadKind, number>, reader: Reader): void {
  const count = (counts.get(kind) ?? 0) + 1
  const limit = (payloadLimits as Partial<Record<PayloadKind, number>>)[kind] ?? maxPayloads
  if (count > limit) reader.fail(`more than ${limit} ${kind} payloads`)
  counts.set(kind, count)
}

function typeOf(payload: Payload | undefined): number {
  if (payload === undefined) return PayloadType.NONE
  return payload.kind === 'unknown' ? payload.type : payloadTypes[payload.kind]
}

function nextPayloadField(payload: Payload, next: Payload | undefined): number {
  if (payload.kind !== 'SK' && payload.kind !== 'SKF') return typeOf(next)
  if (next !== undefined) throw new UsageError('payloads', `an ${payload.kind} payload must be the last`)
  return payload.firstPayload
}
