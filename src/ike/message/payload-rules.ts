import { PeerError } from '../../errors.ts'
import {
  ExchangeType,
  exchangeName,
  isErrorNotify,
  NotifyType,
  type Payload,
  type PayloadKind,
} from '../codec/index.ts'

/**
 * How often a payload may stand in a message; kinds that a form does not name may stand there any number of times,
 * because what is not expected is ignored (RFC 7296 §2.5).
 */
type Form = readonly (readonly [kind: PayloadKind, min: number, max: number])[]

interface ExchangeRule {
  readonly exchange: number
  /** A message must fit one of the forms; the first is named when none fits. */
  readonly request: readonly Form[]
  readonly response: readonly Form[]
}

/** An IKE_SA is set up alone. */
const noChild: Form = [
  ['SA', 0, 0],
  ['TSi', 0, 0],
  ['TSr', 0, 0],
]

/** RFC 7296 Appendix C, §1.2 to §1.5, §2.16. Nothing here depends on the order of payloads (§2.5). */
const rules: readonly ExchangeRule[] = [
  {
    exchange: ExchangeType.IKE_SA_INIT,
    // --> HDR, [N(COOKIE)], SAi1, KEi, Ni
    request: [
      [
        ['SA', 1, 1],
        ['KE', 1, 1],
        ['Nonce', 1, 1],
      ],
    ],
    // <-- HDR, SAr1, KEr, Nr, [CERTREQ]
    response: [
      [
        ['SA', 1, 1],
        ['KE', 1, 1],
        ['Nonce', 1, 1],
      ],
    ],
  },
  {
    exchange: ExchangeType.IKE_SESSION_RESUME,
    // --> HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE)
    request: [[['Nonce', 1, 1]]],
    // <-- HDR, Nr
    response: [[['Nonce', 1, 1]]],
  },
  {
    exchange: ExchangeType.IKE_INTERMEDIATE,
    // Both directions: HDR, SK {KE}, for an additional key exchange. RFC 9370 §2.2.2.
    request: [[['KE', 1, 1]]],
    response: [[['KE', 1, 1]]],
  },
  {
    exchange: ExchangeType.IKE_AUTH,
    request: [
      // --> HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] [AUTH,] [CP,] SAi2, TSi, TSr}; without AUTH the initiator wants EAP
      [
        ['IDi', 1, 1],
        ['IDr', 0, 1],
        ['AUTH', 0, 1],
        ['CP', 0, 1],
        ['SA', 1, 1],
        ['TSi', 1, 1],
        ['TSr', 1, 1],
        ['EAP', 0, 0],
      ],
      // --> HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] [AUTH,] [CP]}: whether that was agreed on, IKE_AUTH itself looks. RFC 6023 §2
      [['IDi', 1, 1], ['IDr', 0, 1], ['AUTH', 0, 1], ['CP', 0, 1], ...noChild, ['EAP', 0, 0]],
      // --> HDR, SK {IDi, [CERT,] [AUTH]}, a further round (RFC 4739), is of the same form; HDR, SK {} when only the responder goes on
      [['IDi', 0, 0], ['AUTH', 0, 0], ['EAP', 0, 0], ...noChild],
      // --> HDR, SK {EAP}
      [
        ['EAP', 1, 1],
        ['IDi', 0, 0],
        ['AUTH', 0, 0],
      ],
      // --> HDR, SK {AUTH}, after EAP succeeded
      [
        ['AUTH', 1, 1],
        ['IDi', 0, 0],
        ['EAP', 0, 0],
      ],
    ],
    response: [
      // <-- HDR, SK {IDr, [CERT,] AUTH, [CP,] SAr2, TSi, TSr}
      [
        ['IDr', 1, 1],
        ['AUTH', 1, 1],
        ['CP', 0, 1],
        ['SA', 1, 1],
        ['TSi', 1, 1],
        ['TSr', 1, 1],
        ['EAP', 0, 0],
      ],
      // <-- HDR, SK {IDr, [CERT,] AUTH, [CP]}, RFC 6023 §2
      [['IDr', 1, 1], ['AUTH', 1, 1], ['CP', 0, 1], ...noChild, ['EAP', 0, 0]],
      // <-- HDR, SK {IDr, [CERT,] [AUTH,] EAP}, and <-- HDR, SK {EAP}
      [
        ['IDr', 0, 1],
        ['AUTH', 0, 1],
        ['EAP', 1, 1],
      ],
      // <-- HDR, SK {[CP,] SAr2, TSi, TSr}, or HDR, SK {} between two rounds of the initiator: RFC 4739
      [
        ['IDr', 0, 0],
        ['AUTH', 0, 0],
        ['CP', 0, 1],
        ['SA', 1, 1],
        ['TSi', 1, 1],
        ['TSr', 1, 1],
        ['EAP', 0, 0],
      ],
      [['IDr', 0, 0], ['AUTH', 0, 1], ['CP', 0, 1], ...noChild, ['EAP', 0, 0]],
      // <-- HDR, SK {AUTH, [CP,] SAr2, TSi, TSr}, after EAP succeeded
      [
        ['IDr', 0, 0],
        ['AUTH', 1, 1],
        ['CP', 0, 1],
        ['SA', 1, 1],
        ['TSi', 1, 1],
        ['TSr', 1, 1],
        ['EAP', 0, 0],
      ],
    ],
  },
  {
    exchange: ExchangeType.CREATE_CHILD_SA,
    // Both directions: HDR, SK {SA, N, [KE,] TS, TS} for a CHILD_SA; HDR, SK {SA, N, KE} rekeys the IKE SA.
    request: childForms(),
    response: childForms(),
  },
  {
    exchange: ExchangeType.IKE_FOLLOWUP_KE,
    // Both directions: HDR, SK {KE, [N(ADDITIONAL_KEY_EXCHANGE)]}. RFC 9370 §2.2.4.
    request: [[['KE', 1, 1]]],
    response: [[['KE', 1, 1]]],
  },
  { exchange: ExchangeType.INFORMATIONAL, request: [[]], response: [[]] },
]

