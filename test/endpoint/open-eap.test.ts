import { describe, expect, it } from 'vitest'
import { OpenEap } from '../../src/endpoint/open-eap.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import type { AskAction } from '../../src/ike/questions.ts'

describe('an EAP conversation', () => {
  const begin = (ended: number[]) => {
    const methods = { description: 'eap', end: (session: number) => ended.push(session) }
    const open = new OpenEap((session) => session)
    const about = (id: number, session: number) =>
      ({
        sa: { id },
        question: { kind: 'eap-server', auth: { method: 'eap', methods }, session },
      }) as unknown as AskAction
    open.asked(about(1, 10))
    open.asked(about(2, 20))
    return open
  }
  const event = (kind: string, id: number) => ({ kind, sa: { id } }) as unknown as IkeEvent

  it.each(['ike-closed', 'ike-established'])('ends with %s of its IKE_SA, and no other', (kind) => {
    const ended: number[] = []
    const open = begin(ended)
    open.notice(event('message', 1))
    open.notice(event(kind, 1))
    open.notice(event(kind, 1))
    expect(ended).toEqual([10])
  })
})
