// Other daemons than strongSwan: Libreswan 5.2 and OpenBSD iked 7.4, both roles.
import { byBoth, byDaemon, byLifetime, daemonRekeyCase, negotiationCase } from './case-negotiation.mjs'
import { Iked } from './iked.mjs'
import { Libreswan } from './libreswan.mjs'
import { Typeswan } from './typeswan.mjs'

const psk = 'correct horse battery staple'

const libreswanSuites = [
  { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16' },
  { ike: 'aes256gcm16-prfsha512-x25519', esp: 'aes128gcm16-ecp256' },
  { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' },
]
const ikedSuites = [
  { ike: 'aes128-sha256-ecp256', esp: 'aes128-sha384' },
  { ike: 'aes256gcm16-prfsha384-x25519', esp: 'aes256-sha512' },
]

const roles = (daemon) => [
  { role: 'initiator', client: Typeswan, server: daemon, sides: { ours: 'client', theirs: 'server' } },
  { role: 'responder', client: daemon, server: Typeswan, sides: { ours: 'server', theirs: 'client' } },
]

/** `settings` and `liveness` (whose checks) have one entry for each suite. */
function handshakes({ daemon, peer, suites, settings, further, liveness }) {
  return suites.flatMap((suite, index) =>
    roles(daemon).map(({ role, client, server, sides }, roleIndex) => ({
      name: `${peer} ${role} ${suite.ike}/${suite.esp}`,
      peer,
      missing: daemon.missing,
      body: negotiationCase({
        client,
        server,
        deleteBy: (index + roleIndex) % 2 === 0 ? 'client' : 'server',
        settings: { ...suite, psk, ...settings[index] },
        further: further?.[role],
        livenessBy: sides[liveness[index]],
      }),
    })),
  )
}

/** One suite has liveness checks by us, the next one by the daemon: who hears the other's does not ask. */
const ours = { typeswan: { connection: { livenessDelay: '1s' } } }
const theirs = { typeswan: { connection: { livenessDelay: 0 } }, libreswan: { dpddelay: '1' } }

const short = {
  ours: {
    typeswan: {
      connection: {
        rekey: { time: '3s', jitter: 0, over: '60s' },
        // iked does not answer the DELETE of an IKE_SA that it had initiated and we rekeyed: it is to be over soon.
        retransmit: { timeout: '500ms', tries: 2 },
      },
      child: { lifetime: { soft: { time: '2s' } } },
    },
  },
  iked: { iked: { policy: ['ikelifetime 4', 'lifetime 3'] } },
}

const ppkSecret = 'a post-quantum pre-shared key of more than thirty-two octets'
const ppk = {
  typeswan: { connection: { ppk: { id: 'ppk.example.org', secret: ppkSecret, required: true } } },
  libreswan: { ppk: 'insist', 'ppk-ids': 'ppk.example.org' },
  libreswanSecrets: [`: PPKS "ppk.example.org" "${ppkSecret}"`],
}

function rekeyCases(daemon, peer, suite, kinds) {
  return kinds.flatMap(({ what, settings, rekeys, leastCrossings }) =>
    roles(daemon).map(({ role, client, server }) => ({
      name: `${peer} ${role} rekey ${what} ${suite.esp}`,
      peer,
      missing: daemon.missing,
      body: daemonRekeyCase({ client, server, settings: { ...suite, psk, ...settings }, rekeys, leastCrossings }),
    })),
  )
}

const rekeyByUs = { what: 'by Typeswan', settings: short.ours, rekeys: byLifetime({ children: 3, ike: 2 }, 'ours') }

export const daemonCases = [
  ...handshakes({
    daemon: Libreswan,
    peer: 'libreswan',
    suites: libreswanSuites,
    settings: [ours, theirs, {}].map((more) => ({ children: ['net', 'second'], ...more })),
    further: { initiator: 'second', responder: 'second' },
    liveness: ['ours', 'theirs'],
  }),
  // iked gives each CHILD_SA all selectors of its policy and asks for no further one; it checks liveness only where packets went out and
  // none came in.
  ...handshakes({
    daemon: Iked,
    peer: 'iked',
    suites: ikedSuites,
    settings: [ours, {}].map((more) => ({ children: ['net', 'parallel'], ...more })),
    further: { initiator: 'parallel' },
    liveness: ['ours'],
  }),
  ...libreswanSuites.slice(0, 2).flatMap((suite) =>
    rekeyCases(Libreswan, 'libreswan', suite, [
      { what: 'by Libreswan', settings: {}, rekeys: byDaemon(2) },
      rekeyByUs,
      {
        what: 'collisions',
        settings: {},
        rekeys: byBoth(3),
        leastCrossings: 2,
      },
    ]),
  ),
  ...roles(Libreswan).map(({ role, client, server }) => ({
    name: `libreswan ${role} PPK`,
    peer: 'libreswan',
    missing: Libreswan.missing,
    body: negotiationCase({ client, server, deleteBy: 'client', settings: { ...libreswanSuites[0], psk, ...ppk } }),
  })),
  ...rekeyCases(Iked, 'iked', ikedSuites[0], [
    { what: 'by iked', settings: short.iked, rekeys: byLifetime({ children: 3, ike: 2 }, 'theirs') },
    rekeyByUs,
  ]),
]
