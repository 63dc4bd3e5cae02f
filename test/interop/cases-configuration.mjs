// Configuration payloads with strongSwan, both roles: an address from a pool, name servers, and traffic from that address.
import { checkMalformed, establish, keysOf, nothingLeft, refusalCase, withPeers } from './case.mjs'
import { bothAgree } from './case-life.mjs'
import { Charon } from './charon.mjs'
import { waitFor } from './processes.mjs'
import { addresses } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const settings = {
  ike: 'aes128gcm16-prfsha256-ecp256',
  esp: 'aes128gcm16',
  psk: 'correct horse battery staple',
}
const { client, server } = addresses
const clientTs = { localTs: 'dynamic', remoteTs: server.net }
const serverTs = { localTs: server.net, remoteTs: 'dynamic' }

/** The pool has one address: the one that the pings of all cases come from. */
const ourPool = { addresses: [client.inner], dns: [server.inner], subnets: [server.net], domains: ['corp.example'] }

const ourClient = {
  adjust(config) {
    config.tun.addresses = []
    config.dns = 'none'
    config.connections.office.local.virtualIps = ['0.0.0.0']
  },
}

const ourServer = {
  adjust(config) {
    config.pools = { rw: ourPool }
    config.leaseFile = `${config.control}.leases`
    config.connections.office.remote.pools = ['rw']
  },
}

/** The only address is somebody else's. */
const ourFullServer = {
  adjust(config) {
    ourServer.adjust(config)
    config.pools.rw = { static: { 'boss.example.org': client.inner } }
  },
}

const ourStrictServer = {
  adjust(config) {
    ourServer.adjust(config)
    config.connections.office.remote.addressRequired = true
  },
}

const theirServer = {
  connection: ['pools = rw'],
  swanctl: [`pools { rw { addrs = ${client.inner}/32\n  dns = ${server.inner}\n  subnet = ${server.net} } }`],
}

/** Its /run is a file system of its own. */
const theirClient = {
  plugins: 'resolve',
  conf: ['plugins { resolve { file = /run/resolv.conf } }'],
  connection: ['vips = 0.0.0.0'],
}

/** IKE_SA and CHILD_SA are rekeyed by both, and the client reauthenticates: the address stays all the while. */
async function renew({ topology, client, server }) {
  const steps = [
    () => client.rekeyIke(),
    () => server.rekeyIke(),
    () => client.rekeyChild(),
    () => server.rekeyChild(),
    () => client.reauthenticate(),
  ]
  for (const step of steps) {
    await step()
    await bothAgree({ client, server })
    await ping(topology, 'client')
    await ping(topology, 'server')
  }
}

/** Twice, the first time with everything renewed: who returns has its address again. `seen`: what each side must have written to its log. */
function configurationCase({ client: Client, server: Server, clientSettings, serverSettings, seen }) {
  return (directory) =>
    withPeers(
      { client: Client, server: Server, nat: true, directory, clientSettings, serverSettings },
      async (peers) => {
        const words = []
        for (const round of ['first', 'again']) {
          const seconds = await establish(peers)
          const pings = [await ping(peers.topology, 'client'), await ping(peers.topology, 'server')]
          words.push(`${round} ${seconds.toFixed(3)} s, ping ${pings.join('+')}`)
          if (round === 'first') await renew(peers)
          await peers.client.terminate()
          await nothingLeft(peers, 5000)
        }
        for (const [side, pattern] of seen)
          await waitFor(`${pattern} at the ${side}`, () => pattern.test(peers[side].log()))
        for (const side of ['client', 'server']) await peers[side].stop()
        const captured = await peers.capture.finish(keysOf(peers), settings)
        checkMalformed(captured)
        return [...words, `${captured.ike} IKE + ${captured.esp} ESP packets, 0 malformed`].join(', ')
      },
    )
}

export const configurationCases = [
  {
    name: 'configuration initiator address, DNS and subnet from a pool',
    body: configurationCase({
      client: Typeswan,
      server: Charon,
      clientSettings: { ...settings, ...clientTs, typeswan: ourClient },
      serverSettings: { ...settings, ...serverTs, charon: theirServer },
      seen: [
        [
          'client',
          new RegExp(`gave us addresses ${client.inner}; name servers ${server.inner}; networks ${server.net}`),
        ],
        ['server', new RegExp(`assigning virtual IP ${client.inner} to peer`)],
      ],
    }),
  },
  {
    name: 'configuration responder address and DNS from a pool',
    body: configurationCase({
      client: Charon,
      server: Typeswan,
      clientSettings: { ...settings, ...clientTs, charon: theirClient },
      serverSettings: { ...settings, ...serverTs, typeswan: ourServer },
      seen: [
        ['client', new RegExp(`installing DNS server ${server.inner}`)],
        ['client', new RegExp(`installing new virtual IP ${client.inner}`)],
        ['server', new RegExp(`the peer has ${client.inner}`)],
      ],
    }),
  },
  {
    name: 'configuration initiator refusal: no address',
    nightly: true,
    body: refusalCase({
      client: Typeswan,
      server: Charon,
      clientSettings: { ...settings, ...clientTs, typeswan: ourClient },
      serverSettings: { ...settings, ...serverTs },
      expect: [
        ['client', /no-address \(refused by the peer\)/],
        ['client', /has no address for us: we asked for any IPv4 address/],
      ],
    }),
  },
  {
    name: 'configuration responder refusal: no address',
    nightly: true,
    body: refusalCase({
      client: Charon,
      server: Typeswan,
      clientSettings: { ...settings, ...clientTs, charon: theirClient },
      serverSettings: { ...settings, ...serverTs, typeswan: ourFullServer },
      expect: [
        ['client', /received INTERNAL_ADDRESS_FAILURE notify/],
        ['server', /no-address \(refused by us\)/],
        ['server', /is full: 0 leases, 0 online/],
      ],
    }),
  },
  {
    name: 'configuration responder refusal: an address is required',
    nightly: true,
    body: refusalCase({
      client: Charon,
      server: Typeswan,
      clientSettings: { ...settings, localTs: client.net, remoteTs: server.net },
      serverSettings: { ...settings, ...serverTs, typeswan: ourStrictServer },
      expect: [
        ['client', /received FAILED_CP_REQUIRED notify/],
        ['server', /did not ask for an address/],
      ],
    }),
  },
]
