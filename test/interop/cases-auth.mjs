// Ways to authenticate with strongSwan, both roles: EAP with a password, two rounds, a key on one side alone; rekeyed afterwards, and what is refused.
import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checkMalformed, establish, keysOf, nothingLeft, refusalCase, withPeers } from './case.mjs'
import { bothAgree } from './case-life.mjs'
import { Charon as PlainCharon } from './charon.mjs'
import { run } from './processes.mjs'
import { identities } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const suite = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'correct horse battery staple' }
const user = 'carol'
const password = 'Ar3etTnp'
const ppkId = 'ppk.example.org'
const ppkSecret = 'a post-quantum pre-shared key of more than thirty-two octets'

/** With a private key, which swanctl takes from a folder of its own. */
class Charon extends PlainCharon {
  swanctl(args) {
    const folder = `${this.directory}/private`
    mkdirSync(folder, { recursive: true })
    copyFileSync(this.settings.charon.key, `${folder}/own.key`)
    return super.swanctl(args, {
      env: { STRONGSWAN_CONF: `${this.directory}/strongswan.conf`, SWANCTL_DIR: this.directory },
    })
  }
}

/** An authority with a certificate for each side, `key` being a kind of `typeswan pki`. */
async function makeCertificates(directory, key) {
  const ca = `${directory}/ca`
  mkdirSync(directory, { recursive: true })
  const pki = (...args) => run(process.execPath, [command, 'pki', ...args])
  await pki('ca', '--name', 'CN=Interop CA', '--out', ca, ...(key === undefined ? [] : ['--key', key]))
  for (const side of ['client', 'server']) {
    await pki(side, '--ca', ca, '--name', identities[side], ...(key === undefined ? [] : ['--key', key]))
  }
  return ca
}

/** One end's words for a way to prove itself. `further`: a second round. */
const ours = {
  psk: () => ({}),
  pubkey: (ca, side) => ({ key: `${ca}/${identities[side]}.key`, certificates: [`${ca}/${identities[side]}.crt`] }),
  eap: () => ({ auth: 'eap', eap: { methods: ['mschapv2'], identity: user, password } }),
  eapMd5: () => ({ auth: 'eap', eap: { methods: ['md5'], identity: user, password } }),
}
const oursOfPeer = {
  psk: () => ({}),
  pubkey: (ca) => ({ authorities: [`${ca}/ca.crt`] }),
  eap: () => ({ auth: 'eap', eap: { methods: ['mschapv2'] } }),
  eapMd5: () => ({ auth: 'eap', eap: { methods: ['md5'] } }),
}
const theirs = {
  psk: () => 'auth = psk',
  pubkey: (ca, side) => `auth = pubkey\ncerts = ${ca}/${identities[side]}.crt`,
  eap: () => `auth = eap-mschapv2\neap_id = ${user}`,
  eapMd5: () => `auth = eap-md5\neap_id = ${user}`,
}
const theirsOfPeer = {
  psk: () => 'auth = psk',
  pubkey: (ca) => `auth = pubkey\ncacerts = ${ca}/ca.crt`,
  eap: () => 'auth = eap-mschapv2\neap_id = %any',
  eapMd5: () => 'auth = eap-md5\neap_id = %any',
}

/** `local`, `remote`: names of ways, one for each round. */
function settingsOf(side, ca, local, remote, ppk) {
  const peer = side === 'client' ? 'server' : 'client'
  const rounds = (ways, of, owner) => {
    const [first, ...further] = ways.map((way) => of[way](ca, owner))
    const id = owner === 'client' ? user : identities[owner]
    const ofRound = (settings, at) => ({ id, ...settings, ...(ways[at + 1] === 'psk' ? { psk: suite.psk } : {}) })
    return { ...first, ...(further.length === 0 ? {} : { further: further.map(ofRound) }) }
  }
  const section = (name, ways, of, owner) =>
    ways.map((way, at) => {
      const id = at === 0 ? identities[owner] : owner === 'client' ? user : identities[owner]
      return `${name}${at === 0 ? '' : '-2'} { round = ${at + 1}\nid = ${id}\n${of[way](ca, owner)} }`
    })
  return {
    ...suite,
    typeswan: {
      adjust(config) {
        const { office } = config.connections
        Object.assign(office.local, rounds(local, ours, side))
        Object.assign(office.remote, rounds(remote, oursOfPeer, peer))
        if (local[0] !== 'psk' && remote[0] !== 'psk') delete office.psk
        if (ppk) office.ppk = { id: ppkId, secret: ppkSecret, required: true }
        if (remote.some((way) => way.startsWith('eap'))) config.eapUsers = { [user]: { password } }
        config.fetch = 'none'
      },
    },
    charon: {
      plugins: 'eap-identity eap-mschapv2 eap-md5 md5 mgf1 gmp revocation',
      swanctl: [
        'connections { office {',
        ...(ppk ? [`ppk_id = ${ppkId}`, 'ppk_required = yes'] : []),
        ...section('local', local, theirs, side),
        ...section('remote', remote, theirsOfPeer, peer),
        '} }',
      ],
      secrets: [
        `eap-carol { id = ${user}\nsecret = "${password}" }`,
        `ike-carol { id-1 = ${user}\nid-2 = ${identities.server}\nsecret = "${suite.psk}" }`,
        ...(ppk ? [`ppk-office { id-1 = ${ppkId}\nsecret = "${ppkSecret}" }`] : []),
      ],
      key: `${ca}/${identities[side]}.key`,
    },
  }
}

