import { describe, expect, test } from 'vitest'
import { type AnswerParts, answersOf } from '../../src/credentials/answers.ts'
import { AddressPools } from '../../src/credentials/pool.ts'
import { parseIdentity } from '../../src/ike/auth/identity.ts'
import { CfgAttribute } from '../../src/ike/codec/index.ts'
import type {
  AssignQuestion,
  ProvenPeer,
  Question,
  SelectChildQuestion,
  SignQuestion,
} from '../../src/ike/questions.ts'
import { parseIp, parseRange } from '../../src/ip/index.ts'

const peer: ProvenPeer = {
  connection: 'office',
  id: parseIdentity('alice@example.org'),
  remote: { address: parseIp('192.0.2.7'), port: 4500 },
  methods: ['pubkey'],
}
const nothing = new Uint8Array(0)
const request = [{ type: CfgAttribute.INTERNAL_IP4_ADDRESS, value: nothing }]
const assign: AssignQuestion = { kind: 'assign', peer, pools: ['clients'], request, held: [] }
const selectChild: SelectChildQuestion = { kind: 'select-child', peer, TSi: [], TSr: [], children: ['net', 'voice'] }
const sign = (credential: SignQuestion['auth']['credential']): SignQuestion => ({
  kind: 'sign',
  auth: { method: 'pubkey', credential, sendCertificates: 'asked' },
  id: peer.id,
  octets: nothing,
  hashes: undefined,
  requests: [],
})
const ask = async (question: Question, parts: AnswerParts = {}) => answersOf(parts)(question)

describe('a question for a handle', () => {
  test('is answered by it', async () => {
    const answer = { ok: true, method: 14, data: nothing, certificates: [] } as const
    const credential = { description: 'key.pem', answerSign: () => answer }
    expect(await ask(sign(credential))).toBe(answer)
  })

  test('is answered with no where the handle cannot', async () => {
    const answer = { ok: false, message: 'key.pem is nothing that signs', hint: 'local.key' }
    expect(await ask(sign({ description: 'key.pem' }))).toEqual(answer)
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('the HSM is away'))],
    [
      'throws',
      () => {
        throw new Error('the HSM is away')
      },
    ],
  ])(
    'is answered with no where it %s, and the error is told without its words in the answer',
    async (_, answerSign) => {
      const errors: unknown[] = []
      const onError = (kind: string, error: unknown) => errors.push([kind, String(error)])
      const answer = await ask(sign({ description: 'hsm', answerSign } as never), { onError })
      expect(answer).toMatchObject({ ok: false })
      expect(JSON.stringify(answer)).not.toContain('away')
      expect(errors).toEqual([['sign', 'Error: the HSM is away']])
    },
  )
})

describe('authorize', () => {
  test.each([
    [true, { ok: true }],
    [false, { ok: false, message: 'the peer is not let in' }],
    ['not on Sundays', { ok: false, message: 'the peer is not let in: not on Sundays' }],
    [{ ok: true } as const, { ok: true }],
  ])('%j means %j', async (decision, answer) => {
    const policy = { authorize: async () => decision }
    expect(await ask({ kind: 'authorize', peer }, { policy })).toMatchObject(answer)
  })
})

describe('authorize in a program without types', () => {
  test.each([undefined, null])('%j is no yes', async (decision) => {
    const policy = { authorize: async () => decision as never }
    expect(await ask({ kind: 'authorize', peer }, { policy })).toMatchObject({ ok: false })
  })
})

describe('assign', () => {
  const pools = () => new AddressPools([{ name: 'clients', ranges: [parseRange('10.3.0.0/24')] }])

  test('is answered by the pools', async () => {
    expect(await ask(assign, { pools: pools() })).toMatchObject({ ok: true, addresses: [parseIp('10.3.0.1')] })
    expect(await ask(assign)).toMatchObject({ ok: false, hint: 'connections.office.remote.pools' })
  })

  test('is answered by the program before them', async () => {
    const own = { ok: true, addresses: [parseIp('10.9.9.9')], attributes: [] } as const
    const policy = { assignAddress: async ({ connection }: ProvenPeer) => (connection === 'office' ? own : undefined) }
    expect(await ask(assign, { pools: pools(), policy })).toBe(own)
    const other = { ...assign, peer: { ...peer, connection: 'other' } }
    expect(await ask(other, { pools: pools(), policy })).toMatchObject({ addresses: [parseIp('10.3.0.1')] })
  })
})

describe('select-child', () => {
  test.each([
    ['voice', { ok: true, child: 'voice' }],
    ['none such', { ok: false, message: 'there is no child "none such"' }],
    [undefined, { ok: false, message: 'none of the children is for this peer' }],
  ])('%s gives %j', async (child, answer) => {
    expect(await ask(selectChild, { policy: { selectChild: () => child } })).toMatchObject(answer)
  })
})
