import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Payload } from '../../src/ike/codec/index.ts'
import { MessageProtector } from '../../src/ike/message/message-crypto.ts'
import { writeProgram } from './program.ts'
import { exchange } from './targets/exchange.ts'

afterEach(() => vi.restoreAllMocks())

const { open } = MessageProtector.prototype
const nothing = new Uint8Array(0)
const deletesIke: Payload = { kind: 'D', critical: false, protocol: 1, spiSize: 0, spis: [] }

/** An IKE_SA that stands, and then some forged messages: the numbers of the steps as in `targets/exchange.ts`. */
function runForgeries(): void {
  const [deliverAll, forgeInWindow] = [Uint8Array.of(1), 52]
  for (let n = 0; n < 12; n++) {
    const forgeries = [5, 4, 3, 2, 1, 0].map((id) => Uint8Array.of(forgeInWindow, n, id, n, 0))
    exchange.run(writeProgram([new Uint8Array(64), deliverAll, ...forgeries]), () => {})
  }
}

describe('the fuzz target exchange, where messages are forged', () => {
  it('finds nothing in the core', () => {
    expect(runForgeries).not.toThrow()
  })

  it('finds a core that takes what has no good integrity', () => {
    vi.spyOn(MessageProtector.prototype, 'open').mockImplementation(function (this: MessageProtector, message) {
      const opened = open.call(this, message)
      const taken = { firstPayload: 42, payloads: [deletesIke], plaintext: nothing, padding: nothing }
      return opened.ok ? opened : { ok: true, ...taken }
    })
    expect(runForgeries).toThrow('a forged message changed the state')
  })
})
