import { describe, expect, it } from 'vitest'
import { Negotiations } from '../../src/endpoint/negotiations.ts'
import type { ChildSaStatus, IkeEvent, IkeSaStatus } from '../../src/ike/events.ts'
import { explainPeerNotify } from '../../src/ike/explain/explain-peer.ts'
import { parseIp } from '../../src/ip/address.ts'

const sa = { id: 1, connection: 'office' }
const remote = { address: parseIp('192.0.2.1'), port: 4500 }

const child = (name: string, state = 'installed') => ({ name, state }) as ChildSaStatus
const status = (state: string, children: ChildSaStatus[] = []) => ({ sa, state, children }) as unknown as IkeSaStatus
const refused = (name?: string): IkeEvent => ({
  kind: 'refused',
  sa,
  remote,
  refusal: explainPeerNotify(38, 'CREATE_CHILD_SA'),
  ...(name === undefined ? {} : { child: name }),
})

describe('who waits for a negotiation', () => {
  it('is served at once when everything stands', async () => {
    const waiting = new Negotiations().wait(status('established', [child('net')]), 'office', 'net')
    await expect(waiting).resolves.toMatchObject({ sa, child: { name: 'net' } })
  })

  it.each([
    ['the IKE_SA is not there yet', status('connecting')],
    ['the child is being deleted', status('established', [child('net', 'deleting')])],
    ['only another child stands', status('established', [child('other')])],
  ])('waits for the child when %s', async (_, found) => {
    const negotiations = new Negotiations()
    const waiting = negotiations.wait(found, 'office', 'net')
    negotiations.notice({ kind: 'ike-established', sa, details: status('established') })
    negotiations.notice({ kind: 'child-established', sa, child: child('net') })
    await expect(waiting).resolves.toMatchObject({ child: { name: 'net', state: 'installed' } })
  })

  it('is not disturbed when another child is refused, by the peer or by us', async () => {
    const negotiations = new Negotiations()
    const waiting = negotiations.wait(status('established'), 'office', 'net')
    negotiations.notice(refused('other'))
    negotiations.notice(refused(''))
    negotiations.notice({ kind: 'child-established', sa, child: child('net') })
    await expect(waiting).resolves.toMatchObject({ child: { name: 'net' } })
  })

  it.each([['its child', 'net'] as const, ['the IKE_SA', undefined] as const])(
    'is told when %s is refused',
    async (_, name) => {
      const negotiations = new Negotiations()
      const waiting = negotiations.wait(status('established'), 'office', 'net')
      negotiations.notice(refused(name))
      await expect(waiting).rejects.toMatchObject({ refusal: { kind: 'peer-error' } })
    },
  )
})
