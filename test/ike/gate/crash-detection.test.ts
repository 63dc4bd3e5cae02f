import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes/index.ts'
import { nobleProvider } from '../../../src/crypto/noble.ts'
import { decodeMessage, encodeMessage, NotifyType } from '../../../src/ike/codec/index.ts'
import { CrashTokens } from '../../../src/ike/gate/crash-tokens.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { establishedPair, leftConnection, makePair, type Pair } from '../support.ts'

const qcdSecret = Uint8Array.from({ length: 32 }, (_, i) => i)
const impatient = { a: { retransmit: { baseMs: 1000, tries: 3 }, livenessDelayMs: 0 } }

function crashOfB(pair: Pair): void {
  pair.b.crash()
  pair.b.restart()
}

function askB(pair: Pair): void {
  pair.a.perform(pair.a.ike.createChild(1, 'net', pair.clock.now))
}

describe('QUICK_CRASH_DETECTION', () => {
  it('lets a peer that was restarted prove so: the IKE_SA ends at once, silently', () => {
    const pair = establishedPair({ ...impatient, qcdSecret })
    crashOfB(pair)
    askB(pair)
    const sent = pair.network.sent.length
    pair.clock.advance(20)
    expect(pair.a.ike.status()).toEqual([])
    expect(pair.a.eventsOf('ike-closed')).toMatchObject([
      { reason: 'timeout', refusal: { detail: 'QUICK_CRASH_DETECTION' } },
    ])
    expect(pair.xfrmA.states.size).toBe(0)
    // The proof, and nothing of ours after it.
    expect(pair.network.sent.length).toBe(sent + 1)
  })

  it('has the connection set up again by its dpdAction', () => {
    const children = leftConnection.children.map((child) => ({ ...child, dpdAction: 'restart' as const }))
    const pair = establishedPair({ a: { ...impatient.a, children }, qcdSecret })
    crashOfB(pair)
    askB(pair)
    pair.clock.advance(1000)
    expect(pair.a.ike.status()).toMatchObject([{ state: 'established' }])
    expect(pair.b.ike.status()).toMatchObject([{ state: 'established' }])
  })

  it('is told again for the SPIs of a rekeyed IKE_SA', () => {
    const pair = establishedPair({ ...impatient, qcdSecret })
    pair.a.perform(pair.a.ike.rekeyIke(1, pair.clock.now))
    pair.clock.advance(1000)
    crashOfB(pair)
    askB(pair)
    pair.clock.advance(20)
    expect(pair.a.ike.status()).toEqual([])
  })

  it('is told once by each message that has it, and by nobody without a secret', () => {
    const pair = establishedPair({ ...impatient, qcdSecret })
    askB(pair)
    pair.clock.advance(1000)
    const told = pair.a.eventsOf('message').filter(({ payloads }) => payloads.includes('N(QUICK_CRASH_DETECTION)'))
    expect(told).toMatchObject([{ direction: 'in', exchange: 'IKE_AUTH', response: true }])
  })

  it('of other SPIs, of another secret or cut short proves nothing', () => {
    const pair = establishedPair({ ...impatient, qcdSecret })
    const { SPIi, SPIr } = pair.a.ike.status()[0]!
    askB(pair)
    const request = decodeMessage(pair.network.sent.at(-1)!.payload.subarray(4)).header
    const answer = (token: Uint8Array) =>
      encodeMessage(
        {
          ...request,
          SPIi: fromHex(SPIi),
          SPIr: fromHex(SPIr),
          flags: { initiator: false, response: true, higherVersion: false },
        },
        [notify(NotifyType.INVALID_IKE_SPI), notify(NotifyType.QUICK_CRASH_DETECTION, token)],
      )
    const { local, remote } = pair.a.ike.status()[0]!
    for (const token of [new Uint8Array(32), new Uint8Array(0), new Uint8Array(31)])
      pair.a.perform(pair.a.ike.handleDatagram({ local, remote, message: answer(token) }, pair.clock.now))
    pair.clock.advance(1000)
    expect(pair.a.ike.status()[0]!.children).toHaveLength(2)
  })

  it('is not given away for an IKE_SA that stands, whichever way a stranger asks', () => {
    const pair = establishedPair({ ...impatient, qcdSecret })
    const status = pair.b.ike.status()[0]!
    const [SPIi, SPIr] = [fromHex(status.SPIi), fromHex(status.SPIr)]
    const before = pair.network.sent.length
    for (const initiator of [true, false]) {
      for (const [i, r] of [
        [SPIi, SPIr],
        [SPIr, SPIi],
        [SPIi, fromHex('0102030405060708')],
        [fromHex('0102030405060708'), SPIr],
      ]) {
        const message = encodeMessage(
          {
            SPIi: i!,
            SPIr: r!,
            majorVersion: 2,
            minorVersion: 0,
            exchangeType: 37,
            flags: { initiator, response: false, higherVersion: false },
            messageId: 5,
            length: 0,
          },
          [],
        )
        const remote = { address: Uint8Array.of(203, 0, 113, 5), port: 4500 }
        pair.b.perform(pair.b.ike.handleDatagram({ local: status.local, remote, message }, pair.clock.now))
      }
    }
    const secretOfPeers = toHex(new CrashTokens(nobleProvider, qcdSecret).make(SPIi, SPIr))
    const given = pair.network.sent
      .slice(before)
      .flatMap(({ payload }) => decodeMessage(payload.subarray(4)).payloads)
      .flatMap((payload) => (payload.kind === 'N' ? toHex(payload.data) : []))
    expect(given.length).toBeGreaterThan(0)
    expect(given).not.toContain(secretOfPeers)
  })

  it('needs a secret of 16 octets', () => {
    expect(() => makePair({ qcdSecret: new Uint8Array(15) })).toThrow('16 octets')
  })
})
