// EAP with strongSwan, both roles: passwords, TLS, and what each side says when it is refused. The responder shows a certificate.
import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checkMalformed, establish, keysOf, nothingLeft, refusalCase, withPeers } from './case.mjs'
import { Charon, Charon6 } from './charon.mjs'
import { run } from './processes.mjs'
import { identities } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'not used' }
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const user = 'alice@example.org'
const password = 'open sesame'
const plugins = 'md5 eap-identity eap-md5 eap-mschapv2 eap-tls eap-ttls'

/** An authority and three certificates: of the server, of the client, and of a client that is revoked. */
async function makeFiles(directory) {
  const ca = `${directory}/ca`
  const pki = (...args) => run(process.execPath, [command, 'pki', ...args])
  mkdirSync(directory, { recursive: true })
  await pki('ca', '--name', 'CN=EAP CA', '--out', ca)
  await pki('server', '--ca', ca, '--name', identities.server)
  for (const name of [user, 'mallory@example.org']) await pki('client', '--ca', ca, '--name', name)
  await pki('crl', '--ca', ca, '--revoke', `${ca}/mallory@example.org.crt`)
  return ca
}

const files = (ca, name) => ({ key: `${ca}/${name}.key`, certificates: [`${ca}/${name}.crt`] })
const isOnTls = (method) => method === 'tls' || method === 'ttls'

/** `given`: the password, `who`: whose certificate; where they are other than the right ones. */
const ourClient = (ca, { method, given = password, who = user }) => ({
  adjust({ connections: { office } }) {
    delete office.psk
    office.local.eap = {
      methods: [method],
      identity: method === 'tls' ? who : user,
      ...(method === 'tls' ? files(ca, who) : { password: given }),
      ...(method === 'ttls' && { inner: ['eap-md5'] }),
      ...(isOnTls(method) && { authorities: [`${ca}/ca.crt`], serverNames: [identities.server] }),
    }
    office.remote.authorities = [`${ca}/ca.crt`]
  },
})

const ourServer = (ca, { method }) => ({
  adjust(config) {
    const { office } = config.connections
    delete office.psk
    config.eapUsers = { [user]: { password } }
    Object.assign(office.local, files(ca, identities.server))
    office.remote.eap = {
      methods: [method],
      ...(method === 'ttls' && { inner: ['eap-md5'] }),
      ...(method === 'tls' && { authorities: [`${ca}/ca.crt`], crls: [`${ca}/ca.crl`] }),
    }
  },
})

/** strongSwan's folders beside its configuration, and what that says of EAP. */
function theirs(directory, ca, { method, given = password, who = user }, side, version) {
  const name = side === 'server' ? identities.server : who
  const copies = { private: [`${name}.key`], x509: [`${name}.crt`], x509ca: ['ca.crt'], x509crl: ['ca.crl'] }
  for (const [folder, names] of Object.entries(copies)) {
    mkdirSync(`${directory}/${folder}`, { recursive: true })
    for (const one of names) copyFileSync(`${ca}/${one}`, `${directory}/${folder}/${one}`)
  }
  const certificate = `certs = ${directory}/x509/${name}.crt`
  const eap = side === 'server' ? 'eap_id = %any' : `eap_id = ${method === 'tls' ? who : user}`
  const proof = side === 'client' && method === 'tls' ? [certificate] : []
  const auth = [`eap-${method}`, eap, ...proof].join('\n    ')
  const secret = side === 'server' ? password : given
  return {
    plugins,
    auth: side === 'server' ? { local: `pubkey\n    ${certificate}`, remote: auth } : { local: auth, remote: 'pubkey' },
    secrets: [`eap-user { id = ${user}\n  secret = "${secret}" }`],
    conf: [
      ...(version === undefined ? [] : [`tls { version_min = ${version}\n    version_max = ${version} }`]),
      'plugins { eap-ttls { phase2_method = md5 } }',
    ],
  }
}

/** The settings of both sides; strongSwan is the `side`. */
async function bothSettings(directory, row, side, version) {
  const ca = await makeFiles(`${directory}/made`)
  const charon = theirs(`${directory}/charon-${side}`, ca, row, side, version)
  const typeswan = side === 'server' ? ourClient(ca, row) : ourServer(ca, row)
  return { ...settings, charon, typeswan }
}

function eapCase({ client, server, row, version }) {
  return async (directory) => {
    const both = await bothSettings(directory, row, client === Typeswan ? 'server' : 'client', version)
    const sides = { client, server, nat: true, directory, clientSettings: both, serverSettings: both }
    return withPeers(sides, async (peers) => {
      const seconds = await establish(peers)
      const pings = [await ping(peers.topology, 'client'), await ping(peers.topology, 'server')]
      await peers.client.terminate()
      await nothingLeft(peers, 5000)
      for (const side of ['client', 'server']) await peers[side].stop()
      const captured = await peers.capture.finish(keysOf(peers), settings)
      checkMalformed(captured)
      return `established ${seconds.toFixed(3)} s, ping ${pings.join('+')}, ${captured.ike} IKE + ${captured.esp} ESP packets, 0 malformed`
    })
  }
}

function refusedCase({ client, server, row, expect }) {
  return async (directory) => {
    const both = await bothSettings(directory, row, client === Typeswan ? 'server' : 'client')
    return refusalCase({ client, server, clientSettings: both, serverSettings: both, expect })(directory)
  }
}

const methods = ['mschapv2', 'md5', 'tls', 'ttls']
const roles = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
]

export const eapCases = [
  ...roles.flatMap(({ role, client, server }) =>
    methods.map((method) => ({
      nightly: method === 'md5',
      name: `eap ${role} ${method}`,
      body: eapCase({ client, server, row: { method } }),
    })),
  ),
  {
    name: 'eap initiator refusal: wrong password',
    nightly: true,
    body: refusedCase({
      ...roles[0],
      row: { method: 'mschapv2', given: 'a guess' },
      expect: [['client', /EAP-MSCHAPv2 error 691.*wrong user name or password/]],
    }),
  },
  {
    name: 'eap responder refusal: wrong password',
    body: refusedCase({
      ...roles[1],
      row: { method: 'mschapv2', given: 'a guess' },
      expect: [['server', /wrong password of alice@example\.org/]],
    }),
  },
  {
    name: 'eap responder refusal: revoked certificate',
    body: refusedCase({
      ...roles[1],
      row: { method: 'tls', who: 'mallory@example.org' },
      expect: [['server', /mallory@example\.org.* was revoked at/]],
    }),
  },
]

/** strongSwan 6.1 has TLS 1.3 as RFC 9190 and RFC 9427 have it. */
export const newerEapCases = [
  { role: 'initiator', client: Typeswan, server: Charon6 },
  { role: 'responder', client: Charon6, server: Typeswan },
].flatMap(({ role, client, server }) =>
  ['tls', 'ttls'].map((method) => ({
    peer: 'strongswan6',
    missing: Charon6.missing,
    name: `strongswan6 eap ${role} ${method} over TLS 1.3`,
    body: eapCase({ client, server, row: { method }, version: '1.3' }),
  })),
)
