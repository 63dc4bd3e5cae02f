import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from '../../../src/bytes/index.ts'
import type { Payload } from '../../../src/ike/codec/index.ts'
import type { PpkConfig } from '../../../src/ike/config.ts'
import type { AuthenticationRefusal } from '../../../src/ike/explain/refusal.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, makePair, type Pair, rightConnection } from '../support.ts'

afterEach(() => vi.restoreAllMocks())

const IKE_AUTH = 35
const NO_PPK_AUTH = 16437

const ppk = (id: string, secret: number, required = false): PpkConfig => ({
  id: new TextEncoder().encode(id),
  secret: new Uint8Array(32).fill(secret),
  required,
})

const withPpk = (a: PpkConfig | undefined, b: PpkConfig | undefined) => ({
  a: a === undefined ? {} : { ppk: a },
  b: b === undefined ? {} : { ppk: b },
})

function attempt(a: PpkConfig | undefined, b: PpkConfig | undefined): Pair {
  const pair = makePair(withPpk(a, b))
  pair.a.initiate('office')
  pair.clock.advance(2_000)
  return pair
}

const authPayloads = (pair: Pair, response: boolean) =>
  pair.b.eventsOf('message').find(({ exchange, ...event }) => exchange === 'IKE_AUTH' && event.response === response)!
    .payloads

const outboundKey = (pair: Pair) =>
  toHex([...pair.xfrmA.states.values()].find(({ direction }) => direction === 'out')!.encr.key)

const refusals = (peer: Pair['a']) => peer.eventsOf('refused').map(({ refusal }) => refusal as AuthenticationRefusal)

describe('a post-quantum pre-shared key', () => {
  it('that both have goes into the keys of the CHILD_SA', () => {
    const pair = establishedPair(withPpk(ppk('q1', 1), ppk('q1', 1)))
    expect(authPayloads(pair, false)).toEqual(expect.arrayContaining(['N(PPK_IDENTITY)', 'N(NO_PPK_AUTH)']))
    expect(authPayloads(pair, true)).toContain('N(PPK_IDENTITY)')
    expect(outboundKey(pair)).toBe(outboundKey(establishedPair(withPpk(ppk('q1', 1), ppk('q1', 1)))))
    expect(outboundKey(pair)).not.toBe(outboundKey(establishedPair(withPpk(ppk('q1', 2), ppk('q1', 2)))))
    expect(outboundKey(pair)).not.toBe(outboundKey(establishedPair()))
  })

  it('that is required leaves no way without it', () => {
    const pair = establishedPair(withPpk(ppk('q1', 1, true), ppk('q1', 1, true)))
    expect(authPayloads(pair, false)).not.toContain('N(NO_PPK_AUTH)')
  })

  it('works for the IKE_SA that comes of a rekeying, and in the other direction', () => {
    const pair = establishedPair(withPpk(ppk('q1', 1, true), ppk('q1', 1, true)))
    pair.b.perform(pair.b.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(1_000)
    expect(pair.a.eventsOf('ike-rekeyed')).toHaveLength(1)
  })

  it.each([
    ['only the initiator has it', ppk('q1', 1), undefined],
    ['only the responder has it', undefined, ppk('q1', 1)],
    ['they have different ones', ppk('q1', 1), ppk('q2', 2)],
  ])('is done without where %s and neither requires it', (_, a, b) => {
    const pair = attempt(a, b)
    expect(pair.a.eventsOf('child-established')).toHaveLength(1)
    expect(authPayloads(pair, true)).not.toContain('N(PPK_IDENTITY)')
  })

  it('chooses the connection that has it', () => {
    const pair = makePair({
      a: { ppk: ppk('q2', 2, true) },
      bConnections: [
        { ...rightConnection, name: 'first', ppk: ppk('q1', 1, true) },
        { ...rightConnection, name: 'second', ppk: ppk('q2', 2, true) },
      ],
    })
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    expect(pair.b.eventsOf('ike-established').map(({ sa }) => sa.connection)).toEqual(['second'])
  })
})

describe('refusals about a post-quantum pre-shared key', () => {
  const forA = 'connections.office.ppk'
  const forB = 'connections.branch.ppk'

  it('the initiator requires it, and the responder has none', () => {
    const [refusal] = refusals(attempt(ppk('q1', 1, true), undefined).a)
    expect(refusal?.message).toContain('does not use the post-quantum pre-shared key q1, which is required')
    expect(refusal?.hint).toContain(`${forA}.required: false`)
  })

  it('the responder requires it, and the initiator has none', () => {
    const pair = attempt(undefined, ppk('q1', 1, true))
    expect(refusals(pair.b)[0]?.hint).toContain(`${forB}.required: false`)
    expect(refusals(pair.a)[0]?.by).toBe('peer')
  })

  it('both require another one', () => {
    const pair = attempt(ppk('q1', 1, true), ppk('q2', 2, true))
    expect(refusals(pair.b)[0]?.message).toContain('pre-shared key q1, configured is q2')
    expect(refusals(pair.b)[0]?.hint).toContain(`${forB}.id: q1`)
    expect(refusals(pair.a)[0]?.hint).toContain('post-quantum pre-shared key q1')
  })

  it('the responder requires another one than the initiator, which could do without', () => {
    expect(refusals(attempt(ppk('q1', 1), ppk('q2', 2, true)).b)[0]?.hint).toContain(`${forB}.id: q1`)
  })

  it('the initiator requires one that the responder does not know', () => {
    expect(refusals(attempt(ppk('q1', 1, true), ppk('q2', 2)).b)[0]?.hint).toContain(`${forB}.id: q1`)
  })

  it('the secrets differ', () => {
    const pair = attempt(ppk('q1', 1), ppk('q1', 2))
    expect(refusals(pair.b)[0]?.hint).toContain(`${forB}.secret`)
    expect(pair.a.ike.status()).toEqual([])
  })

  it('the pre-shared key itself is wrong as well', () => {
    const pair = makePair({ a: { ppk: ppk('q1', 1), psk: 'another' }, b: { ppk: ppk('q1', 2) } })
    pair.a.initiate('office')
    pair.clock.advance(2_000)
    expect(refusals(pair.b)[0]?.hint).toContain('connections.branch.psk')
  })

  it('names an identifier that is not text in hexadecimal', () => {
    const binary = { ...ppk('', 1, true), id: Uint8Array.of(0, 255) }
    expect(refusals(attempt(binary, undefined).a)[0]?.message).toContain('0x00ff')
  })

  it('an answer without it does not do for an initiator that requires it', () => {
    const isAnswer = (payload: Payload) => payload.kind === 'N' && payload.notify === 16436 && payload.data.length === 0
    alterPayloads((header, payloads) =>
      header.exchangeType === IKE_AUTH && header.flags.response ? payloads.filter((one) => !isAnswer(one)) : payloads,
    )
    const pair = attempt(ppk('q1', 1, true), ppk('q1', 1))
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(refusals(pair.a)[0]?.hint).toContain(`${forA}.required: false`)
  })

  it('an initiator that sends nothing for a responder without its PPK is refused by one', () => {
    alterPayloads((header, payloads) =>
      header.exchangeType === IKE_AUTH && !header.flags.response
        ? payloads.filter((one) => one.kind !== 'N' || one.notify !== NO_PPK_AUTH)
        : payloads,
    )
    const pair = attempt(ppk('q1', 1), ppk('q2', 2))
    expect(pair.a.eventsOf('ike-established')).toEqual([])
    expect(refusals(pair.b)[0]?.hint).toContain(`${forB}.id: q1`)
  })
})
