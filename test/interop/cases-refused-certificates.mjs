// Certificates of strongSwan's that must not be taken, both roles: our log says why, and strongSwan hears AUTHENTICATION_FAILED and no more.
import { establish, refusalCase, withPeers } from './case.mjs'
import { fillFolders, ownFiles } from './cases-certificates.mjs'
import { expired, makeCertificates, makeRevocation, otherIdentity, startResponder } from './certificates.mjs'
import { Charon } from './charon.mjs'
import { other } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk: 'not used' }
const roles = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
]

/**
 * `change` makes a certificate what it is, `trust` is what our connection's remote has besides, `words` are in our log; `side` is ours in `trust`,
 * strongSwan's in `words`. `nightly`: the role that is tried at night only, or both.
 */
const rows = [
  {
    what: 'revoked by CRL',
    nightly: 'initiator',
    revoked: true,
    trust: ({ crl }) => ({ crls: [crl] }),
    words: (side) => new RegExp(`CN=${side}.* was revoked at .* says the CRL`),
  },
  {
    what: 'revoked by OCSP',
    nightly: 'responder',
    revoked: true,
    change: { ocsp: true },
    trust: () => ({ revocation: 'ifuri' }),
    words: (side) => new RegExp(`CN=${side}.* was revoked at .* says the OCSP server`),
  },
  {
    what: 'nobody answers by OCSP',
    nightly: true,
    change: { ocsp: true },
    trust: () => ({ revocation: 'ifuri' }),
    words: (side) => new RegExp(`nobody says whether .*CN=${side}.* could not be fetched`),
  },
  {
    what: 'expired',
    nightly: 'initiator',
    change: expired,
    words: (side) => new RegExp(`CN=${side}.* expired at 2024`),
  },
  {
    what: 'another identity',
    nightly: true,
    change: otherIdentity,
    identity: otherIdentity.name,
    // A pattern: whom we ask for by name, strongSwan looks for by itself.
    trust: (_, side) => (side === 'client' ? { id: '*.example.net' } : {}),
    words: () => /mallory\.example\.org/,
  },
]

const signing = (made, trust) => ({
  adjust(config, side) {
    const { office } = config.connections
    delete office.psk
    Object.assign(office.local, ownFiles(made, side))
    Object.assign(office.remote, { authorities: [made.root] }, trust?.(side))
  },
})

/** Settings of both sides, and what has to be started before. strongSwan's certificate is as `row` says. */
async function prepare({ row, theirSide, directory }) {
  const { change, revoked, trust, identity } = row
  const made = await makeCertificates(`${directory}/made`, 'ecdsa-256', { [theirSide]: change })
  const revocation = await makeRevocation(`${directory}/made`, revoked ? [theirSide] : [])
  fillFolders(`${directory}/charon-${theirSide}`, theirSide, made)
  const answers = change?.ocsp && row.what !== 'nobody answers by OCSP'
  return {
    both: {
      ...settings,
      typeswan: signing(made, (side) => trust?.(revocation, side)),
      charon: { auth: { local: 'pubkey', remote: 'pubkey' }, identity },
    },
    before: answers ? ({ topology }) => startResponder(topology, `${directory}/made`) : undefined,
  }
}

const refused = roles.flatMap(({ role, client, server }) =>
  rows.map((row) => ({
    name: `certificates ${role} refusal: ${row.what}`,
    nightly: row.nightly === true || row.nightly === role,
    async body(directory) {
      const theirSide = client === Charon ? 'client' : 'server'
      const ourSide = other(theirSide)
      const { both, before } = await prepare({ row, theirSide, directory })
      const expect = [
        [ourSide, /\(refused by us\)/],
        [ourSide, row.words(theirSide)],
        [theirSide, /parsed .* \[ N\(AUTH_FAILED\) \]/],
      ]
      return await refusalCase({ client, server, clientSettings: both, serverSettings: both, expect, before })(
        directory,
      )
    },
  })),
)

/** It says where to ask, and is asked for: nothing was revoked. */
const goodByOcsp = roles.map(({ role, client, server }) => ({
  name: `certificates ${role} good by OCSP`,
  nightly: true,
  async body(directory) {
    const row = { change: { ocsp: true }, trust: () => ({ revocation: 'ifuri' }) }
    const { both, before } = await prepare({ row, theirSide: client === Charon ? 'client' : 'server', directory })
    const options = { client, server, nat: false, directory, clientSettings: both, serverSettings: both }
    return await withPeers(options, async (peers) => {
      const stop = await before(peers)
      try {
        const seconds = await establish(peers)
        return `established ${seconds.toFixed(3)} s, ping ${await ping(peers.topology, 'client')}`
      } finally {
        await stop()
      }
    })
  },
}))

export const refusedCertificateCases = [...refused, ...goodByOcsp]
