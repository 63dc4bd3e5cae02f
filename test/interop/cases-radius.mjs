// A gateway of ours that hands the EAP of strongSwan on to FreeRADIUS, which proves the user and gives the address.
import { readFileSync } from 'node:fs'
import { checkMalformed, establish, keysOf, nothingLeft, refusalCase, withPeers } from './case.mjs'
import { fillFolders, ownFiles } from './cases-certificates.mjs'
import { makeCertificates } from './certificates.mjs'
import { Charon } from './charon.mjs'
import { waitFor } from './processes.mjs'
import { detailFile, disconnect, missingRadius, secret, startRadius } from './radius.mjs'
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
          const disconnect = { address: '127.0.0.1' }
          office.remote.eap = {
            radius: { servers: [{ address: '127.0.0.1', secret }], accounting: true, disconnect },
          }
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
      const stranger = await disconnect(peers.topology.server, 'User-Name = "carol"')
      if (!/Disconnect-NAK/.test(stranger)) throw new Error(`no refusal of a stranger's session: ${stranger}`)
      const answer = await disconnect(peers.topology.server, `User-Name = "${user.name}"`)
      if (!/Disconnect-ACK/.test(answer)) throw new Error(`the session was not ended: ${answer}`)
      await nothingLeft(peers, 5000)
      const detail = await accounted(`${directory}/radius`)
      for (const side of ['client', 'server']) await peers[side].stop()
      const captured = await peers.capture.finish(keysOf(peers), settings)
      checkMalformed(captured)
      return `established ${seconds.toFixed(3)} s, ${user.address}, ping ${pings.join('+')}, ended by radclient, accounting ${detail}, ${captured.ike} IKE + ${captured.esp} ESP packets, 0 malformed`
    } finally {
      await stop()
    }
  })
}

/** What FreeRADIUS wrote down of the session, in short. */
async function accounted(directory) {
  const records = () => readFileSync(detailFile(directory), 'utf8').split('\n\n')
  const of = (status) => records().find((record) => record.includes(`Acct-Status-Type = ${status}`))
  await waitFor('the end of accounting', () => of('Stop') !== undefined)
  const value = (status, name) => new RegExp(`\\b${name} = "?([^"\n]*)`).exec(of(status) ?? '')?.[1]
  for (const [name, wanted] of [
    ['User-Name', user.name],
    ['Framed-IP-Address', user.address],
    ['Acct-Session-Id', value('Start', 'Acct-Session-Id')],
    ['Acct-Terminate-Cause', 'Admin-Reset'],
  ]) {
    if (value('Stop', name) !== wanted) throw new Error(`${name} is not ${wanted} in:\n${of('Stop')}`)
  }
  const packets = ['Input', 'Output'].map((way) => Number(value('Stop', `Acct-${way}-Packets`)))
  if (packets.some((count) => !(count > 0))) throw new Error(`no packets counted:\n${of('Stop')}`)
  return `${packets.join('+')} packets`
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
