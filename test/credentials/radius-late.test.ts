import { expect, it } from 'vitest'
import { EapMethods } from '../../src/credentials/eap.ts'
import { radiusEapServer } from '../../src/credentials/radius.ts'
import { nodeProvider } from '../../src/crypto/node.ts'
import { RadiusCode, type RadiusOutcome } from '../../src/radius/index.ts'
import { serverQuestion } from './eap-rounds.ts'

const random = (length: number) => new Uint8Array(length)

/** A RADIUS server that lets in whoever has waited for long enough. */
function bench() {
  const accepted: string[] = []
  let accept = () => {}
  const ask = () =>
    new Promise<RadiusOutcome>((resolve) => {
      const attributes = [{ type: 79, value: Uint8Array.of(3, 1, 0, 4) }]
      const about = { attributes, requestAuthenticator: new Uint8Array(16), server: 0 }
      accept = () => resolve({ ok: true, code: RadiusCode.AccessAccept, ...about })
    })
  const methods = new EapMethods({
    ...{ crypto: nodeProvider, random, setting: 'radius' },
    server: radiusEapServer({
      ...{ crypto: nodeProvider, random, nas: { identifier: 'gate' }, setting: 'radius' },
      client: { ask, secretOf: () => new Uint8Array(1) },
      onAccept: (_, identity) => accepted.push(identity),
    }),
  })
  return { methods, accepted, accept: () => accept() }
}

it.each([
  ['is in when RADIUS says so', false],
  ['whose IKE_SA has ended before RADIUS answered is not in, and nobody waits for its session', true],
])('a peer %s', async (_, hasEnded) => {
  const { methods, accepted, accept } = bench()
  const first = await methods.answerEapServer(serverQuestion(methods, 1, undefined))
  const answer = methods.answerEapServer(
    serverQuestion(methods, 1, Uint8Array.of(2, first.packet![1]!, 0, 10, 1, ...new TextEncoder().encode('alice'))),
  )
  if (hasEnded) methods.end(1)
  accept()
  expect(await answer).toMatchObject({ ok: !hasEnded })
  expect(accepted).toEqual(hasEnded ? [] : ['alice'])
})
