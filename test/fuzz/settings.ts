import { type PskConnection, pskConnection } from '../../src/config/connection.ts'
import type { ConnectionConfig } from '../../src/ike/config.ts'
import type { GateLimits } from '../../src/ike/gate/responder-gate.ts'
import type { InputDice } from './input-dice.ts'

export const addresses = { a: '192.0.2.1', aToo: '192.0.2.9', b: '198.51.100.2', nat: '203.0.113.5' } as const

/** What the two ends of a world are told to do. */
export interface Settings {
  readonly a: ConnectionConfig
  readonly b: ConnectionConfig
  readonly limitsOfB: Partial<GateLimits>
  readonly isBehindNat: boolean
}

/** Proposals of both ends. Not all pairs agree. */
const ike: readonly (readonly [string[], string[]])[] = [
  [['aes128gcm16-prfsha256-x25519'], ['aes128gcm16-prfsha256-x25519']],
  // INVALID_KE_PAYLOAD.
  [['aes128gcm16-prfsha256-x25519-ecp256'], ['aes128gcm16-prfsha256-ecp256']],
  [['aes256gcm16-prfsha384-ecp256', 'chacha20poly1305-prfsha256-x25519'], ['chacha20poly1305-prfsha256-x25519']],
  [['aes128gcm16-prfsha256-x25519'], ['aes256gcm16-prfsha512-ecp384']],
  // IKE_INTERMEDIATE and IKE_FOLLOWUP_KE.
  [['aes256gcm16-prfsha256-x25519-ke1_mlkem512'], ['aes256gcm16-prfsha256-x25519-ke1_mlkem512']],
  [
    ['aes256gcm16-prfsha256-x25519-ke1_mlkem512-ke2_ecp256-ke2_none'],
    ['aes256gcm16-prfsha256-x25519-ke1_mlkem512-ke1_none-ke2_ecp256'],
  ],
]
const esp: readonly (readonly [string[], string[]])[] = [
  [['aes128gcm16'], ['aes128gcm16']],
  [['aes128gcm16-x25519'], ['aes128gcm16-x25519']],
  [['aes128gcm16-x25519-ecp256'], ['aes128gcm16-ecp256']],
  [
    ['aes256gcm16', 'chacha20poly1305'],
    ['chacha20poly1305-esn', 'chacha20poly1305'],
  ],
  [['aes128-sha256'], ['aes128-sha256', 'aes128gcm16']],
  [['aes128gcm16'], ['aes256gcm16']],
  [['aes128gcm16-x25519-ke1_mlkem512'], ['aes128gcm16-x25519-ke1_mlkem512-ke1_none']],
]

/** Chooses every setting by the dice. All zeros are a plain connection that comes up. */
export function chooseSettings(dice: InputDice): Settings {
  const [ikeA, ikeB] = dice.pick(ike)
  const [espA, espB] = dice.pick(esp)
  const isBehindNat = dice.pick([false, true])
  const infinity = Number.POSITIVE_INFINITY
  const shared = {
    psk: 'known to the one in the middle',
    retransmit: { baseMs: 1000, factor: 1.5, tries: 2, jitter: dice.pick([0, 0.5]) },
    // Without a NAT and without force the peers would go on in plain ESP, which is refused at once.
    encap: dice.pick([isBehindNat, false]) ? ('auto' as const) : ('force' as const),
    windowSize: dice.pick([1, 4]),
    fragmentation: { mode: dice.pick(['no', 'yes', 'force'] as const), bytes: dice.pick([576, 1280]) },
    childless: dice.pick(['allow', 'prefer', 'force', 'never'] as const),
    mobike: dice.chance(50),
    resumption: dice.chance(50),
    uniqueness: dice.pick(['replace', 'keep', 'never'] as const),
    keyingTries: dice.pick([1, 2]),
    lifetime: {
      rekeyMs: dice.pick([infinity, 30_000]),
      reauthMs: dice.pick([infinity, 40_000]),
      overMs: 10_000,
      jitterMs: dice.pick([0, 5_000]),
    },
    ...(dice.chance(50)
      ? {}
      : { ppk: { id: Uint8Array.of(1, 2), secret: new Uint8Array(32), required: dice.chance(50) } }),
  } satisfies Partial<PskConnection>
  const of = (proposals: string[], espProposals: string[]) => ({
    ...shared,
    proposals,
    livenessDelayMs: dice.pick([15_000, 0]),
    keepaliveMs: dice.pick([0, 20_000]),
    redirect: { follow: dice.chance(50), to: dice.pick([undefined, undefined, addresses.b, 'gateway.example.org']) },
    children: childrenOf(dice, espProposals),
  })
  return {
    a: pskConnection({ ...of(ikeA, espA), name: 'a', localAddress: addresses.a, remoteAddress: addresses.b }),
    b: mirrored(
      pskConnection({
        ...of(ikeB, espB),
        name: 'b',
        localAddress: addresses.b,
        // From behind a NAT the first end comes from elsewhere, and cannot be called.
        ...(isBehindNat ? {} : { remoteAddress: addresses.a }),
        remoteId: addresses.a,
      }),
    ),
    limitsOfB: { cookieThreshold: dice.pick([30, 0]) },
    isBehindNat,
  }
}

function childrenOf(dice: InputDice, espProposals: string[]): PskConnection['children'] {
  const lifetime = {
    softMs: dice.pick([Number.POSITIVE_INFINITY, 20_000]),
    hardMs: dice.pick([Number.POSITIVE_INFINITY, 25_000]),
  }
  const shared = {
    espProposals,
    lifetime,
    jitter: { ms: dice.pick([0, 5_000]), bytes: 0, packets: 0 },
    dpdAction: dice.pick(['clear', 'trap', 'restart'] as const),
    closeAction: dice.pick(['none', 'trap', 'start'] as const),
    startAction: dice.pick(['none', 'trap', 'start'] as const),
  }
  return [
    { ...shared, name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] },
    {
      ...shared,
      name: 'some',
      localTs: ['10.1.0.0/24[tcp]', '10.1.7.0-10.1.8.77'],
      remoteTs: ['10.2.0.0/20', '10.3.0.0/16[udp/53]'],
    },
    {
      ...shared,
      name: 'hosts',
      mode: dice.pick(['tunnel', 'transport'] as const),
      localTs: ['192.0.2.0/24'],
      remoteTs: [addresses.b],
    },
  ]
}

/** The same seen from the other end. */
function mirrored(connection: ConnectionConfig): ConnectionConfig {
  return {
    ...connection,
    children: connection.children.map((child) => ({ ...child, localTs: child.remoteTs, remoteTs: child.localTs })),
  }
}
