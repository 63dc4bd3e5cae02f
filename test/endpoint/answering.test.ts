import { describe, expect, it } from 'vitest'
import { answerWith, noOf } from '../../src/endpoint/answering.ts'
import { parseIdentity } from '../../src/ike/index.ts'
import type { Answer, AskAction } from '../../src/ike/questions.ts'
import { parseIp } from '../../src/ip/index.ts'

const ask: AskAction = {
  type: 'ask',
  token: 1,
  sa: { id: 1, connection: 'office' },
  question: {
    kind: 'authorize',
    peer: {
      connection: 'office',
      id: parseIdentity('a.example'),
      remote: { address: parseIp('192.0.2.1'), port: 4500 },
      methods: ['psk'],
    },
  },
}

function given(answers: Parameters<typeof answerWith>[0]): Answer[] {
  const all: Answer[] = []
  answerWith(answers, ask, (answer) => all.push(answer))
  return all
}

describe('what answers the questions of an endpoint', () => {
  it('is heard within the call', () => {
    expect(given(({ kind }) => (kind === 'authorize' ? { ok: true } : undefined))).toEqual([{ ok: true }])
  })

  it('is heard later', async () => {
    const all = given(() => Promise.resolve({ ok: true }))
    expect(all).toEqual([])
    await Promise.resolve()
    expect(all).toEqual([{ ok: true }])
  })

  it.each([
    ['is not there', undefined],
    ['does not know this kind', () => undefined],
  ])('says no where it %s, and which question it was', (_, answers) => {
    expect(given(answers)).toEqual([
      expect.objectContaining({ ok: false, message: 'nobody answers the question "authorize" for connection office' }),
    ])
  })

  it('says no where it throws, and where its promise fails', async () => {
    const error = new Error('the disk is full')
    const thrown = given(() => {
      throw error
    })
    const failed = given(() => Promise.reject(error))
    await new Promise((resolve) => setTimeout(resolve))
    expect([...thrown, ...failed]).toEqual([noOf(error), noOf(error)])
    expect(noOf(error).message).toBe('the disk is full')
  })
})
