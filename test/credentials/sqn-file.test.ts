import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { SqnFile } from '../../src/credentials/sqn-file.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { type AkaSubscriber, type AkaVector, softwareAuc, softwareUsim } from '../../src/eap/index.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function path(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'typeswan-sqn-')))
  return join(folders.at(-1)!, 'deeper', 'sqn')
}

const random = (length: number) => globalThis.crypto.getRandomValues(new Uint8Array(length))
const subscriber = (): AkaSubscriber => ({ k: new Uint8Array(16).fill(1), opc: new Uint8Array(16).fill(2), sqn: 0 })

describe('sequence numbers in a file', () => {
  it('a vector that was answered is answered never again, also after a crash at that moment', () => {
    const file = path()
    const auc = softwareAuc(nodeProvider, random, new Map([['a', subscriber()]]))
    const { rand, autn } = auc.akaVector!({ identity: 'a' }) as AkaVector
    const usim = () => softwareUsim(nodeProvider, new SqnFile(file, nodeProvider).usim(subscriber()))
    const first = usim()
    expect(first.akaAnswer!(rand, autn)).toMatchObject({ kind: 'ok' })
    // Nobody closed the file.
    expect(usim().akaAnswer!(rand, autn)).toMatchObject({ kind: 'synchronisation-failure' })
  })

  it('a USIM that cannot write its number down does not answer', () => {
    const auc = softwareAuc(nodeProvider, random, new Map([['a', subscriber()]]))
    const { rand, autn } = auc.akaVector!({ identity: 'a' }) as AkaVector
    const usim = softwareUsim(nodeProvider, new SqnFile('/dev/null/sqn', nodeProvider).usim(subscriber()))
    expect(() => usim.akaAnswer!(rand, autn)).toThrow(/cannot (read|write) \/dev\/null\/sqn/)
  })

  it('an authentication centre goes on above what it gave before a crash', () => {
    const file = path()
    const centre = () => {
      const kept = new SqnFile(file, nodeProvider).authenticationCentre(subscriber())
      return softwareAuc(nodeProvider, random, new Map([['a', kept]]))
    }
    const usim = softwareUsim(nodeProvider, subscriber())
    for (let crash = 0; crash < 3; crash++) {
      const auc = centre()
      for (let i = 0; i < 70; i++) {
        const { rand, autn } = auc.akaVector!({ identity: 'a' }) as AkaVector
        expect(usim.akaAnswer!(rand, autn)).toMatchObject({ kind: 'ok' })
      }
    }
  })

  it('of two processes: what one answered neither answers again, and a restart does not either', async () => {
    const file = path()
    const other = { ...subscriber(), k: new Uint8Array(16).fill(3) }
    const auc = softwareAuc(nodeProvider, random, new Map([['a', subscriber()]]).set('b', { ...other }))
    const ofA = auc.akaVector!({ identity: 'a' }) as AkaVector
    const ofB = auc.akaVector!({ identity: 'b' }) as AkaVector
    const [one, two] = [new SqnFile(file, nodeProvider), new SqnFile(file, nodeProvider)]
    await one.open()
    await two.open()
    const answer = (from: SqnFile, who: AkaSubscriber, { rand, autn }: AkaVector) =>
      softwareUsim(nodeProvider, from.usim({ ...who })).akaAnswer!(rand, autn) as { kind: string }
    expect(answer(one, subscriber(), ofA).kind).toBe('ok')
    expect(answer(two, other, ofB).kind).toBe('ok')
    for (const from of [one, two, new SqnFile(file, nodeProvider)]) {
      expect(answer(from, subscriber(), ofA).kind).toBe('synchronisation-failure')
      expect(answer(from, other, ofB).kind).toBe('synchronisation-failure')
    }
  })
})
