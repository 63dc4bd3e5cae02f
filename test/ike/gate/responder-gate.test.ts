import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PskConnection, pskConnection } from '../../../src/config/connection.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { decodeMessage, encodeMessage, NotifyType, type Payload } from '../../../src/ike/codec/index.ts'
import type { IkeAction, IkeEvent } from '../../../src/ike/events.ts'
import { HalfOpen } from '../../../src/ike/gate/half-open.ts'
import { PuzzleSolver } from '../../../src/ike/gate/puzzle.ts'
import { RecentCount } from '../../../src/ike/gate/recent-count.ts'
import { defaultGateLimits, type GateLimits, ResponderGate } from '../../../src/ike/gate/responder-gate.ts'
import { IkeEndpoint } from '../../../src/ike/ike-endpoint.ts'
import type { IkeSa } from '../../../src/ike/ike-sa.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { parseIp } from '../../../src/ip/address.ts'
import { RecordingXfrm, seededRandom } from '../../../src/testing/index.ts'
import { left, makePair, right, rightConnection } from '../support.ts'

/** What a client sends first; the responder accepts its suite. */
const { header, payloads } = (() => {
  const pair = makePair()
  pair.a.initiate('office')
  return decodeMessage(pair.network.sent[0]!.payload)
})()

/** The same with a group that nobody has. */
const refusable = payloads.map((payload): Payload => {
  if (payload.kind !== 'SA') return payload
  const [proposal] = payload.proposals
  const transforms = proposal!.transforms.map((one) => (one.type === 4 ? { ...one, id: 1024 } : one))
  return { ...payload, proposals: [{ ...proposal!, transforms }] }
})

/** A responder for peers at any address, and strangers who write to it. */
class Gateway {
  readonly ike: IkeEndpoint
  now = 0
  #attempts = 0

  constructor(limits: Partial<GateLimits> = {}, changes: Partial<PskConnection> = {}) {
    const { remoteAddress: _, ...connection } = rightConnection
    this.ike = new IkeEndpoint({
      crypto: nodeProvider,
      random: seededRandom('gateway'),
      xfrm: new RecordingXfrm(),
      connections: [pskConnection({ ...connection, ...changes })],
      limits,
    })
  }

  /** A first message with an SPI of its own. */
  attempt(from: string, content: readonly Payload[] = payloads): IkeAction[] {
    const n = ++this.#attempts
    const SPIi = Uint8Array.of(1, 0, 0, 0, n >>> 24, n >>> 16, n >>> 8, n)
    return this.#deliver(from, encodeMessage({ ...header, SPIi }, content))
  }

  /** The same by one who receives the answers: it returns the cookie. */
  honestAttempt(from: string, content: readonly Payload[] = payloads): IkeAction[] {
    const first = this.attempt(from, content)
    const cookie = cookieIn(first)
    if (cookie === undefined) return first
    return this.#deliver(from, encodeMessage({ ...header, SPIi: sentIn(first)!.header.SPIi }, [cookie, ...content]))
  }

  #deliver(from: string, message: Uint8Array): IkeAction[] {
    const [local, remote] = [right, from].map((address) => ({ address: parseIp(address), port: 500 }))
    return this.ike.handleDatagram({ local: local!, remote: remote!, message }, this.now)
  }

  deliverRaw(message: Uint8Array): IkeAction[] {
    return this.#deliver(left, message)
  }
}

function sentIn(actions: readonly IkeAction[]) {
  const send = actions.find((action) => action.type === 'send')
  return send === undefined ? undefined : decodeMessage(send.message)
}

const cookieIn = (actions: readonly IkeAction[]) =>
  sentIn(actions)?.payloads.find((payload) => payload.kind === 'N' && payload.notify === NotifyType.COOKIE)

const eventsIn = (actions: readonly IkeAction[]): IkeEvent[] =>
  actions.flatMap((action) => (action.type === 'event' ? [action.event] : []))

const outcome = (actions: readonly IkeAction[]): string => {
  const dropped = eventsIn(actions).find((event) => event.kind === 'dropped')
  const answer = sentIn(actions)?.payloads[0]
  if (answer === undefined) return dropped?.reason ?? 'nothing'
  return answer.kind === 'SA' ? 'accepted' : cookieIn(actions) === undefined ? 'refused' : 'cookie'
}

const stranger = (n: number) => `203.0.113.${n % 250}`

