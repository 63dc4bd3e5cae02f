// What happens to a tunnel with strongSwan while datagrams flow.
import { crossedAtLeast } from './capture.mjs'
import { lifeCase } from './case-life.mjs'
import { Charon } from './charon.mjs'
import { crossingRekeys, rekeysByLifetime, rekeysByPeer, rekeysByUs } from './steps.mjs'
import { Typeswan } from './typeswan.mjs'

const psk = 'correct horse battery staple'
const settings = { ike: 'aes128gcm16-prfsha256-ecp256', esp: 'aes128gcm16', psk }
const pfs = { ...settings, esp: 'aes128gcm16-ecp256' }

const roles = [
  { role: 'initiator', client: Typeswan, server: Charon, sides: { ours: 'client', theirs: 'server' } },
  { role: 'responder', client: Charon, server: Typeswan, sides: { ours: 'server', theirs: 'client' } },
]

/** Lifetimes in seconds of one side, for whichever it is; 0 for long ones. */
const lifetimes = ({ ours, theirs }) => ({
  typeswan: {
    connection: { rekey: { time: ours.ike === 0 ? '4h' : `${ours.ike}s`, jitter: '0s', over: '60s' } },
    child: { lifetime: { soft: { time: ours.child === 0 ? '1h' : `${ours.child}s` }, hard: { time: '2h' } } },
  },
  charon: {
    connection: [`rekey_time = ${theirs.ike}s`, 'over_time = 60s', 'rand_time = 0s'],
    child: [`rekey_time = ${theirs.child}s`, 'life_time = 2h', 'rand_time = 0s'],
  },
})
const long = { child: 0, ike: 0 }

const rekeyCases = roles.flatMap(({ role, client, server }) => [
  ...[settings, pfs].map((one) => ({
    name: `life ${role} rekey by strongSwan ${one.esp}`,
    nightly: one === settings,
    body: lifeCase({ client, server, settings: one, steps: rekeysByPeer(one === pfs ? 1 : 3) }),
  })),
  {
    name: `life ${role} rekey by Typeswan on demand ${pfs.esp}`,
    nightly: true,
    body: lifeCase({ client, server, settings: pfs, steps: rekeysByUs(2) }),
  },
  ...[settings, pfs].map((one) => ({
    name: `life ${role} rekey by Typeswan ${one.esp}`,
    nightly: (one === pfs) === (role === 'initiator'),
    body: lifeCase({
      client,
      server,
      settings: { ...one, ...lifetimes({ ours: { child: 2, ike: 3 }, theirs: long }) },
      busy: true,
      steps: rekeysByLifetime({ child: 4, ike: 3, seconds: 30 }),
    }),
  })),
  {
    name: `life ${role} short lifetimes at strongSwan`,
    nightly: true,
    body: lifeCase({
      client,
      server,
      // Not at the same time: it forgets to rekey a CHILD_SA that is just moving to a new IKE_SA.
      settings: { ...pfs, ...lifetimes({ ours: long, theirs: { child: 2, ike: 5 } }) },
      busy: true,
      steps: rekeysByLifetime({ child: 3, ike: 1, seconds: 30 }),
    }),
  },
  {
    name: `life ${role} rekey at the same time`,
    nightly: true,
    body: lifeCase({
      client,
      server,
      settings: { ...settings, ...lifetimes({ ours: { child: 2, ike: 3 }, theirs: { child: 2, ike: 3 } }) },
      busy: true,
      steps: rekeysByLifetime({ child: 6, ike: 4, seconds: 40 }),
    }),
  },
  ...[settings, pfs].map((one) => ({
    name: `life ${role} rekey collisions ${one.esp}`,
    nightly: one === pfs,
    body: lifeCase({
      client,
      server,
      settings: {
        ...one,
        typeswan: { connection: { retransmit: { timeout: '500ms' } } },
        charon: { conf: ['retransmit_timeout = 0.5'] },
      },
      steps: crossingRekeys(one === pfs ? 3 : 1),
      check: ({ messages }) => [`${crossedAtLeast(one === pfs ? 6 : 2, messages)} crossed`],
    }),
  })),
])

export const lifeCases = [
  {
    name: 'life baseline strongSwan with strongSwan',
    nightly: true,
    body: lifeCase({ client: Charon, server: Charon, settings, steps: rekeysByPeer(2) }),
  },
  ...rekeyCases,
]
