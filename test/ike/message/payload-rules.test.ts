import { describe, expect, it } from 'vitest'
import { PeerError } from '../../../src/errors.ts'
import { ExchangeType, NotifyType, type Payload, type PayloadKind } from '../../../src/ike/codec/index.ts'
import { checkPayloads } from '../../../src/ike/message/payload-rules.ts'

const none = new Uint8Array(0)
const notify = (type: number): Payload => ({
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: none,
  notify: type,
  data: none,
})
const unknown = (critical: boolean): Payload => ({ kind: 'unknown', critical, type: 200, data: none })

const samples: Partial<Record<PayloadKind, Payload>> = {
  SA: { kind: 'SA', critical: true, proposals: [] },
  KE: { kind: 'KE', critical: true, group: 19, data: none },
  Nonce: { kind: 'Nonce', critical: false, data: none },
  IDi: { kind: 'IDi', critical: false, idType: 2, reserved: 0, data: none },
  IDr: { kind: 'IDr', critical: false, idType: 2, reserved: 0, data: none },
  AUTH: { kind: 'AUTH', critical: false, method: 2, data: none },
  CERT: { kind: 'CERT', critical: false, encoding: 4, data: none },
  TSi: { kind: 'TSi', critical: false, selectors: [] },
  TSr: { kind: 'TSr', critical: false, selectors: [] },
  EAP: { kind: 'EAP', critical: false, code: 1, identifier: 1, data: none },
  CP: { kind: 'CP', critical: false, cfgType: 1, attributes: [] },
  D: { kind: 'D', critical: false, protocol: 1, spiSize: 0, spis: [] },
  V: { kind: 'V', critical: false, data: none },
}
/** `SA KE N(REKEY_SA)` to payloads. */
const parse = (text: string): Payload[] =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const name = /^N\((\w+)\)$/.exec(word)?.[1]
      return name === undefined ? samples[word as PayloadKind]! : notify(NotifyType[name as keyof typeof NotifyType])
    })

const { IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL } = ExchangeType
const request = false
const response = true

describe('checkPayloads', () => {
  it.each([
    [IKE_SA_INIT, request, 'SA KE Nonce'],
    [IKE_SA_INIT, request, 'N(COOKIE) V Nonce KE SA N(NAT_DETECTION_SOURCE_IP)'],
    [IKE_SA_INIT, response, 'SA KE Nonce'],
    [IKE_SA_INIT, response, 'N(COOKIE)'],
    [IKE_SA_INIT, response, 'N(INVALID_KE_PAYLOAD)'],
    [IKE_SA_INIT, response, 'N(REDIRECT) Nonce'],
    [IKE_AUTH, request, 'IDi AUTH SA TSi TSr'],
    [IKE_AUTH, request, 'IDi CERT CERT IDr AUTH CP SA TSi TSr N(INITIAL_CONTACT)'],
    [IKE_AUTH, request, 'IDi SA TSi TSr'],
    [IKE_AUTH, request, ''],
    [IKE_AUTH, response, 'SA TSi TSr'],
    [IKE_AUTH, response, ''],
    [IKE_AUTH, request, 'EAP'],
    [IKE_AUTH, request, 'AUTH'],
    [IKE_AUTH, response, 'IDr AUTH SA TSi TSr'],
    [IKE_AUTH, response, 'IDr CERT AUTH EAP'],
    [IKE_AUTH, response, 'EAP'],
    [IKE_AUTH, response, 'AUTH SA TSi TSr'],
    [IKE_AUTH, response, 'N(AUTHENTICATION_FAILED)'],
    [IKE_AUTH, response, 'IDr AUTH N(TS_UNACCEPTABLE)'],
    [IKE_AUTH, response, 'IDr AUTH N(REDIRECT)'],
    [CREATE_CHILD_SA, request, 'N(REKEY_SA) SA Nonce KE TSi TSr'],
    [CREATE_CHILD_SA, request, 'SA Nonce TSi TSr'],
    [CREATE_CHILD_SA, request, 'SA Nonce KE'],
    [CREATE_CHILD_SA, response, 'SA Nonce TSi TSr'],
    [CREATE_CHILD_SA, response, 'N(NO_ADDITIONAL_SAS)'],
    [INFORMATIONAL, request, ''],
    [INFORMATIONAL, request, 'D D N(UPDATE_SA_ADDRESSES)'],
    [INFORMATIONAL, response, ''],
    [250, request, 'EAP EAP'],
  ])('lets exchange %i, response %s: {%s} pass', (exchange, isResponse, payloads) => {
    checkPayloads(exchange, isResponse, parse(payloads))
  })

  it.each([
    [IKE_SA_INIT, request, '', 'SA'],
    [IKE_SA_INIT, request, 'SA KE', 'Nonce'],
    [IKE_SA_INIT, request, 'SA SA KE Nonce', 'SA'],
    [IKE_SA_INIT, request, 'SA KE KE Nonce', 'KE'],
    [IKE_SA_INIT, request, 'N(NO_PROPOSAL_CHOSEN)', 'SA'],
    [IKE_SA_INIT, request, 'N(COOKIE)', 'SA'],
    [IKE_SA_INIT, response, 'SA Nonce', 'KE'],
    [IKE_SA_INIT, response, 'N(NAT_DETECTION_SOURCE_IP)', 'SA'],
    [IKE_AUTH, request, 'IDi AUTH SA TSi', 'TSr'],
    [IKE_AUTH, request, 'IDi AUTH AUTH SA TSi TSr', 'AUTH'],
    [IKE_AUTH, request, 'IDi IDi AUTH SA TSi TSr', 'IDi'],
    [IKE_AUTH, request, 'IDi EAP SA TSi TSr', 'EAP'],
    [IKE_AUTH, response, 'IDr SA TSi TSr', 'AUTH'],
    [IKE_AUTH, response, 'IDr AUTH TSi N(COOKIE)', 'SA'],
    [IKE_AUTH, response, 'AUTH AUTH N(TS_UNACCEPTABLE)', 'AUTH'],
    [CREATE_CHILD_SA, request, 'SA Nonce', 'TSi'],
    [CREATE_CHILD_SA, request, 'SA KE TSi TSr', 'Nonce'],
    [CREATE_CHILD_SA, response, 'SA Nonce TSi', 'TSr'],
  ])('refuses exchange %i, response %s: {%s} because of %s', (exchange, isResponse, payloads, culprit) => {
    expect(() => checkPayloads(exchange, isResponse, parse(payloads))).toThrow(
      expect.objectContaining({
        name: 'PeerError',
        code: 'INVALID_SYNTAX',
        notify: NotifyType.INVALID_SYNTAX,
        message: expect.stringContaining(` ${culprit} payload`),
      }),
    )
  })

  it.each([IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL, 250])(
    'refuses an unknown critical payload in exchange %i and names its type',
    (exchange) => {
      const payloads = [...parse('SA KE Nonce IDi AUTH TSi TSr'), unknown(true)]
      expect(() => checkPayloads(exchange, request, payloads)).toThrow(PeerError)
      expect(() => checkPayloads(exchange, request, payloads)).toThrow(
        expect.objectContaining({ notify: NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data: Uint8Array.of(200) }),
      )
    },
  )

  it('passes over unknown payloads without the critical bit, and the bit on known ones', () => {
    checkPayloads(IKE_SA_INIT, request, [...parse('SA KE Nonce'), unknown(false)])
  })
})
