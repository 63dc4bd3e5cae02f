import { type EndpointConfig, parseConfig } from '../../src/config/index.ts'
import { UsageError } from '../../src/errors.ts'
import { extension } from '../../src/pki/issue.ts'
import { encodePem } from '../../src/pki/pem.ts'
import { encodePrivateKey } from '../../src/pki/private-key.ts'
import { crl, DAY, gateway, type Holder, intermediate, issue, names, type Options, root } from '../pki/authority.ts'

/** Valid at this moment: what the files of a configuration are for. */
const soon = { notBefore: Date.now() - DAY, notAfter: Date.now() + DAY }

export const authority = root('CN=Root', soon)
const between = intermediate('CN=Between', authority, soon)
export const gate = gateway(between, ['gate.example'], soon)
const user = (name: string, issuer: Holder, options: Options = {}) =>
  issue(`CN=${name}`, issuer, { extensions: [extension.subjectAltName(names(name))], ...soon, ...options })
export const alice = user('alice@example', authority)
const expired = user('old@example', authority, { notBefore: 0, notAfter: Date.now() - DAY })
const revoked = user('gone@example', authority)
const stranger = root('CN=Stranger', soon)

const pem = (...holders: Holder[]) =>
  holders.map(({ certificate }) => encodePem('CERTIFICATE', certificate.der)).join('')
const spki = (holder: Holder) => encodePem('PUBLIC KEY', holder.key.publicKey.spki)

/** Files by name. */
export const files: Readonly<Record<string, string>> = {
  'root.pem': pem(authority),
  'stranger.pem': pem(stranger),
  'gate.pem': pem(gate, between),
  'gate.key': encodePrivateKey(gate.key),
  'alice.pem': pem(alice),
  'alice.key': encodePrivateKey(alice.key),
  'alice.pub': spki(alice),
  'alice-locked.key': encodePrivateKey(alice.key, 'open sesame'),
  'old.pem': pem(expired),
  'old.key': encodePrivateKey(expired.key),
  'gone.pem': pem(revoked),
  'gone.key': encodePrivateKey(revoked.key),
  'root.crl': encodePem(
    'X509 CRL',
    crl(authority, [revoked.certificate], { thisUpdate: Date.now() - DAY, nextUpdate: Date.now() + DAY }),
  ),
  passphrase: 'open sesame\n',
  password: 'swordfish\n',
  text: 'nothing of the kind\n',
}

const folders: Readonly<Record<string, readonly string[]>> = { cas: ['root.pem', 'notes.txt'], empty: [] }

/** A configuration whose files are those above. */
export const parse = (value: unknown): EndpointConfig =>
  parseConfig(JSON.stringify(value), 'vpn.json', {
    folder: '/etc/vpn',
    listFolder: (path) => folders[path],
    readSecretFile: (path) => {
      const text = files[path.replace(/^cas\//, '')]
      if (text === undefined) throw new UsageError('file', `cannot read ${path} (ENOENT)`)
      return new TextEncoder().encode(text)
    },
  })