describe('a flood of requests that are refused', () => {
  it('is asked for cookies like one of half-open IKE_SAs, until it has been over for ten seconds', () => {
    const gateway = new Gateway({ cookieThreshold: 30 })
    const flood = Array.from({ length: 100 }, (_, n) => outcome(gateway.attempt(stranger(n), refusable)))
    expect(flood.slice(0, 30)).toEqual(Array(30).fill('refused'))
    expect(flood.slice(30)).toEqual(Array(70).fill('cookie'))
    expect(outcome(gateway.honestAttempt(left))).toBe('accepted')
    gateway.now = 20_000
    expect(outcome(gateway.attempt(left))).toBe('accepted')
  })

  it('counts requests for another group and malformed ones too', () => {
    const otherKe = payloads.map((payload): Payload => {
      return payload.kind === 'KE' ? { ...payload, group: 19, data: new Uint8Array(64) } : payload
    })
    const without = payloads.filter(({ kind }) => kind !== 'KE')
    for (const content of [otherKe, without]) {
      const gateway = new Gateway({ cookieThreshold: 3 })
      for (let n = 0; n < 3; n++) expect(outcome(gateway.attempt(stranger(n), content))).not.toBe('cookie')
      expect(outcome(gateway.attempt(left))).toBe('cookie')
    }
  })

  it('counts IKE_SAs that ended before they were authenticated', () => {
    const pair = makePair({ b: { psk: 'another' }, limits: { cookieThreshold: 2 } })
    for (let n = 0; n < 3; n++) {
      pair.a.initiate('office')
      pair.clock.advance(1000)
    }
    const answers = pair.b.eventsOf('message').filter(({ direction }) => direction === 'out')
    expect(answers.map(({ payloads }) => payloads[0])).toEqual([
      ...['SA', 'N(AUTHENTICATION_FAILED)', 'SA', 'N(AUTHENTICATION_FAILED)'],
      ...['N(COOKIE)', 'SA', 'N(AUTHENTICATION_FAILED)'],
    ])
  })

  it('is explained five times, then counted, and explained again later', () => {
    const gateway = new Gateway({ cookieThreshold: 1000 })
    const flood = () => {
      const events = Array.from({ length: 50 }, (_, n) => eventsIn(gateway.attempt(stranger(n), refusable))).flat()
      const dropped = events.filter((event) => event.kind === 'dropped').map(({ reason }) => reason)
      return [events.filter(({ kind }) => kind === 'refused').length, dropped.length, ...new Set(dropped)]
    }
    expect(flood()).toEqual([5, 45, 'refused'])
    gateway.now = 500
    expect(flood()).toEqual([0, 50, 'refused'])
    gateway.now = 2000
    expect(flood()).toEqual([5, 45, 'refused'])
  })
})

describe('an IKE_SA_INIT request', () => {
  it('above 8 KB is dropped unread', () => {
    const gateway = new Gateway()
    const vendor = (bytes: number): Payload => ({ kind: 'V', critical: false, data: new Uint8Array(bytes) })
    const room = 8192 - encodeMessage(header, [...payloads, vendor(0)]).length
    expect(outcome(gateway.attempt(left, [...payloads, vendor(room)]))).toBe('accepted')
    expect(outcome(gateway.attempt(left, [...payloads, vendor(room + 1)]))).toBe('too-long')
    const nonsense = encodeMessage(header, [vendor(9000)]).fill(0xff, 28)
    expect(outcome(gateway.deliverRaw(nonsense))).toBe('too-long')
  })

  it('with an SPI of zero is dropped', () => {
    const gateway = new Gateway()
    const message = encodeMessage({ ...header, SPIi: new Uint8Array(8) }, payloads)
    expect(outcome(gateway.deliverRaw(message))).toBe('invalid-syntax')
    expect(gateway.ike.isIdle()).toBe(true)
  })

  it('with a nonce below half the key size of the PRF is answered with INVALID_SYNTAX', () => {
    const gateway = new Gateway({}, { proposals: ['aes128gcm16-prfsha384-x25519'] })
    const withNonce = (bytes: number) =>
      payloads.map((payload): Payload => {
        if (payload.kind === 'Nonce') return { ...payload, data: new Uint8Array(bytes) }
        if (payload.kind !== 'SA') return payload
        const [proposal] = payload.proposals
        const transforms = proposal!.transforms.map((one) => (one.type === 2 ? { ...one, id: 6 } : one))
        return { ...payload, proposals: [{ ...proposal!, transforms }] }
      })
    const short = sentIn(gateway.attempt(left, withNonce(23)))
    expect(short!.payloads).toMatchObject([{ kind: 'N', notify: NotifyType.INVALID_SYNTAX }])
    expect(gateway.ike.isIdle()).toBe(true)
    expect(outcome(gateway.attempt(left, withNonce(24)))).toBe('accepted')
  })
})

