import type { Encr, Integ, Prf } from '../../src/crypto/transforms.ts'

/** One key exchange of a trace, with both private values. */
export interface TraceKe {
  readonly group: number
  readonly pubRequester: string
  readonly pubResponder: string
  readonly privRequester: string
  readonly privResponder: string
  readonly gir: string
}

export interface TraceKeyExchange {
  readonly method: number
  readonly requesterData: string
  readonly responderData: string
  readonly privRequester?: string
  readonly privResponder?: string
  /** d | z, in place of a private value. */
  readonly mlkemSeedRequester?: string
  readonly secret: string
}

export interface TraceKeySet {
  readonly skeyseed: string
  readonly sk_d: string
  readonly sk_ai: string
  readonly sk_ar: string
  readonly sk_ei: string
  readonly sk_er: string
  readonly sk_pi: string
  readonly sk_pr: string
}

export interface TraceSuite {
  readonly encr: keyof typeof Encr
  readonly encrKeyBits: number
  readonly integ: keyof typeof Integ
}

export interface TraceIkeSa extends TraceSuite, TraceKeySet, Omit<TraceKe, 'group'> {
  readonly spiI: string
  readonly spiR: string
  readonly prf: keyof typeof Prf
  readonly dhGroup: number
  readonly ni: string
  readonly nr: string
  readonly rekeyOf?: readonly [string, string]
  readonly initRequest: string
  readonly initResponse: string
  /** With a post-quantum pre-shared key (RFC 8784) these take the place of the plain ones after IKE_AUTH. */
  readonly sk_d_ppk?: string
  readonly sk_pi_ppk?: string
  readonly sk_pr_ppk?: string
  /** With several key exchanges (RFC 9370): all of them, and the keys after each IKE_INTERMEDIATE. */
  readonly keyExchanges?: readonly TraceKeyExchange[]
  readonly keySets?: readonly TraceKeySet[]
}

export interface TraceChildSa extends TraceSuite, Omit<TraceKe, 'group' | 'gir'> {
  readonly kind: string
  readonly ikeSpiI: string
  readonly ikeSpiR: string
  readonly ni: string
  readonly nr: string
  readonly dhGroup: number | null
  readonly gir: string | null
  readonly keyExchanges?: readonly TraceKeyExchange[]
  readonly encI2R: string
  readonly encR2I: string
  readonly integI2R: string
  readonly integR2I: string
}

export interface Trace {
  readonly ikeSas?: readonly TraceIkeSa[]
  readonly childSas?: readonly TraceChildSa[]
  readonly config: { readonly ppk?: string }
  readonly authLog?: readonly { readonly label: string; readonly hex: string }[]
  readonly packets: readonly {
    readonly kind: string
    readonly srcPort: number
    readonly dstPort: number
    readonly udpPayload: string
    readonly header?: { readonly exchange: string; readonly initiator: boolean; readonly messageId: number }
    readonly decrypted?: { readonly payloads: readonly { readonly type: number; readonly body: string }[] }
  }[]
}
