import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../../src/bytes/index.ts'
import { nodeProvider } from '../../../src/crypto/node.ts'
import { Prf } from '../../../src/crypto/transforms.ts'
import { decodeMessage, ExchangeType, encodeMessage } from '../../../src/ike/codec/index.ts'
import { findPuzzle, isSolved, type Puzzle, PuzzleSolver, puzzlePayload } from '../../../src/ike/gate/puzzle.ts'
import { parseIp } from '../../../src/ip/address.ts'
import type { VirtualPeer } from '../../../src/testing/virtual-peer.ts'
import { makePair, type Pair } from '../support.ts'

const cookie = Uint8Array.from({ length: 35 }, (_, i) => 3 * i)
const puzzle: Puzzle = { prf: Prf.PRF_HMAC_SHA2_256, difficulty: 6 }

function solve(one: Puzzle, over = cookie): Uint8Array {
  const solver = new PuzzleSolver(nodeProvider, one, over)
  while (!solver.isOver) solver.work(100)
  return solver.solution!
}

describe('a puzzle', () => {
  it.each([Prf.PRF_HMAC_SHA1, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512, Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC])(
    'of PRF %i is solved by four keys, whose results end in zero bits',
    (prf) => {
      const solution = solve({ prf, difficulty: 5 })
      expect(isSolved(nodeProvider, { prf, difficulty: 5 }, cookie, solution)).toBe(true)
      for (let i = 0; i < 4; i++) {
        const result = nodeProvider.prf(prf, solution.subarray(4 * i, 4 * i + 4), cookie)
        expect(result.at(-1)! & 31).toBe(0)
      }
    },
  )

  it('is not solved by another cookie, by keys of unequal length, by the same key twice or by too few', () => {
    const solution = solve(puzzle)
    const keys = [0, 4, 8, 12].map((at) => solution.subarray(at, at + 4)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const check = (data: Uint8Array, over = cookie) => isSolved(nodeProvider, puzzle, over, data)
    expect(check(solution)).toBe(true)
    expect(check(solution, cookie.subarray(1))).toBe(false)
    expect(check(concat(keys[0], keys[1], keys[2], keys[0]))).toBe(false)
    expect(check(concat(keys[0], keys[1], keys[2]))).toBe(false)
    expect(check(solution.subarray(0, 15))).toBe(false)
    expect(check(new Uint8Array(0))).toBe(false)
  })

  it('is judged without a throw, whatever the solution', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
        expect(isSolved(nodeProvider, { prf: 5, difficulty: 30 }, cookie, data)).toBe(false)
      }),
    )
  })

  it('is told in three octets, and one of difficulty 0 is taken for an easy one', () => {
    expect(findPuzzle([puzzlePayload(puzzle)])).toEqual(puzzle)
    expect(findPuzzle([puzzlePayload({ prf: 5, difficulty: 0 })])!.difficulty).toBeGreaterThan(0)
    expect(findPuzzle([puzzlePayload({ prf: 999, difficulty: 5 })])).toBeUndefined()
  })

  it('that is not to be solved is given up', () => {
    const solver = new PuzzleSolver(nodeProvider, { prf: 5, difficulty: 2 }, cookie)
    solver.work(10_000)
    expect(solver.isOver).toBe(true)
  })
})

