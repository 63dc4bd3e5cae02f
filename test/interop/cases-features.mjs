// Extensions and hard situations with strongSwan, both roles.
import { lifeCase } from './case-life.mjs'
import { Charon, Charon6 } from './charon.mjs'
import {
  clientMoves,
  crashOf,
  natRebinds,
  quietly,
  reauthentications,
  redirected,
  rekeysByPeer,
  rekeysByUs,
} from './steps.mjs'
import { addresses, movedAddress, otherServerAddress } from './topology.mjs'
import { ping } from './traffic.mjs'
import { Typeswan } from './typeswan.mjs'

const psk = 'correct horse battery staple'
const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk }
const IKE_SA_INIT = 34
const IKE_INTERMEDIATE = 43
const IKE_FOLLOWUP_KE = 44
const INVALID_KE_PAYLOAD = 17
const COOKIE = 16390
const CHILDLESS_SUPPORTED = 16418
const USE_PPK = 16435

const roles = [
  { role: 'initiator', client: Typeswan, server: Charon },
  { role: 'responder', client: Charon, server: Typeswan },
]

/** A notify that the server must have sent in the clear. */
const notified = (type, name) => (seen) => {
  const found = seen.messages.some(
    ({ exchange, response, notifies }) => exchange === IKE_SA_INIT && response && notifies.includes(type),
  )
  if (!found) throw new Error(`no ${name} in an IKE_SA_INIT response`)
  return [name]
}

const invalidKe = roles.map(({ role, client, server }) => ({
  name: `feature ${role} INVALID_KE_PAYLOAD`,
  body: lifeCase({
    client,
    server,
    settings,
    clientSettings: { ike: 'aes128gcm16-prfsha256-x25519-ecp256' },
    steps: quietly(0.5),
    check: notified(INVALID_KE_PAYLOAD, 'INVALID_KE_PAYLOAD'),
  }),
}))

const cookies = [
  {
    name: 'feature responder cookies demanded by us',
    body: lifeCase({
      client: Charon,
      server: Typeswan,
      settings: { ...settings, typeswan: { endpoint: { cookieThreshold: 0 } } },
      steps: quietly(0.5),
      check: notified(COOKIE, 'COOKIE'),
    }),
  },
  {
    name: 'feature initiator cookies demanded by strongSwan',
    body: lifeCase({
      client: Typeswan,
      server: Charon,
      settings: {
        ...settings,
        charon: { conf: ['cookie_threshold = 1', 'cookie_threshold_ip = 1', 'half_open_timeout = 3'] },
      },
      before: halfOpen,
      steps: quietly(0.5),
      check: notified(COOKIE, 'COOKIE'),
    }),
  },
]

/** An initiator that gets no further than IKE_SA_INIT: strongSwan then wants a cookie from the next one. */
async function halfOpen({ topology, server, client }) {
  const drop = ['FORWARD', '-p', 'udp', '--dport', '4500', '-j', 'DROP']
  await topology.in(topology.router, 'iptables', ['-A', ...drop])
  await server.start()
  await client.start()
  await quietly(0.5)()
  await client.crash()
  await topology.in(topology.router, 'iptables', ['-D', ...drop])
}

/** At least so many on the wire, from each side. */
const fragments = (least) => (seen) => {
  const counts = ['client', 'server'].map(
    (side) => seen.fragments.filter((source) => source === addresses[side].outer).length,
  )
  if (Math.min(...counts) < least / 2) throw new Error(`only ${counts.join('+')} fragments`)
  return [`${counts.join('+')} fragments`]
}

