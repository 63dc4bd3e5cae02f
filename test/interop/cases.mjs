// The table of cases: suites x roles x NAT, refusals, and Typeswan with itself.
import { refusalCase, tunnelCase } from './case.mjs'
import { authCases, authRefusals } from './cases-auth.mjs'
import { certificateCases } from './cases-certificates.mjs'
import { configurationCases } from './cases-configuration.mjs'
import { daemonCases } from './cases-daemons.mjs'
import { eapCases, newerEapCases } from './cases-eap.mjs'
import { espCases } from './cases-esp.mjs'
import { featureCases, newerFeatureCases } from './cases-features.mjs'
import { lifeCases } from './cases-life.mjs'
import { radiusCases } from './cases-radius.mjs'
import { refusedCertificateCases } from './cases-refused-certificates.mjs'
import { roadRefusalCases } from './cases-road-refusals.mjs'
import { roadWarriorCases } from './cases-road-warrior.mjs'
import { socketCases } from './cases-sockets.mjs'
import { tcpCases } from './cases-tcp.mjs'
import { transportCases } from './cases-transport.mjs'
import { Charon, Charon6 } from './charon.mjs'
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
          nightly: !suites.some((suite) => suite.ike === ike && suite.esp === esp),
          name: `${role} ${nat ? 'nat' : 'direct'} ${ike}/${esp}`,
          body: tunnelCase({ client, server, nat, deleteBy, settings: { ike, esp, psk } }),
        })
      }
    }
  }
  return list
}

const settings = { ...suites[0], psk }
/**
 * What must be in our log. As responder we refuse, and say what was offered and configured; as initiator we are refused, and say
 * what we had offered. `change` is what the server has instead.
 */
const differences = [
  {
    what: 'wrong pre-shared key',
    change: { psk: 'another key altogether' },
    initiator: [/authentication-failed/],
    responder: [/authentication-failed \(refused by us\)/, /pre-shared keys differ/],
  },
  {
    what: 'no common IKE proposal',
    change: { ike: suites[1].ike },
    initiator: [/no-proposal-chosen \(refused by the peer\)/, /configured: aes128gcm16-prfsha256-ecp256/],
    responder: [
      /no-proposal-chosen \(refused by us\)/,
      /offered: aes128gcm16-prfsha256-ecp256/,
      /configured: aes256gcm16-prfsha384-ecp384/,
    ],
  },
  {
    what: 'no common ESP proposal',
    change: { esp: suites[1].esp },
    initiator: [/no-proposal-chosen \(refused by the peer\)/, /configured: aes128gcm16/],
    responder: [/no-proposal-chosen \(refused by us\)/, /offered: aes128gcm16/, /configured: aes256gcm16/],
  },
  {
    what: 'no common traffic selector',
    change: { localTs: '10.99.1.0/24', remoteTs: '10.99.2.0/24' },
    initiator: [/ts-unacceptable \(refused by the peer\)/, /configured: local 10\.91\.101\.0\/24/],
    responder: [
      /ts-unacceptable \(refused by us\)/,
      /offered: TSi 10\.91\.101\.0\/24/,
      /configured: local 10\.99\.1\.0\/24/,
    ],
  },
]

function refusals() {
  return roles.flatMap(({ role, client, server }) =>
    differences.map((difference) => ({
      name: `${role} refusal: ${difference.what}`,
      body: refusalCase({
        client,
        server,
        clientSettings: settings,
        serverSettings: { ...settings, ...difference.change },
        expect: difference[role].map((pattern) => [role === 'initiator' ? 'client' : 'server', pattern]),
      }),
    })),
  )
}

/** strongSwan 6.1. */
const newerCases = [
  { role: 'initiator', client: Typeswan, server: Charon6 },
  { role: 'responder', client: Charon6, server: Typeswan },
].map(({ role, client, server }) => ({
  name: `strongswan6 ${role} ${settings.ike}/${settings.esp}`,
  peer: 'strongswan6',
  missing: Charon6.missing,
  body: tunnelCase({ client, server, nat: false, deleteBy: 'client', settings }),
}))

const ownCases = [
  {
    name: 'baseline strongSwan with strongSwan',
    body: tunnelCase({ client: Charon, server: Charon, nat: true, deleteBy: 'client', settings }),
  },
  ...[false, true].map((nat) => ({
    name: `both Typeswan ${nat ? 'nat' : 'direct'}`,
    body: tunnelCase({ client: Typeswan, server: Typeswan, nat, deleteBy: nat ? 'server' : 'client', settings }),
  })),
  ...tunnels(allPairs),
  ...espCases,
  ...refusals(),
  ...lifeCases,
  ...featureCases,
  ...configurationCases,
  ...eapCases,
  ...roadWarriorCases,
  ...roadRefusalCases,
  ...certificateCases,
  ...authCases,
  ...authRefusals,
  ...refusedCertificateCases,
  ...radiusCases,
  ...socketCases,
  ...transportCases,
  ...tcpCases,
]

/** The cases of one peer, those with a word in their name, or all; without any of it those of every run, which are not `nightly`. */
export function cases({ all, peer, word }) {
  const every = [
    ...ownCases.map((one) => ({ peer: 'strongswan', ...one })),
    ...[...newerCases, ...newerFeatureCases, ...newerEapCases, ...daemonCases].map((one) => ({
      nightly: true,
      ...one,
    })),
  ]
  const wanted = every.filter((one) => (peer === undefined || one.peer === peer) && one.name.includes(word ?? ''))
  return all || peer !== undefined || word !== undefined ? wanted : wanted.filter((one) => !one.nightly)
}