describe('a responder under load', () => {
  const limits = { cookieThreshold: 1, puzzleThreshold: 1, puzzleDifficulty: 9 }

  /** Requests of strangers that come to nothing. */
  function burden({ b, clock }: Pair, count: number): void {
    for (let i = 1; i <= count; i++) {
      const message = encodeMessage(
        {
          SPIi: new Uint8Array(8).fill(i),
          SPIr: new Uint8Array(8),
          majorVersion: 2,
          minorVersion: 0,
          exchangeType: ExchangeType.IKE_SA_INIT,
          flags: { initiator: true, response: false, higherVersion: false },
          messageId: 0,
          length: 0,
        },
        [],
      )
      const remote = { address: parseIp('203.0.113.9'), port: 500 }
      b.perform(b.ike.handleDatagram({ local: { address: b.address, port: 500 }, remote, message }, clock.now))
    }
  }

  const payloadsOf = (peer: VirtualPeer) =>
    peer
      .eventsOf('message')
      .filter(({ exchange }) => exchange === 'IKE_SA_INIT')
      .map(({ payloads }) => payloads)

  it('asks for a solution, and lets in who has it', () => {
    const pair = makePair({ limits })
    burden(pair, 1)
    const before = payloadsOf(pair.a).length
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(
      payloadsOf(pair.a)
        .slice(before)
        .map((names) => names.slice(0, 2)),
    ).toEqual([
      ['SA', 'KE'],
      ['N(COOKIE)', 'N(PUZZLE)'],
      ['N(COOKIE)', 'PS'],
      ['SA', 'KE'],
    ])
    expect(pair.a.eventsOf('ike-established')).toHaveLength(1)
  })

  it('the initiator solves it in many short calls', () => {
    const pair = makePair({ limits: { ...limits, puzzleDifficulty: 12 }, a: { puzzleBits: 12 } })
    burden(pair, 20)
    pair.a.initiate('office')
    const begun = pair.clock.now
    pair.clock.advance(1000)
    const established = pair.a.eventsOf('ike-established')
    expect(established).toHaveLength(1)
    expect(established[0]!.details.establishedAt! - begun).toBeGreaterThan(25)
  })

  it('lets in a few that do not solve it', () => {
    const pair = makePair({ limits, a: { puzzleBits: 0 } })
    burden(pair, 1)
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(payloadsOf(pair.a).flat()).not.toContain('PS')
    expect(pair.a.eventsOf('ike-established')).toHaveLength(1)
  })

  /** The request of `a` with its solution, sent once more with another payload behind it. */
  function sendAgain({ a, b, network, clock }: Pair): void {
    const requests = network.sent.filter(({ from }) => toHex(from.address) === toHex(a.address))
    const solved = requests.find(({ payload }) => payload[18] === 34 && names(payload).includes('PS'))!
    const { header, payloads } = decodeMessage(solved.payload)
    const message = encodeMessage(header, [...payloads, { kind: 'V', critical: false, data: new Uint8Array(4) }])
    const local = { address: b.address, port: 500 }
    b.perform(b.ike.handleDatagram({ local, remote: solved.from, message }, clock.now))
  }

  const names = (message: Uint8Array) => decodeMessage(message).payloads.map(({ kind }) => kind)

  it('takes a solution for one IKE_SA only, also after the secret has changed', () => {
    const pair = makePair({ limits })
    burden(pair, 1)
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(pair.b.status()).toHaveLength(1)
    for (const ms of [0, 60_000]) {
      pair.clock.advance(ms)
      burden(pair, 1)
      sendAgain(pair)
      expect(pair.b.status()).toHaveLength(1)
      expect(pair.b.eventsOf('dropped').at(-1)!.detail).toBe('a solution that was used')
    }
  })

  it('takes a solution again after it asked for another group', () => {
    const proposals = ['aes128gcm16-prfsha256-x25519-ecp256']
    const pair = makePair({ limits, a: { proposals }, b: { proposals: ['aes128gcm16-prfsha256-ecp256'] } })
    burden(pair, 1)
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(payloadsOf(pair.b).flat()).toContain('N(INVALID_KE_PAYLOAD)')
    expect(pair.a.eventsOf('ike-established')).toHaveLength(1)
  })

  it('does not take a cookie from before it asked for puzzles', () => {
    const pair = makePair({ limits: { cookieThreshold: 1, puzzleThreshold: 4, puzzleDifficulty: 9 } })
    burden(pair, 1)
    let isQuiet = true
    pair.network.path = (datagram) => {
      // The others come while the cookie is on its way.
      const hasCookie = isQuiet && names(datagram.payload)[0] === 'N'
      isQuiet &&= !hasCookie
      if (hasCookie) burden(pair, 20)
      return [datagram]
    }
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(payloadsOf(pair.a).map((one) => one.slice(0, 2))).toEqual([
      ['SA', 'KE'],
      ['N(COOKIE)'],
      ['N(COOKIE)', 'SA'],
      ['N(COOKIE)', 'N(PUZZLE)'],
      ['N(COOKIE)', 'PS'],
      ['SA', 'KE'],
    ])
  })

  it('asks no one without a threshold', () => {
    const pair = makePair({ limits: { cookieThreshold: 0 } })
    pair.a.initiate('office')
    pair.clock.advance(1000)
    expect(payloadsOf(pair.a).flat()).not.toContain('N(PUZZLE)')
    expect(pair.a.eventsOf('ike-established')).toHaveLength(1)
  })

  it('an attempt that is given up while it solves leaves nothing', () => {
    const pair = makePair({ limits: { ...limits, puzzleDifficulty: 16 } })
    burden(pair, 20)
    pair.a.initiate('office')
    pair.clock.advance(12)
    pair.a.perform(pair.a.ike.shutdown(pair.clock.now))
    expect([pair.a.ike.isIdle(), pair.a.ike.nextTimeoutAt()]).toEqual([true, Number.POSITIVE_INFINITY])
  })
})