const fragment = { typeswan: { connection: { fragmentation: { mode: 'force', bytes: 400 } } } }
const fragmentation = roles.flatMap(({ role, client, server }) => [
  {
    name: `feature ${role} fragmentation forced by both`,
    nightly: role === 'responder',
    body: lifeCase({
      client,
      server,
      settings: {
        ...settings,
        ...fragment,
        charon: { conf: ['fragment_size = 160'], connection: ['fragmentation = force'] },
      },
      steps: rekeysByPeer(1),
      check: fragments(4),
    }),
  },
  {
    name: `feature ${role} messages longer than a packet`,
    nightly: role === 'initiator',
    body: lifeCase({
      client,
      server,
      settings: {
        ...settings,
        ports: 120,
        charon: { conf: ['fragment_size = 1280'], connection: ['fragmentation = yes'] },
      },
      steps: quietly(0.5),
      check: fragments(4),
    }),
  },
])

const mobike = roles.map(({ role, client, server }) => ({
  name: `feature ${role} MOBIKE, the client's address goes`,
  body: lifeCase({
    client,
    server,
    settings: {
      ...settings,
      mobike: true,
      typeswan: { listen: { addresses: undefined } },
      charon: { localAddresses: `10.91.1.2, ${movedAddress}, 10.91.2.2` },
    },
    clientSettings: { mobike: true },
    before: ({ topology }) => topology.addClientAddress(),
    steps: clientMoves,
    gapMs: 4000,
  }),
}))

const rebinding = roles.map(({ role, client, server }) => ({
  name: `feature ${role} NAT rebinding without MOBIKE`,
  nightly: role === 'initiator',
  body: lifeCase({
    client,
    server,
    nat: true,
    settings: {
      ...settings,
      // strongSwan follows IKE messages, not ESP.
      typeswan: { connection: { livenessDelay: '1s' } },
      charon: { conf: ['keep_alive = 1s'], connection: ['dpd_delay = 1s'] },
    },
    steps: natRebinds,
    gapMs: 4000,
  }),
}))

const dpd = {
  typeswan: {
    connection: { livenessDelay: '1s', retransmit: { timeout: '200ms', base: 1.5, tries: 4 } },
    child: { dpdAction: 'restart' },
  },
  charon: {
    conf: ['retransmit_timeout = 0.2', 'retransmit_base = 1.5'],
    connection: ['dpd_delay = 1s', 'keyingtries = 0'],
    child: ['dpd_action = restart'],
  },
}
const crashes = [
  { role: 'initiator', client: Typeswan, server: Charon, side: 'server' },
  { role: 'responder', client: Charon, server: Typeswan, side: 'server' },
].map(({ role, client, server, side }) => ({
  name: `feature ${role} killed peer, ${role === 'initiator' ? 'Typeswan' : 'strongSwan'} restarts`,
  body: lifeCase({ client, server, settings: { ...settings, ...dpd }, steps: crashOf(side), gapMs: 25_000 }),
}))

const childless = roles.map(({ role, client, server }) => ({
  name: `feature ${role} childless`,
  body: lifeCase({
    client,
    server,
    settings: {
      ...settings,
      typeswan: { connection: { childless: 'force' } },
      charon: { connection: ['childless = force'] },
    },
    steps: quietly(0.5),
    check: notified(CHILDLESS_SUPPORTED, 'CHILDLESS_IKEV2_SUPPORTED'),
  }),
}))

const ppkSecret = 'a post-quantum pre-shared key of more than thirty-two octets'
const ppk = roles.flatMap(({ role, client, server }) =>
  [true, false].map((required) => ({
    name: `feature ${role} PPK ${required ? 'required' : 'wished for'}`,
    nightly: !required,
    body: lifeCase({
      client,
      server,
      settings: {
        ...settings,
        typeswan: { connection: { ppk: { id: 'ppk.example.org', secret: ppkSecret, required } } },
        charon: {
          connection: ['ppk_id = ppk.example.org', `ppk_required = ${required ? 'yes' : 'no'}`],
          secrets: [`ppk-office { id-1 = ppk.example.org\n    secret = "${ppkSecret}" }`],
        },
      },
      steps: required ? quietly(0.5) : rekeysByPeer(1),
      check: notified(USE_PPK, 'USE_PPK'),
    }),
  })),
)

