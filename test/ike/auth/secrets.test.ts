import { describe, expect, it } from 'vitest'
import { attempt, eapServer, eapUser, type Otherwise, signs, stands, trusts, usually } from './answering.ts'

describe('the key of EAP', () => {
  it('is wiped at both ends when AUTH is made of it', () => {
    const made: Uint8Array[] = []
    const watched: Otherwise = (question) => {
      if (question.kind !== 'eap-peer' && question.kind !== 'eap-server') return undefined
      const answer = usually(question)
      if ('msk' in answer && answer.msk !== undefined) made.push(answer.msk)
      return answer
    }
    const a = { local: eapUser('u:p'), remote: trusts('bob'), otherwise: watched }
    const b = { local: signs('bob'), remote: eapServer('u:p'), otherwise: watched }
    expect(stands(attempt(a, b))).toBe(true)
    expect(made.map((msk) => msk.length)).toEqual([64, 64])
    expect(made.flatMap((msk) => [...msk]).every((octet) => octet === 0)).toBe(true)
  })
})
