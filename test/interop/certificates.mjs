// Authorities, keys and certificates for one case, made by the command openssl.
import { mkdirSync, writeFileSync } from 'node:fs'
import { run } from './processes.mjs'
import { identities } from './topology.mjs'

/** Arguments of `openssl genpkey`. */
const kinds = {
  'rsa-2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'rsa-3072': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
  'rsa-4096': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:4096'],
  'ecdsa-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'ecdsa-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'ecdsa-521': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  ed25519: ['-algorithm', 'ED25519'],
  ed448: ['-algorithm', 'ED448'],
}

/**
 * A root, an intermediate authority, and both sides' keys of `kind` with certificates of the intermediate. Resolves to paths: `root`, `between`, and for
 * each side `{ key, certificate }`.
 */
export async function makeCertificates(directory, kind) {
  mkdirSync(directory, { recursive: true })
  const authority = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
  const root = await issue(directory, 'root', 'ecdsa-256', authority)
  const between = await issue(directory, 'between', 'ecdsa-256', authority, root)
  const sides = {}
  for (const side of ['client', 'server']) {
    sides[side] = await issue(directory, side, kind, `subjectAltName=DNS:${identities[side]}\n`, between)
  }
  return { root: root.certificate, between: between.certificate, ...sides }
}

async function issue(directory, name, kind, extensions, issuer) {
  const path = (ending) => `${directory}/${name}.${ending}`
  const [key, certificate, request] = [path('key'), path('crt'), path('csr')]
  await run('openssl', ['genpkey', ...kinds[kind], '-out', key])
  await run('openssl', ['req', '-new', '-key', key, '-subj', `/O=interop/CN=${name}`, '-out', request])
  writeFileSync(path('ext'), `${extensions}subjectKeyIdentifier=hash\n`)
  const signer =
    issuer === undefined ? ['-signkey', key] : ['-CA', issuer.certificate, '-CAkey', issuer.key, '-CAcreateserial']
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    request,
    ...signer,
    '-days',
    '30',
    '-extfile',
    path('ext'),
    '-out',
    certificate,
  ])
  return { key, certificate }
}
