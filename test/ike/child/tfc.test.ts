import { afterEach, describe, expect, it, vi } from 'vitest'
import { ExchangeType, NotifyType } from '../../../src/ike/codec/index.ts'
import { notify } from '../../../src/ike/message/notifies.ts'
import { PAD_TO_PATH } from '../../../src/xfrm/port.ts'
import { alterPayloads } from '../alter.ts'
import { establishedPair, leftConnection, type Pair, rightConnection } from '../support.ts'

const padding = (of: typeof leftConnection, tfcPad: number) => ({
  children: of.children.map((child) => ({ ...child, tfcPad })),
})

/** What the states of one side pad to. */
const paddings = (xfrm: Pair['xfrmA']) =>
  Object.fromEntries([...xfrm.states.values()].map(({ direction, tfcPad }) => [direction, tfcPad ?? 0]))

afterEach(() => vi.restoreAllMocks())

describe('padding for traffic flow confidentiality', () => {
  it('is what each side has configured for what it sends', () => {
    const { xfrmA, xfrmB } = establishedPair({
      a: padding(leftConnection, 1200),
      b: padding(rightConnection, PAD_TO_PATH),
    })
    expect(paddings(xfrmA)).toEqual({ in: 0, out: 1200 })
    expect(paddings(xfrmB)).toEqual({ in: 0, out: PAD_TO_PATH })
  })

  it('is none without a setting', () => {
    const { xfrmA } = establishedPair({})
    expect(paddings(xfrmA)).toEqual({ in: 0, out: 0 })
  })

  it.each(['initiator', 'responder'] as const)('is none for a peer, the %s, that says it takes none', (who) => {
    alterPayloads(({ exchangeType, flags }, payloads) =>
      exchangeType === ExchangeType.IKE_AUTH && flags.response === (who === 'responder')
        ? [...payloads, notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED)]
        : payloads,
    )
    const { xfrmA, xfrmB } = establishedPair({ a: padding(leftConnection, 900), b: padding(rightConnection, 900) })
    expect([paddings(xfrmA).out, paddings(xfrmB).out]).toEqual(who === 'responder' ? [0, 900] : [900, 0])
  })
})
