import type { IpAddress } from '../ip/address.ts'
import { numberAttribute, RadiusType, textAttribute } from './attributes.ts'
import type { RadiusOutcome } from './client.ts'
import type { RadiusAsk } from './eap-conversation.ts'
import { nasAttributes, nasIdentity, type RadiusNas, type RadiusPort } from './nas.ts'
import { type RadiusAttribute, RadiusCode } from './packet.ts'
import { framedAttributes } from './session-data.ts'

/** What accounting tells of one IKE_SA. */
export interface AccountedSession extends RadiusPort {
  /** Unique for us, over restarts too. RFC 2866 §5.5. */
  readonly id: string
  readonly userName: string
  readonly addresses: readonly IpAddress[]
  /** Class of the Access-Accept. */
  readonly classes: readonly Uint8Array[]
}

/** Sums over all CHILD_SAs of the session, up to 2^53. */
export interface AccountedTraffic {
  readonly seconds: number
  /** From the peer. */
  readonly inputOctets: number
  readonly inputPackets: number
  /** To the peer. */
  readonly outputOctets: number
  readonly outputPackets: number
}

/** RFC 2866 §5.10. */
export const TerminateCause = {
  UserRequest: 1,
  LostCarrier: 2,
  IdleTimeout: 4,
  SessionTimeout: 5,
  AdminReset: 6,
  AdminReboot: 7,
  NasError: 9,
  NasRequest: 10,
  NasReboot: 11,
} as const

/** Tells RADIUS of sessions. RFC 2866, RFC 2869 §2.1. Each promise settles with the server's answer, or why there was none. */
export class RadiusAccounting {
  readonly #ask: RadiusAsk
  readonly #nas: RadiusNas
  /** Seconds since 1970, for Event-Timestamp. */
  readonly #seconds: () => number

  constructor(ask: RadiusAsk, nas: RadiusNas, seconds: () => number) {
    this.#ask = ask
    this.#nas = nas
    this.#seconds = seconds
  }

  start(session: AccountedSession): Promise<RadiusOutcome> {
    return this.#tell(1, [...nasAttributes(this.#nas, session), ...sessionAttributes(session)])
  }

  interim(session: AccountedSession, traffic: AccountedTraffic): Promise<RadiusOutcome> {
    const about = [...nasAttributes(this.#nas, session), ...sessionAttributes(session)]
    return this.#tell(3, [...about, ...trafficAttributes(traffic)])
  }

  /** `cause`: a `TerminateCause`. */
  stop(session: AccountedSession, traffic: AccountedTraffic, cause: number): Promise<RadiusOutcome> {
    const about = [...nasAttributes(this.#nas, session), ...sessionAttributes(session)]
    const end = numberAttribute(RadiusType['Acct-Terminate-Cause'], cause)
    return this.#tell(2, [...about, ...trafficAttributes(traffic), end])
  }

  /** We begin to count: the server may forget sessions of ours that it still has. RFC 2866 §5.1. */
  on(): Promise<RadiusOutcome> {
    return this.#tell(7, nasIdentity(this.#nas))
  }

  /** We stop. */
  off(): Promise<RadiusOutcome> {
    return this.#tell(8, nasIdentity(this.#nas))
  }

  #tell(status: number, attributes: readonly RadiusAttribute[]): Promise<RadiusOutcome> {
    return this.#ask({
      code: RadiusCode.AccountingRequest,
      attributes: [
        numberAttribute(RadiusType['Acct-Status-Type'], status),
        numberAttribute(RadiusType['Event-Timestamp'], this.#seconds()),
        ...attributes,
      ],
    })
  }
}

const sessionAttributes = (session: AccountedSession): readonly RadiusAttribute[] => [
  textAttribute(RadiusType['Acct-Session-Id'], session.id),
  textAttribute(RadiusType['User-Name'], session.userName),
  numberAttribute(RadiusType['Acct-Authentic'], authenticatedByRadius),
  ...framedAttributes(session.addresses),
  ...session.classes.map((value) => ({ type: RadiusType.Class, value })),
]

const authenticatedByRadius = 1

function trafficAttributes(traffic: AccountedTraffic): readonly RadiusAttribute[] {
  const low = (octets: number) => octets % 2 ** 32
  const high = (octets: number) => Math.floor(octets / 2 ** 32)
  return [
    numberAttribute(RadiusType['Acct-Session-Time'], Math.floor(traffic.seconds)),
    numberAttribute(RadiusType['Acct-Input-Octets'], low(traffic.inputOctets)),
    numberAttribute(RadiusType['Acct-Input-Gigawords'], high(traffic.inputOctets)),
    numberAttribute(RadiusType['Acct-Input-Packets'], low(traffic.inputPackets)),
    numberAttribute(RadiusType['Acct-Output-Octets'], low(traffic.outputOctets)),
    numberAttribute(RadiusType['Acct-Output-Gigawords'], high(traffic.outputOctets)),
    numberAttribute(RadiusType['Acct-Output-Packets'], low(traffic.outputPackets)),
  ]
}
