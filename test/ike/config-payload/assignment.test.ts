import { describe, expect, it } from 'vitest'
import { pskConnection } from '../../../src/config/connection.ts'
import { CfgAttribute } from '../../../src/ike/codec/index.ts'
import type { ConnectionConfig } from '../../../src/ike/config.ts'
import type { Answer, Question } from '../../../src/ike/questions.ts'
import { parseIp } from '../../../src/ip/address.ts'
import { attempt, eapServer, eapUser, psk, type Side, signs, trusts, usually } from '../auth/answering.ts'
import { dial, office, texts } from './support.ts'

const asking = (connection: ConnectionConfig): ConnectionConfig => ({
  ...connection,
  local: { ...connection.local, virtualIps: [parseIp('0.0.0.0')] },
  children: pskConnection({
    name: 'x',
    psk: 'x',
    localId: 'x',
    children: [{ name: 'net', localTs: ['dynamic'], remoteTs: ['10.2.0.0/16'], espProposals: ['aes128gcm16'] }],
  }).children,
})
const giving = (connection: ConnectionConfig): ConnectionConfig => ({
  ...connection,
  children: pskConnection({
    name: 'x',
    psk: 'x',
    localId: 'x',
    children: [{ name: 'net', localTs: ['10.2.0.0/16'], remoteTs: ['dynamic'], espProposals: ['aes128gcm16'] }],
  }).children,
})

describe('addresses of the server of EAP', () => {
  const a: Side = { local: eapUser('u:p'), remote: trusts('bob'), change: asking }
  const addresses = [parseIp('10.77.0.9')]
  const attributes = [{ type: CfgAttribute.INTERNAL_IP4_DNS, value: parseIp('10.2.0.53') }]
  const otherwise = (question: Question): Answer | undefined => {
    if (question.kind !== 'eap-server') return undefined
    const answer = usually(question)
    return 'done' in answer ? { ...answer, addresses, attributes } : answer
  }

  it('are given as they are where the connection has no pools, and nobody is asked', () => {
    const pair = attempt(a, { local: signs('bob'), remote: eapServer('u:p'), change: giving, otherwise })
    expect(pair.asked.b.map(({ question }) => question.kind)).not.toContain('assign')
    expect(texts(pair.a.ikeSa.virtualIps)).toEqual(['10.77.0.9'])
    expect(pair.a.eventsOf('configured')).toMatchObject([{ dns: [parseIp('10.2.0.53')] }])
    expect(pair.b.ikeSa.children.map(({ remoteTs }) => remoteTs)).toEqual([['10.77.0.9/32']])
  })

  it('are told to whoever answers for pools', () => {
    const answers = (question: Question): Answer | undefined =>
      question.kind === 'assign' ? { ok: false, message: 'none', hint: '' } : otherwise(question)
    const change = (connection: ConnectionConfig) => ({
      ...giving(connection),
      remote: { ...giving(connection).remote, pools: ['rw'] },
    })
    const pair = attempt(a, { local: signs('bob'), remote: eapServer('u:p'), change, otherwise: answers })
    const question = pair.asked.b.map((ask) => ask.question).find(({ kind }) => kind === 'assign')
    expect(question).toMatchObject({ peer: { eapIdentity: 'u', addresses, attributes, methods: ['eap'] } })
  })
})

describe('the question assign', () => {
  it('is put without pools where the program wants it', () => {
    const answer: Answer = { ok: true, addresses: [parseIp('10.5.0.1')], attributes: [] }
    const pair = attempt(
      { local: psk, remote: psk, change: asking },
      {
        local: psk,
        remote: psk,
        change: giving,
        asks: { assign: true },
        otherwise: ({ kind }) => (kind === 'assign' ? answer : undefined),
      },
    )
    expect(texts(pair.a.ikeSa.virtualIps)).toEqual(['10.5.0.1'])
    expect(pair.asked.b.map(({ question }) => question)).toMatchObject([{ kind: 'assign', pools: [], held: [] }])
  })

  it('has what the client asks for besides, and the client gets what is not known here as it came', () => {
    const { clock, questions, client } = office({
      pool: { attributes: [{ type: CfgAttribute.P_CSCF_IP4_ADDRESS, value: parseIp('10.1.0.60') }] },
      adjustClient: (connection) => ({
        ...connection,
        local: { ...connection.local, requests: [CfgAttribute.P_CSCF_IP4_ADDRESS, CfgAttribute.INTERNAL_DNSSEC_TA] },
      }),
    })
    const anna = client('anna', 1)
    dial(anna, clock)
    const asked = questions.flatMap((question) => (question.kind === 'assign' ? question.request : []))
    expect(asked.map(({ type }) => type)).toEqual([1, 3, 4, 13, 27, 25, 7, 20, 26, 29])
    expect(anna.eventsOf('configured')[0]!.unknown).toEqual([
      { type: CfgAttribute.P_CSCF_IP4_ADDRESS, value: parseIp('10.1.0.60') },
    ])
  })

  it('brings encrypted resolvers and trust anchors through (RFC 8598, RFC 9464)', () => {
    const resolver = {
      name: 'dns.corp.example',
      addresses: [parseIp('10.1.0.53')],
      priority: 1,
      alpn: ['h2', 'dot'],
      port: 8443,
      dohPath: '/q{?dns}',
      digests: [{ hash: 2, digest: new Uint8Array(32).fill(5) }],
    }
    const trustAnchors = [{ keyTag: 7, algorithm: 13, digestType: 2, digest: new Uint8Array(32).fill(6) }]
    const { clock, client } = office({
      pool: { domains: [{ name: 'corp.example', trustAnchors }], encryptedDns: [resolver] },
      adjustClient: (connection) => ({
        ...connection,
        local: { ...connection.local, requests: [CfgAttribute.INTERNAL_DNSSEC_TA] },
      }),
    })
    const anna = client('anna', 1)
    dial(anna, clock)
    expect(anna.eventsOf('configured')).toMatchObject([
      { domains: [{ name: 'corp.example', trustAnchors }], encryptedDns: [resolver], ignored: [] },
    ])
  })
})
