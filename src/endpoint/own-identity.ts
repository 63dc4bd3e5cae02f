import { OwnKey } from '../credentials/own-key.ts'
import { namesInstead, vouchesFor } from '../credentials/peer-identity.ts'
import { formatIdentity } from '../ike/auth/identity.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import { decodeCertificate, nameOfCertificate } from '../pki/certificate.ts'

/** What a peer that follows RFC 4945 §3.1 refuses us for: our certificate has another name than our identity. Undefined: nothing. */
export function ownIdentityProblem({ name, local }: ConnectionConfig): string | undefined {
  if (local.auth.method !== 'pubkey' || !(local.auth.credential instanceof OwnKey)) return undefined
  const [first] = local.auth.credential.certificates
  if (first === undefined) return undefined
  const certificate = decodeCertificate(first)
  if (vouchesFor(certificate, local.id)) return undefined
  const has = `our certificate ${nameOfCertificate(certificate)} has ${namesInstead(certificate, local.id)}`
  return `our identity is ${formatIdentity(local.id)}, ${has}: peers may refuse it; connections.${name}.local.id: a name of the certificate, or none`
}