const roles = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
]

function body({ client, server, initiator, responder, key, ppk }) {
  return async (directory) => {
    const ca = await makeCertificates(directory, key)
    const clientSettings = settingsOf('client', ca, initiator, responder, ppk)
    const serverSettings = settingsOf('server', ca, responder, initiator, ppk)
    return withPeers({ client, server, nat: false, directory, clientSettings, serverSettings }, async (peers) => {
      const seconds = await establish(peers)
      const pings = [await ping(peers.topology, 'client'), await ping(peers.topology, 'server')]
      await peers.client.rekeyIke()
      await bothAgree(peers)
      await peers.client.terminate()
      await nothingLeft(peers, 5000)
      const seen = await peers.capture.finish(keysOf(peers), clientSettings)
      checkMalformed(seen)
      return `established ${seconds.toFixed(3)} s, ping ${pings.join('+')}, rekeyed, deleted, ${seen.ike} IKE packets, 0 malformed`
    })
  }
}

const ways = [
  { name: 'EAP-MD5', initiator: ['eapMd5'], responder: ['pubkey'], key: 'ecdsa-p256' },
  { name: 'EAP-MSCHAPv2', nightly: true, initiator: ['eap'], responder: ['pubkey'], key: 'ecdsa-p256' },
  { name: 'ECDSA then EAP-MSCHAPv2', initiator: ['pubkey', 'eap'], responder: ['pubkey'], key: 'ecdsa-p256' },
  { name: 'ECDSA then PSK', initiator: ['pubkey', 'psk'], responder: ['pubkey'], key: 'ecdsa-p256' },
  { name: 'PSK then EAP-MD5', nightly: true, initiator: ['psk', 'eapMd5'], responder: ['psk'], key: 'ecdsa-p256' },
  { name: 'EAP-MD5 then PSK', nightly: true, initiator: ['eapMd5', 'psk'], responder: ['pubkey'], key: 'ecdsa-p256' },
  {
    ...{ name: 'EAP-MSCHAPv2 then EAP-MD5', nightly: true },
    ...{ initiator: ['eap', 'eapMd5'], responder: ['pubkey'], key: 'ecdsa-p256' },
  },
  {
    ...{ name: 'ECDSA then PSK by both', nightly: true },
    ...{ initiator: ['pubkey', 'psk'], responder: ['pubkey', 'psk'], key: 'ecdsa-p256' },
  },
  { name: 'EAP-MSCHAPv2 with PPK', initiator: ['eap'], responder: ['pubkey'], key: 'ecdsa-p256', ppk: true },
  {
    ...{ name: 'ECDSA then EAP-MSCHAPv2 with PPK', nightly: true, ppk: true },
    ...{ initiator: ['pubkey', 'eap'], responder: ['pubkey'], key: 'ecdsa-p256' },
  },
  {
    ...{ name: 'EAP-MD5 then PSK with PPK', nightly: true, ppk: true },
    ...{ initiator: ['eapMd5', 'psk'], responder: ['pubkey'], key: 'ecdsa-p256' },
  },
  { name: 'PSK by one, ECDSA by the other', initiator: ['pubkey'], responder: ['psk'], key: 'ecdsa-p256' },
]

export const authCases = roles.flatMap(({ role, client, server }) =>
  ways.map(({ name, nightly, ...way }) => ({
    name: `${role} auth ${name}`,
    nightly,
    body: body({ client, server, ...way }),
  })),
)

/** A user with a wrong password. */
export const authRefusals = roles.map(({ role, client, server }) => ({
  name: `${role} auth wrong password`,
  nightly: true,
  async body(directory) {
    const ca = await makeCertificates(directory, 'ecdsa-p256')
    const clientSettings = settingsOf('client', ca, ['eap'], ['pubkey'])
    const serverSettings = settingsOf('server', ca, ['pubkey'], ['eap'])
    const { adjust } = clientSettings.typeswan
    clientSettings.typeswan.adjust = (config) => {
      adjust(config)
      config.connections.office.local.eap.password = 'wrong'
    }
    clientSettings.charon.secrets[0] = `eap-carol { id = ${user}\nsecret = "wrong" }`
    const ourSide = client === Typeswan ? 'client' : 'server'
    return refusalCase({
      client,
      server,
      clientSettings,
      serverSettings,
      expect: [[ourSide, /authentication-failed/]],
    })(directory)
  },
}))
