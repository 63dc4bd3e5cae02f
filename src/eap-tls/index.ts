export { type EapTlsMethodOptions, eapTls } from './eap-tls.ts'
export type { ChainVerdict, EapTlsOptions, PemOrDer, TlsVersion, VerifyChain } from './options.ts'