const ruleByExchange = new Map(rules.map((rule) => [rule.exchange, rule]))

/** False for an exchange type that nothing is known about here. */
export const isKnownExchange = (exchangeType: number): boolean => ruleByExchange.has(exchangeType)

/** Status notifies that may take the place of the answer in a response. RFC 7296 §2.6; RFC 5723 §4.3; RFC 5685 §3, §6. */
const insteadOfAnswer: ReadonlyMap<number, readonly number[]> = new Map([
  [ExchangeType.IKE_SA_INIT, [NotifyType.COOKIE, NotifyType.REDIRECT]],
  [ExchangeType.IKE_SESSION_RESUME, [NotifyType.COOKIE, NotifyType.TICKET_NACK]],
  [ExchangeType.IKE_AUTH, [NotifyType.REDIRECT]],
])

/**
 * Checks which payloads a message holds; for an encrypted exchange `payloads` are those inside SK. Throws `PeerError`:
 * UNSUPPORTED_CRITICAL_PAYLOAD with the payload's type as data for an unknown payload with the critical bit (RFC 7296
 * §2.5), INVALID_SYNTAX for a missing or repeated one. Unknown payloads without the bit, and unknown exchanges, pass; the
 * critical bit of known payloads means nothing. A response that tells of an error need not hold anything else.
 */
export function checkPayloads(exchangeType: number, response: boolean, payloads: readonly Payload[]): void {
  refuseUnknownCritical(payloads)
  const rule = ruleByExchange.get(exchangeType)
  if (rule === undefined) return
  const counts = countKinds(payloads)
  const forms = response ? rule.response : rule.request
  const refused = response && payloads.some((payload) => endsExchange(exchangeType, payload))
  const problems = forms.map((form) => misfit(form, counts, refused))
  if (problems.includes(undefined)) return
  throw new PeerError(
    'INVALID_SYNTAX',
    `${exchangeName(exchangeType)} ${response ? 'response' : 'request'} ${problems[0]}`,
    { notify: NotifyType.INVALID_SYNTAX },
  )
}

function refuseUnknownCritical(payloads: readonly Payload[]): void {
  for (const payload of payloads) {
    if (payload.kind !== 'unknown' || !payload.critical) continue
    throw new PeerError('UNSUPPORTED_CRITICAL_PAYLOAD', `critical payload of unknown type ${payload.type}`, {
      notify: NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
      data: Uint8Array.of(payload.type),
    })
  }
}

function endsExchange(exchangeType: number, payload: Payload): boolean {
  if (payload.kind !== 'N') return false
  return isErrorNotify(payload.notify) || (insteadOfAnswer.get(exchangeType)?.includes(payload.notify) ?? false)
}

function countKinds(payloads: readonly Payload[]): ReadonlyMap<PayloadKind, number> {
  const counts = new Map<PayloadKind, number>()
  for (const { kind } of payloads) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** What keeps the counts from fitting the form; with `refused` only the maxima count. */
function misfit(form: Form, counts: ReadonlyMap<PayloadKind, number>, refused: boolean): string | undefined {
  for (const [kind, min, max] of form) {
    const count = counts.get(kind) ?? 0
    if (count > max) return `has ${count} ${kind} payloads, ${max} may be there`
    if (count < min && !refused) return `has no ${kind} payload`
  }
  return undefined
}

function childForms(): readonly Form[] {
  return [
    [
      ['SA', 1, 1],
      ['Nonce', 1, 1],
      ['KE', 0, 1],
      ['TSi', 1, 1],
      ['TSr', 1, 1],
    ],
    [
      ['SA', 1, 1],
      ['Nonce', 1, 1],
      ['KE', 1, 1],
      ['TSi', 0, 0],
      ['TSr', 0, 0],
    ],
  ]
}
