// Authorities, keys and certificates for one case, made by the command openssl.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { run, start, stop, waitFor } from './processes.mjs'
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

const responderPort = 8889
/** An address of the router. */
const responderUrl = `http://10.91.2.1:${responderPort}/`

/** For `changes` of `makeCertificates`: a certificate whose time is over, one with another name than strongSwan is configured with. */
export const expired = { dates: ['20240101000000Z', '20240201000000Z'] }
export const otherIdentity = { name: 'mallory.example.org' }

/**
 * A root, an intermediate authority, and both sides' keys of `kind` with certificates of the intermediate. Resolves to paths: `root`, `between`, and for
 * each side `{ key, certificate }`. `changes` has for a side what is unusual in its certificate.
 */
export async function makeCertificates(directory, kind, changes = {}) {
  mkdirSync(directory, { recursive: true })
  const authority = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
  const root = await issue(directory, 'root', 'ecdsa-256', authority)
  const between = await issue(directory, 'between', 'ecdsa-256', authority, root)
  const sides = {}
  for (const side of ['client', 'server']) {
    const { name = identities[side], dates, ocsp } = changes[side] ?? {}
    const access = ocsp ? `authorityInfoAccess=OCSP;URI:${responderUrl}\n` : ''
    sides[side] = await issue(directory, side, kind, `subjectAltName=DNS:${name}\n${access}`, between, dates)
  }
  return { root: root.certificate, between: between.certificate, ...sides }
}

async function issue(directory, name, kind, extensions, issuer, dates) {
  const path = (ending) => `${directory}/${name}.${ending}`
  const [key, certificate, request] = [path('key'), path('crt'), path('csr')]
  await run('openssl', ['genpkey', ...kinds[kind], '-out', key])
  await run('openssl', ['req', '-new', '-key', key, '-subj', `/O=interop/CN=${name}`, '-out', request])
  writeFileSync(path('ext'), `${extensions}subjectKeyIdentifier=hash\n`)
  const files = ['-in', request, '-extfile', path('ext'), '-out', certificate]
  if (dates !== undefined) {
    const [from, until] = dates
    const authority = ['-config', caConfiguration(directory), '-batch', '-notext']
    await run('openssl', ['ca', ...authority, ...files, '-startdate', from, '-enddate', until])
    return { key, certificate }
  }
  const signer =
    issuer === undefined ? ['-signkey', key] : ['-CA', issuer.certificate, '-CAkey', issuer.key, '-CAcreateserial']
  await run('openssl', ['x509', '-req', ...signer, '-days', '30', ...files])
  return { key, certificate }
}

/** The intermediate authority with a list of certificates, `index`, for `openssl ca`. */
function caConfiguration(directory) {
  const file = `${directory}/ca.conf`
  writeFileSync(`${directory}/index`, '')
  writeFileSync(`${directory}/serial`, '1000\n')
  writeFileSync(
    file,
    `[ca]
default_ca = between
[between]
database = ${directory}/index
serial = ${directory}/serial
new_certs_dir = ${directory}
certificate = ${directory}/between.crt
private_key = ${directory}/between.key
default_md = sha256
policy = any
[any]
organizationName = optional
commonName = supplied
`,
  )
  return file
}

/** The list of what the intermediate authority has issued to `sides`; those in `revoked` were revoked an hour ago. Resolves to the path of a CRL of it. */
export async function makeRevocation(directory, revoked) {
  const config = caConfiguration(directory)
  const time = (ms) =>
    `${new Date(ms)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .slice(2)}`
  const [later, before] = [time(Date.now() + 30 * 86_400_000), time(Date.now() - 3_600_000)]
  const lines = []
  for (const side of ['client', 'server']) {
    const { stdout } = await run('openssl', ['x509', '-in', `${directory}/${side}.crt`, '-noout', '-serial'])
    const state = revoked.includes(side) ? ['R', later, `${before},keyCompromise`] : ['V', later, '']
    lines.push([...state, stdout.trim().split('=')[1], 'unknown', `/O=interop/CN=${side}`].join('\t'))
  }
  writeFileSync(`${directory}/index`, `${lines.join('\n')}\n`)
  const crl = `${directory}/between.crl`
  await run('openssl', ['ca', '-config', config, '-gencrl', '-crldays', '30', '-out', crl])
  return { crl }
}

/** `openssl ocsp` on the router, for what `makeRevocation` has listed. Resolves to what stops it. */
export async function startResponder(topology, directory) {
  const signer = ['-rsigner', `${directory}/between.crt`, '-rkey', `${directory}/between.key`]
  const authority = ['-index', `${directory}/index`, '-CA', `${directory}/between.crt`, ...signer]
  const logFile = `${directory}/responder.log`
  const openssl = ['openssl', 'ocsp', '-port', String(responderPort), ...authority, '-ndays', '1']
  const process = start('ip', ['netns', 'exec', topology.router, ...openssl], logFile)
  await waitFor('the OCSP responder', () => /waiting for OCSP client/i.test(readFileSync(logFile, 'utf8')))
  return () => stop(process)
}
