export { type Certificate, decodeCertificate } from './certificate.ts'
export { type Crl, decodeCrl, type Revocation } from './crl.ts'
export type { Extensions, NameConstraints } from './extensions.ts'
export { type Fetch, type Fetching, type FetchRequest, type FetchResult, runFetching } from './fetching.ts'
export { formatGeneralName, type GeneralName } from './general-name.ts'
export {
  type CertificateTemplate,
  type CrlTemplate,
  extension,
  type Issuer,
  issueCertificate,
  issueCrl,
} from './issue.ts'
export { decodeOcspResponse, encodeOcspRequest, type OcspResponse } from './ocsp.ts'
export { Purpose } from './oids.ts'
export { type PathRequest, trustedPaths } from './path-building.ts'
export type { PathProblem, PathRules } from './path-rules.ts'
export { type RevocationPolicy, type RevocationStatus, revocationOf, revocationProblem } from './revocation.ts'
export { RevocationCache } from './revocation-cache.ts'
