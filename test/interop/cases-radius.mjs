// A gateway of ours that hands the EAP of strongSwan on to FreeRADIUS, which proves the user and gives the address.
import { checkMalformed, establish, keysOf, nothingLeft, refusalCase, withPeers } from './case.mjs'
import { fillFolders, ownFiles } from './cases-certificates.mjs'
import { makeCertificates } from './certificates.mjs'
import { Charon } from './charon.mjs'
import { waitFor } from './processes.mjs'
import { missingRadius, secret, startRadius } from './radius.mjs'
import { addresses } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const user = { name: 'bob', password: 'swordfish and more', address: addresses.client.inner }
const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'not used' }

async function prepare(directory, given) {
  const made = await makeCertificates(`${directory}/made`, 'ecdsa-256')
  fillFolders(`${directory}/charon-client`, 'client', made)
  return {
    client: Charon,
    server: Typeswan,
    clientSettings: {
      ...settings,
      localTs: 'dynamic',
      remoteTs: addresses.server.net,
      charon: {
        plugins: 'eap-identity eap-mschapv2',
        auth: { local: `eap-mschapv2\n    eap_id = ${user.name}`, remote: 'pubkey' },
        secrets: [`eap-${user.name} { id = ${user.name}\n    secret = "${given}" }`],
        connection: ['vips = 0.0.0.0'],
      },
    },
    serverSettings: {
      ...settings,
      localTs: addresses.server.net,
      remoteTs: 'dynamic',
      typeswan: {
        adjust(config) {
          const { office } = config.connections
          delete office.psk
          Object.assign(office.local, ownFiles(made, 'server'))
          office.remote.eap = { radius: { servers: [{ address: '127.0.0.1', secret }] } }
        },
      },
    },
    before: ({ topology }) => startRadius(topology.server, `${directory}/radius`, user),
  }
}

async function letIn(directory) {
  const { before, ...options } = await prepare(directory, user.password)
  return await withPeers({ ...options, nat: true, directory }, async (peers) => {
    const stop = await before(peers)
    try {
      const seconds = await establish(peers)
      const pings = [await ping(peers.topology, 'client'), await ping(peers.topology, 'server')]
      const assigned = new RegExp(`installing new virtual IP ${user.address}`)
      await waitFor('the address at strongSwan', () => assigned.test(peers.client.log()))
      await peers.client.terminate()
      await nothingLeft(peers, 5000)
      for (const side of ['client', 'server']) await peers[side].stop()
      const captured = await peers.capture.finish(keysOf(peers), settings)
      checkMalformed(captured)
      return `established ${seconds.toFixed(3)} s, ${user.address}, ping ${pings.join('+')}, ${captured.ike} IKE + ${captured.esp} ESP packets, 0 malformed`
    } finally {
      await stop()
    }
  })
}

export const radiusCases = [
  { name: 'radius responder EAP-MSCHAPv2 and an address', missing: missingRadius, body: letIn },
  {
    name: 'radius responder refusal: wrong password',
    nightly: true,
    missing: missingRadius,
    async body(directory) {
      const expect = [
        ['client', /received EAP_FAILURE/],
        ['server', /authentication-failed \(refused by us\): EAP: RADIUS refused bob/],
      ]
      return await refusalCase({ ...(await prepare(directory, 'a guess')), expect })(directory)
    },
  },
]
