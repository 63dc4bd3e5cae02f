import { Writer } from '../src/bytes/index.ts'
import { pskConnection } from '../src/config/connection.ts'
import { nodeProvider } from '../src/crypto/node.ts'
import {
  type AddressRangeSelector,
  AuthMethod,
  CertEncoding,
  decodeMessage,
  decodePayloads,
  encodePayloads,
  IdType,
  NotifyType,
  type Payload,
} from '../src/ike/codec/index.ts'
import { type IkeAction, IkeEndpoint } from '../src/ike/index.ts'
import { parseIp } from '../src/ip/index.ts'
import { RecordingXfrm } from '../src/testing/index.ts'
import type { Bench, Variant } from './harness.ts'

export const bench: Bench = {
  question: 'How many messages are decoded, and encoded again?',
  unit: 'messages',
  variants: () => {
    const init = firstMessage()
    const suite = decodeMessage(init).payloads.find(({ kind }) => kind === 'SA')!
    return [
      { name: 'IKE_SA_INIT request, decode', octets: init.length, run: (n) => times(n, () => decodeMessage(init)) },
      ...chain('inside of IKE_AUTH with a pre-shared key', [...identity, auth(32), suite, ...selectors, ...notifies]),
      ...chain('inside of IKE_AUTH with three certificates', [
        ...identity,
        ...Array.from({ length: 3 }, () => certificate),
        request,
        auth(256),
        suite,
        ...selectors,
        ...notifies,
      ]),
    ]
  },
}

const octets = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)
const identity: Payload[] = [
  { kind: 'IDi', critical: false, idType: IdType.ID_FQDN, reserved: 0, data: octets(24) },
  { kind: 'IDr', critical: false, idType: IdType.ID_FQDN, reserved: 0, data: octets(24) },
]
const certificate: Payload = {
  kind: 'CERT',
  critical: false,
  encoding: CertEncoding.X509_SIGNATURE,
  data: octets(1200),
}
const request: Payload = {
  kind: 'CERTREQ',
  critical: false,
  encoding: CertEncoding.X509_SIGNATURE,
  data: octets(20 * 20),
}
const selector: AddressRangeSelector = {
  tsType: 7,
  protocol: 0,
  startPort: 0,
  endPort: 65535,
  startAddress: parseIp('10.1.0.0'),
  endAddress: parseIp('10.1.255.255'),
}
const selectors: Payload[] = [
  { kind: 'TSi', critical: false, selectors: [selector, selector] },
  { kind: 'TSr', critical: false, selectors: [selector, selector] },
]
const notifies: Payload[] = [NotifyType.MOBIKE_SUPPORTED, NotifyType.INITIAL_CONTACT].map((notify) => ({
  kind: 'N',
  critical: false,
  protocol: 0,
  spi: octets(0),
  notify,
  data: octets(0),
}))

const auth = (length: number): Payload => ({
  kind: 'AUTH',
  critical: false,
  method: AuthMethod.SHARED_KEY_MIC,
  data: octets(length),
})

/** Payloads as they stand inside of SK, without what protects them. */
function chain(name: string, payloads: readonly Payload[]): Variant[] {
  const writer = new Writer(8192)
  const first = encodePayloads(payloads, writer)
  const inside = writer.finish()
  return [
    { name: `${name}, decode`, octets: inside.length, run: (n) => times(n, () => decodePayloads(first, inside, 0)) },
    {
      name: `${name}, encode`,
      octets: inside.length,
      run: (n) => times(n, () => encodePayloads(payloads, new Writer(8192))),
    },
  ]
}

function times(n: number, work: () => unknown): void {
  for (let i = 0; i < n; i++) work()
}

/** What a client with the default proposals begins with. */
function firstMessage(): Uint8Array {
  const connection = pskConnection({
    name: 'office',
    psk: 'correct horse battery staple',
    localAddress: '192.0.2.1',
    remoteAddress: '192.0.2.2',
    localId: 'client.example.org',
    children: [{ name: 'net', localTs: ['10.1.0.0/16'], remoteTs: ['10.2.0.0/16'] }],
  })
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const ike = new IkeEndpoint({ crypto: nodeProvider, random, xfrm: new RecordingXfrm(), connections: [connection] })
  const sent = ike
    .initiate('office', 0)
    .find((action): action is IkeAction & { type: 'send' } => action.type === 'send')
  return sent!.message
}
