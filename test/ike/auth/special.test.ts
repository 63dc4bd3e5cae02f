import { afterEach, describe, expect, it, vi } from 'vitest'
import { equalBytes } from '../../../src/bytes/index.ts'
import { pskConnection } from '../../../src/config/connection.ts'
import type { ConnectionConfig, PpkConfig } from '../../../src/ike/config.ts'
import { parseIdentity } from '../../../src/ike/index.ts'
import { replayRecording } from '../../../src/testing/replay-recording.ts'
import { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { alterPayloads } from '../alter.ts'
import { right, rightConnection } from '../support.ts'
import {
  attempt,
  authMessages,
  authPair,
  eapServer,
  eapUser,
  keyOf,
  nobody,
  psk,
  refusals,
  type Side,
  signs,
  stands,
  text,
  trusts,
  usually,
} from './answering.ts'

afterEach(() => vi.restoreAllMocks())

const signedA: Side = { local: signs('alice'), remote: trusts('bob') }
const signedB: Side = { local: signs('bob'), remote: trusts('alice') }
const eapA: Side = { local: eapUser('u:p'), remote: trusts('bob') }
const eapB: Side = { local: signs('bob'), remote: eapServer('u:p') }

const having = (side: Side, settings: Partial<ConnectionConfig>): Side => ({
  ...side,
  change: (connection) => ({ ...connection, ...settings }),
})
const ppk = (secret: number, required = false): PpkConfig => ({
  id: text('q1'),
  secret: new Uint8Array(32).fill(secret),
  required,
})

describe('a post-quantum pre-shared key with signatures (RFC 8784)', () => {
  it('goes into the keys, and is signed over', () => {
    const pair = attempt(having(signedA, { ppk: ppk(1, true) }), having(signedB, { ppk: ppk(1, true) }))
    expect(stands(pair)).toBe(true)
    expect(authMessages(pair).join()).toContain('N(PPK_IDENTITY)')
    expect(keyOf(pair.a)).not.toBe(keyOf(attempt(signedA, signedB).a))
  })

  it('is done without where the responder has none: a second signature is there for that', () => {
    const pair = attempt(having(signedA, { ppk: ppk(1) }), having(signedB, { ppk: { ...ppk(1), id: text('q2') } }))
    expect(stands(pair)).toBe(true)
    expect(pair.asked.a.filter(({ question }) => question.kind === 'sign')).toHaveLength(2)
  })

  it('with another secret is refused', () => {
    const pair = attempt(having(signedA, { ppk: ppk(1, true) }), having(signedB, { ppk: ppk(2, true) }))
    expect(refusals(pair.b)).toHaveLength(1)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('that is required keeps a peer out that proves itself by EAP', () => {
    const pair = attempt(eapA, having(eapB, { ppk: ppk(1, true) }))
    expect(refusals(pair.b)[0]?.hint).toContain('ppk.required: false')
  })
})

describe('NULL authentication (RFC 7619)', () => {
  const anybody: Side = { local: psk, remote: nobody }

  const unnamed = (side: Side): Side => ({
    ...side,
    change: (connection) => ({
      ...connection,
      local: { ...connection.local, id: { type: 13, data: new Uint8Array(0) } },
    }),
  })

  it('lets a peer in that does not say who it is', () => {
    const pair = attempt(unnamed({ local: nobody, remote: psk }), {
      ...anybody,
      change: (connection) => ({ ...connection, remote: { ...connection.remote, id: undefined } }),
    })
    expect(stands(pair)).toBe(true)
    expect(pair.b.ikeSa.remoteId).toEqual({ type: 13, data: new Uint8Array(0) })
  })

  it('keeps out who proves something and is nobody', () => {
    const pair = attempt(unnamed({ local: psk, remote: psk }), {
      local: psk,
      remote: psk,
      change: (connection) => ({ ...connection, remote: { ...connection.remote, id: undefined } }),
    })
    expect(refusals(pair.b)[0]).toMatchObject({ kind: 'no-connection' })
  })

  it.each([
    ['', []],
    [
      ', also when another identity is proved in a further round',
      [{ id: parseIdentity('user@example.org'), auth: psk }],
    ],
  ])('lets no IKE_SA of nobody take the place of another%s', (_, further) => {
    const anywhere: Side['change'] = (connection) => ({
      ...connection,
      local: { ...connection.local, address: undefined },
      remote: { ...connection.remote, address: undefined, further },
    })
    const rounds: Side['change'] = (connection) => ({ ...connection, local: { ...connection.local, further } })
    const pair = attempt({ local: nobody, remote: psk, change: rounds }, { ...anybody, change: anywhere })
    const [office] = pair.a.options.connections
    const again = new VirtualPeer(pair.network, {
      ...pair.a.options,
      address: '192.0.2.9',
      seed: 'again',
      connections: [{ ...office!, local: { ...office!.local, address: undefined } }],
    })
    again.initiate('office')
    pair.clock.advance(60_000)
    expect(pair.b.status().map(({ state }) => state)).toEqual(['established', 'established'])
  })

  it('is not verified by chance', () => {
    alterPayloads(({ flags }, payloads) =>
      payloads.map((one) =>
        one.kind === 'AUTH' && !flags.response ? { ...one, data: one.data.map((octet) => octet ^ 1) } : one,
      ),
    )
    const pair = attempt({ local: nobody, remote: psk }, anybody)
    expect(refusals(pair.b)[0]?.message).toContain('its AUTH does not verify')
  })
})

describe("the responder's choice of a connection", () => {
  const peers = (...ways: readonly (readonly [string, Side])[]) => {
    const pair = authPair(eapA, eapB)
    const connections = ways.map(([name, { local, remote }]) => {
      const plain = pskConnection({ ...rightConnection, name })
      return { ...plain, local: { ...plain.local, auth: local }, remote: { ...plain.remote, auth: remote } }
    })
    const gateway = new VirtualPeer(pair.network, { ...pair.b.options, address: right, connections })
    return { ...pair, b: gateway }
  }
  const several = [
    ['by-key', { local: signs('bob'), remote: psk }],
    ['by-carol', { local: signs('bob'), remote: trusts('carol') }],
    ['by-alice', { local: signs('bob'), remote: trusts('alice') }],
    ['by-eap', eapB],
    ['by-nothing', { local: signs('bob'), remote: nobody }],
  ] as const

  it.each([
    ['by-key', psk],
    ['by-alice', signs('alice')],
    ['by-carol', signs('carol')],
    ['by-eap', eapUser('u:p')],
    ['by-nothing', nobody],
  ] as const)('is %s when the peer proves itself so', (name, local) => {
    const { b, clock, network } = peers(...several)
    const a = clientOf(network, local)
    a.initiate('office')
    clock.advance(2_000)
    expect(b.eventsOf('ike-established').map(({ sa }) => sa.connection)).toEqual([name])
  })

  it('explains what the peer did and what each connection takes', () => {
    const { b, clock, network } = peers(several[1], several[3])
    clientOf(network, psk).initiate('office')
    clock.advance(2_000)
    expect(refusals(b)[0]?.message).toContain(
      'it uses psk, configured is a signature (connections.by-carol), EAP (connections.by-eap)',
    )
  })

  function clientOf(network: ReturnType<typeof peers>['network'], local: Side['local']): VirtualPeer {
    const { options } = attempt({ local, remote: trusts('bob') }, eapB).a
    return new VirtualPeer(network, { ...options, seed: 'client' })
  }
})

describe('authorize and select-child', () => {
  it('are asked about a peer with all that it has proved', () => {
    const pair = attempt(eapA, { ...eapB, asks: { authorize: true, selectChild: true } })
    const asked = pair.asked.b.map(({ question }) => question)
    expect(asked.find(({ kind }) => kind === 'authorize')).toMatchObject({
      peer: { connection: 'branch', methods: ['eap'], eapIdentity: 'u', id: parseIdentity('left.example.org') },
    })
    const select = asked.find(({ kind }) => kind === 'select-child')
    expect(select).toMatchObject({ children: ['net'], peer: { eapIdentity: 'u' } })
    expect(select?.kind === 'select-child' && equalBytes(select.TSi[0]!.startAddress, Uint8Array.of(10, 1, 0, 0))).toBe(
      true,
    )
  })

  it('are not asked where nobody wants to', () => {
    const pair = attempt(signedA, signedB)
    expect(pair.asked.b.map(({ question }) => question.kind)).toEqual(['verify', 'sign'])
  })

  it('about a further CHILD_SA is asked as well, and may take its time', () => {
    let times = 0
    const later: Side['otherwise'] = ({ kind }) => (kind === 'select-child' && ++times > 1 ? 'later' : undefined)
    const pair = attempt(signedA, { ...signedB, asks: { selectChild: true }, otherwise: later })
    pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
    pair.clock.advance(20_000)
    expect(times).toBe(2)
    expect(pair.b.ikeSa.children).toHaveLength(1)
    const open = pair.asked.b.at(-1)!
    pair.b.perform(pair.b.ike.answered(open.token, usually(open.question), pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.b.ikeSa.children).toHaveLength(2)
    expect(pair.a.ikeSa.children).toHaveLength(2)
  })

  it('select-child of one that is not there refuses the CHILD_SA', () => {
    const wrong: Side['otherwise'] = ({ kind }) => (kind === 'select-child' ? { ok: true, child: 'other' } : undefined)
    const pair = attempt(signedA, { ...signedB, asks: { selectChild: true }, otherwise: wrong })
    expect(authMessages(pair).at(-1)).toContain('N(TS_UNACCEPTABLE)')
    expect(refusals(pair.b)[0]?.hint).toContain('connections.branch.children')
  })
})

describe('an IKE_SA that EAP has authenticated', () => {
  it('is rekeyed without a question, and keeps who the peer is', () => {
    const pair = attempt(eapA, eapB)
    const asked = pair.asked.b.length
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(5_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
    expect(pair.asked.b).toHaveLength(asked)
    expect(pair.b.ikeSa.auth).toMatchObject({ remote: ['eap'], eapIdentity: 'u' })
  })

  it('asks again when it is set up anew', () => {
    const pair = attempt(eapA, eapB)
    const asked = pair.asked.b.length
    pair.a.perform(pair.a.ike.reauthenticate(1, pair.clock.now))
    pair.clock.advance(60_000)
    expect(pair.asked.b).toHaveLength(2 * asked)
    expect(pair.a.status()).toHaveLength(1)
    expect(pair.b.status()).toHaveLength(1)
  })

  it('is resumed with a ticket and no question', () => {
    const pair = attempt(having(eapA, { resumption: true }), having(eapB, { resumption: true }))
    const { ticket } = pair.a.eventsOf('ticket')[0]!
    const asked = pair.asked.b.length
    pair.b.perform(pair.b.ike.handleTimeouts(pair.clock.now))
    pair.a.crash()
    pair.a.restart()
    pair.a.perform(pair.a.ike.initiate('office', pair.clock.now, { ticket }))
    pair.clock.advance(5_000)
    expect(pair.asked.b).toHaveLength(asked)
    expect(pair.a.ikeSa.auth).toEqual({ local: ['eap'], remote: ['resumption'] })
    expect(pair.b.ikeSa.auth).toMatchObject({ remote: ['resumption'], eapIdentity: 'u' })
  })
})

describe('two users of EAP with the same IKE identity', () => {
  const anywhere: Side['change'] = (connection) => ({
    ...connection,
    local: { ...connection.local, address: undefined },
    remote: { ...connection.remote, address: undefined },
  })
  /** Knows every user by the name that it says. */
  const knowsAll: Side['otherwise'] = (question) => {
    if (question.kind !== 'eap-server' || question.packet === undefined) return undefined
    const identity = new TextDecoder().decode(question.packet.subarray(4))
    const msk = new Uint8Array(64).fill(1)
    return { ok: true, done: true, packet: Uint8Array.of(3, 1, 0, 4), msk, identity }
  }
  const key: Side['otherwise'] = (question) =>
    question.kind === 'eap-peer' && question.packet[0] === 3
      ? { ok: true, done: true, msk: new Uint8Array(64).fill(1), mutual: true }
      : undefined
  const client = (network: ReturnType<typeof authPair>['network'], user: string, address: string) => {
    const { options } = authPair({ local: eapUser(`${user}:p`), remote: trusts('bob'), otherwise: key }, eapB).a
    const [office] = options.connections
    const connections = [{ ...office!, local: { ...office!.local, address: undefined } }]
    return new VirtualPeer(network, { ...options, address, seed: address, connections })
  }

  it.each([
    ['stand side by side', 'v', ['established', 'established']],
    ['that are the same user replace each other', 'u', ['established']],
  ] as const)('%s', (_, second, states) => {
    const pair = authPair(eapA, { ...eapB, change: anywhere, otherwise: knowsAll })
    client(pair.network, 'u', '192.0.2.8').initiate('office')
    pair.clock.advance(2_000)
    client(pair.network, second, '192.0.2.9').initiate('office')
    pair.clock.advance(30_000)
    expect(pair.b.status().map(({ state }) => state)).toEqual(states)
  })
})

describe('an EAP conversation', () => {
  it('whose peer finds the server wrong is ended with a word to the server', () => {
    const pair = attempt(
      {
        ...eapA,
        otherwise: ({ kind }) => (kind === 'eap-peer' ? { ok: false, message: 'a stranger', hint: 'h' } : undefined),
      },
      eapB,
    )
    expect(refusals(pair.a)[0]?.message).toBe('a stranger')
    expect(refusals(pair.b)[0]).toMatchObject({ by: 'peer', kind: 'authentication-failed' })
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('that goes on for ever is ended', () => {
    const endless: Side['otherwise'] = (question) =>
      question.kind === 'eap-server' ? { ok: true, packet: Uint8Array.of(1, 1, 0, 5, 1) } : undefined
    const patient: Side['otherwise'] = (question) =>
      question.kind === 'eap-peer' ? { ok: true, packet: Uint8Array.of(2, 1, 0, 5, 1) } : undefined
    const pair = attempt({ ...eapA, otherwise: patient }, { ...eapB, otherwise: endless }, 60_000)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
    expect(pair.asked.b.length).toBeLessThan(140)
  })

  it.each([
    ['AUTH', 'the request', false],
    ['AUTH', 'the response', true],
  ])('with a wrong %s in %s after it is refused', (_, __, ofResponse) => {
    alterPayloads(({ flags, messageId }, payloads) =>
      payloads.map((one) =>
        one.kind === 'AUTH' && messageId > 1 && flags.response === ofResponse
          ? { ...one, data: one.data.map((octet) => octet ^ 1) }
          : one,
      ),
    )
    const pair = attempt(eapA, eapB)
    expect(refusals(ofResponse ? pair.a : pair.b)[0]?.message).toContain(
      'does not verify with the key that the method made',
    )
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })

  it('in which the initiator sends something else is ended', () => {
    alterPayloads(({ flags, messageId }, payloads) =>
      messageId === 2 && !flags.response ? payloads.filter(({ kind }) => kind !== 'EAP') : payloads,
    )
    const pair = attempt(eapA, eapB)
    expect([...pair.a.status(), ...pair.b.status()]).toEqual([])
  })
})

describe('a recording of a set-up with questions', () => {
  it('is run again to the octet, without what the core only hands on', () => {
    const lines: string[] = []
    const pair = authPair(eapA, eapB)
    const recorded = new VirtualPeer(pair.network, { ...pair.b.options, record: { write: (line) => lines.push(line) } })
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    expect(recorded.eventsOf('ike-established')).toHaveLength(1)
    const { connections } = pair.b.options
    expect(replayRecording(lines.join('\n'), { connections })).toEqual({ steps: lines.length - 1 })
  })
})
