// The table of cases: suites x roles x NAT, refusals, and Typeswan with itself.
import { refusalCase, tunnelCase } from './case.mjs'
import { Charon } from './charon.mjs'
import { Typeswan } from './typeswan.mjs'

const psk = 'correct horse battery staple'
const suites = [
  { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16' },
  { ike: 'aes256gcm16-prfsha384-ecp384', esp: 'aes256gcm16' },
  { ike: 'chacha20poly1305-prfsha512-x25519', esp: 'chacha20poly1305' },
  { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' },
]
const roles = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
]

/** Every IKE suite with every ESP suite, for the nightly run. */
const allPairs = suites.flatMap(({ ike }) => suites.map(({ esp }) => ({ ike, esp })))

/** Who deletes alternates over the table, so that each suite is taken down by each side. */
function tunnels(pairs) {
  const list = []
  for (const [suiteIndex, { ike, esp }] of pairs.entries()) {
    for (const [roleIndex, { role, client, server }] of roles.entries()) {
      for (const nat of [false, true]) {
        const deleteBy = (suiteIndex + roleIndex + Number(nat)) % 2 === 0 ? 'client' : 'server'
        list.push({
          name: `${role} ${nat ? 'nat' : 'direct'} ${ike}/${esp}`,
          body: tunnelCase({ client, server, nat, deleteBy, settings: { ike, esp, psk } }),
        })
      }
    }
  }
  return list
}

const settings = { ...suites[0], psk }
const ours = (role) => (role === 'initiator' ? 'client' : 'server')

function refusals() {
  const differences = [
    { what: 'wrong pre-shared key', change: { psk: 'another key altogether' }, pattern: /AUTHENTICATION_FAILED/i },
    { what: 'no common IKE proposal', change: { ike: suites[1].ike }, pattern: /NO_PROPOSAL_CHOSEN/i },
    { what: 'no common ESP proposal', change: { esp: suites[1].esp }, pattern: /NO_PROPOSAL_CHOSEN/i },
    {
      what: 'no common traffic selector',
      change: { localTs: '10.99.1.0/24', remoteTs: '10.99.2.0/24' },
      pattern: /TS_UNACCEPTABLE/i,
    },
  ]
  return roles.flatMap(({ role, client, server }) =>
    differences.map(({ what, change, pattern }) => ({
      name: `${role} refusal: ${what}`,
      body: refusalCase({
        client,
        server,
        clientSettings: settings,
        serverSettings: { ...settings, ...change },
        expect: [[ours(role), pattern]],
      }),
    })),
  )
}

/** `all` pairs every IKE suite with every ESP suite. */
export const cases = ({ all }) => [
  {
    name: 'baseline strongSwan with strongSwan',
    body: tunnelCase({ client: Charon, server: Charon, nat: true, deleteBy: 'client', settings }),
  },
  ...[false, true].map((nat) => ({
    name: `both Typeswan ${nat ? 'nat' : 'direct'}`,
    body: tunnelCase({ client: Typeswan, server: Typeswan, nat, deleteBy: nat ? 'server' : 'client', settings }),
  })),
  ...tunnels(all ? allPairs : suites),
  ...refusals(),
]