describe('one address', () => {
  const limits = { cookieThreshold: 10, halfOpenLimit: 100, halfOpenPerAddress: 4 }

  it('that returns cookies has its share, and others still get in', () => {
    const gateway = new Gateway(limits)
    const flood = Array.from({ length: 200 }, () => outcome(gateway.honestAttempt('203.0.113.66')))
    expect(flood.filter((one) => one === 'accepted')).toHaveLength(8)
    expect(flood.at(-1)).toBe('half-open-limit')
    expect(outcome(gateway.honestAttempt(left))).toBe('accepted')
  })

  it('is not shut out by those who forge it', () => {
    const gateway = new Gateway(limits)
    const forged = Array.from({ length: 200 }, () => outcome(gateway.attempt(left)))
    expect(forged.filter((one) => one === 'accepted')).toHaveLength(4)
    expect(new Set(forged.slice(4))).toEqual(new Set(['cookie']))
    expect(outcome(gateway.honestAttempt(left))).toBe('accepted')
    expect(outcome(gateway.attempt(stranger(1)))).toBe('accepted')
  })

  it('has room again when its IKE_SAs have ended', () => {
    const gateway = new Gateway(limits)
    for (let n = 0; n < 20; n++) gateway.honestAttempt(left)
    expect(outcome(gateway.honestAttempt(left))).toBe('half-open-limit')
    gateway.now = 30_000
    gateway.ike.handleTimeouts(gateway.now)
    expect(outcome(gateway.honestAttempt(left))).toBe('accepted')
  })

  it('of IPv6 is a whole /64', () => {
    const gateway = new Gateway(limits)
    const flood = Array.from({ length: 50 }, (_, n) => outcome(gateway.honestAttempt(`2001:db8::${n + 1}`)))
    expect(flood.filter((one) => one === 'accepted')).toHaveLength(8)
    expect(outcome(gateway.honestAttempt('2001:db8:0:1::1'))).toBe('accepted')
  })
})

describe('when many are half-open', () => {
  const limits = { cookieThreshold: 10, halfOpenLimit: 100 }

  it('those that come on top have 10 s for their next message, the others 30', () => {
    const gateway = new Gateway(limits)
    for (let n = 0; n < 40; n++) gateway.honestAttempt(stranger(n))
    const halfOpen = () => gateway.ike.status().length
    expect(halfOpen()).toBe(40)
    gateway.now = 10_000
    gateway.ike.handleTimeouts(gateway.now)
    expect(halfOpen()).toBe(10)
    gateway.now = 30_000
    gateway.ike.handleTimeouts(gateway.now)
    expect(halfOpen()).toBe(0)
  })

  it('the last quarter is for those that returned a cookie', () => {
    const gateway = new Gateway({ ...limits, cookieThreshold: 1000 })
    const flood = Array.from({ length: 200 }, (_, n) => outcome(gateway.attempt(stranger(n))))
    expect(flood.filter((one) => one === 'accepted')).toHaveLength(75)
    expect(outcome(gateway.honestAttempt(left))).toBe('accepted')
    const honest = Array.from({ length: 200 }, (_, n) => outcome(gateway.honestAttempt(stranger(n))))
    expect(honest.filter((one) => one === 'accepted')).toHaveLength(24)
    expect(honest.at(-1)).toBe('half-open-limit')
  })
})

describe('the last quarter of the half-open IKE_SAs', () => {
  const limits = { ...defaultGateLimits, cookieThreshold: 0, puzzleThreshold: 1, puzzleDifficulty: 1, halfOpenLimit: 8 }
  const request = {
    SPIi: new Uint8Array(8).fill(1),
    Ni: new Uint8Array(16),
    remote: { address: parseIp(left), port: 500 },
    prf: 5,
    cookie: undefined,
    solution: undefined,
  }

  function verdictBeside(others: number, solves: boolean): string {
    const gate = new ResponderGate(nodeProvider, seededRandom('gate'), limits)
    const halfOpen = new HalfOpen()
    for (let n = 0; n < others; n++) halfOpen.add({} as IkeSa, parseIp(stranger(n)), true)
    const asked = gate.check(request, halfOpen, 0)
    if (asked.kind !== 'ask') return asked.kind
    const solver = new PuzzleSolver(nodeProvider, asked.puzzle!, asked.cookie)
    solver.work(10_000)
    const solution = solves ? solver.solution : undefined
    return gate.check({ ...request, cookie: asked.cookie, solution }, halfOpen, 0).kind
  }

  it('is not for those that do not solve the puzzle', () => {
    expect(verdictBeside(5, false)).toBe('pass')
    expect(verdictBeside(6, false)).toBe('ask')
    expect(verdictBeside(6, true)).toBe('pass')
    expect(verdictBeside(8, true)).toBe('drop')
  })
})

it('an initiator that is sent elsewhere is no failed attempt', () => {
  const gateway = new Gateway({ cookieThreshold: 3 }, { redirect: { to: '203.0.113.3' } })
  const content = [...payloads, notify(NotifyType.REDIRECT_SUPPORTED)]
  for (let n = 0; n < 10; n++) {
    const [answer] = sentIn(gateway.attempt(stranger(n), content))!.payloads
    expect(answer).toMatchObject({ kind: 'N', notify: NotifyType.REDIRECT })
  }
})

describe('the count of recent events', () => {
  it('holds what happened in the last half window, nothing older than the window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 60 }), (gaps) => {
        const recent = new RecentCount(1000)
        const times: number[] = []
        let now = 0
        for (const gap of gaps) {
          now += gap
          const counted = recent.count(now)
          const younger = (ms: number) => times.filter((time) => time > now - ms).length
          expect(counted).toBeGreaterThanOrEqual(younger(500))
          expect(counted).toBeLessThanOrEqual(younger(1000))
          recent.add(now)
          times.push(now)
        }
      }),
    )
  })
})
