export { type EapPeapOptions, eapPeap } from './eap-peap.ts'
export { type EapTlsMethodOptions, eapTls } from './eap-tls.ts'
export { type EapTtlsOptions, eapTtls, type TtlsInner } from './eap-ttls.ts'
export type { ChainVerdict, EapTlsOptions, PemOrDer, TlsVersion, VerifyChain } from './options.ts'