const traps = [
  {
    name: 'feature initiator trap',
    body: lifeCase({
      client: Typeswan,
      server: Charon,
      settings: { ...settings, start: { client: { net: 'trap' } } },
      before: trapped,
      steps: quietly(0.5),
    }),
  },
]

/** The first packet brings the tunnel up, and arrives. */
async function trapped({ topology, client, server }) {
  await server.start()
  await client.start()
  await quietly(0.3)()
  if ((await client.sas()).ike !== 0) throw new Error('there is an IKE_SA before the first packet')
  await ping(topology, 'client')
}

const reauthentication = roles.flatMap(({ role, client, server }) =>
  ['ours', 'theirs'].map((by) => ({
    name: `feature ${role} reauthentication by ${by === 'ours' ? 'Typeswan' : 'strongSwan'}, make before break`,
    nightly: true,
    body: lifeCase({
      client,
      server,
      settings: { ...settings, charon: { conf: ['make_before_break = yes'] } },
      steps: reauthentications(2, by),
    }),
  })),
)

const redirects = [
  {
    name: 'feature initiator redirected while connected',
    nightly: true,
    body: lifeCase({
      client: Typeswan,
      server: Charon,
      settings: { ...settings, charon: { localAddresses: `10.91.2.2, ${otherServerAddress}` } },
      before: ({ topology }) => topology.addServerAddress(),
      steps: redirected,
      gapMs: 2000,
    }),
  },
  {
    name: 'feature responder redirects',
    body: lifeCase({
      client: Charon,
      server: Typeswan,
      settings: { ...settings, typeswan: { adjust: withOtherAddress } },
      before: ({ topology }) => topology.addServerAddress(),
      steps: async ({ client }) => {
        const address = await client.remoteAddress()
        if (address !== otherServerAddress) throw new Error(`the client is connected to ${address}`)
        return [`${client.name} went to ${address}`]
      },
    }),
  },
]

/** The connection sends everybody away; another one waits at the other address. */
function withOtherAddress(config) {
  const { office } = config.connections
  config.listen.addresses.push(otherServerAddress)
  config.connections.other = { ...office, local: { ...office.local, address: otherServerAddress } }
  config.connections.office = { ...office, redirect: { to: otherServerAddress } }
}

const kem = { ...settings, ike: 'aes128gcm16-prfsha256-ecp256-ke1_mlkem768', esp: 'aes128gcm16-ecp256-ke1_mlkem768' }
const mlkem = [
  { role: 'initiator', client: Typeswan, server: Charon6 },
  { role: 'responder', client: Charon6, server: Typeswan },
].flatMap(({ role, client, server }) =>
  [rekeysByPeer, rekeysByUs].map((rekeys) => ({
    name: `strongswan6 ${role} ML-KEM-768, rekeyed by ${rekeys === rekeysByUs ? 'Typeswan' : 'strongSwan'}`,
    peer: 'strongswan6',
    missing: Charon6.missing,
    body: lifeCase({ client, server, settings: kem, steps: rekeys(2), check: furtherExchanges }),
  })),
)

/** The key encapsulations have exchanges of their own: one for the first IKE_SA, and one for each of four rekeyings. */
function furtherExchanges({ messages }) {
  const count = (type) => messages.filter(({ exchange, response }) => exchange === type && response).length
  const [intermediate, followUp] = [count(IKE_INTERMEDIATE), count(IKE_FOLLOWUP_KE)]
  if (intermediate < 1 || followUp < 4) throw new Error(`${intermediate} IKE_INTERMEDIATE, ${followUp} IKE_FOLLOWUP_KE`)
  return [`${intermediate} IKE_INTERMEDIATE and ${followUp} IKE_FOLLOWUP_KE exchanges`]
}

export const featureCases = [
  ...invalidKe,
  ...cookies,
  ...fragmentation,
  ...mobike,
  ...rebinding,
  ...crashes,
  ...childless,
  ...ppk,
  ...traps,
  ...reauthentication,
  ...redirects,
]
export const newerFeatureCases = mlkem
