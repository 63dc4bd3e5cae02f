import { Reader, Writer } from '../../bytes/index.ts'
import { DecodeError } from '../../errors.ts'
import { keyLengthAttribute, keyLengthOf, type Proposal, ProtocolId } from '../codec/index.ts'
import type { Identity } from '../config.ts'
import type { CertificateBlob } from '../questions.ts'

/** What a session is resumed from: all that IKE_SA_INIT and the authentication of the first time came to. RFC 5723 §5. */
export interface Session {
  readonly connection: string
  /** The other side, as it authenticated. */
  readonly remoteId: Identity
  readonly SK_d: Uint8Array
  /** One transform of each type. */
  readonly proposal: Proposal
  /** A PPK went into `SK_d`. RFC 8784 §3. */
  readonly ppk: boolean
  /** Who it is by EAP; empty for a peer that was not proved so. */
  readonly eapIdentity: string
  /** The fingerprint of the certificate by which it was proved, to be looked at again; empty where there is none. */
  readonly certificate: string
  /** What it sent with that certificate, in the initiator's own keeping; none in a ticket, which goes in one datagram. */
  readonly certificates: readonly CertificateBlob[]
  /** Monotonic ms of whoever keeps it. */
  readonly authenticatedAt: number
  readonly expiresAt: number
}

const VERSION = 4

/** As octets: secret, and of no meaning to anybody else. */
export function encodeSession(session: Session): Uint8Array {
  const { connection, remoteId, SK_d, proposal, ppk, eapIdentity, authenticatedAt, expiresAt } = session
  const { certificate, certificates } = session
  const writer = new Writer(256).u8(VERSION)
  time(writer, authenticatedAt)
  time(writer, expiresAt)
  name(writer, connection)
  writer.u8(remoteId.type).u16(remoteId.data.length).bytes(remoteId.data)
  writer.u16(SK_d.length).bytes(SK_d)
  writer.u8(proposal.transforms.length)
  for (const transform of proposal.transforms) {
    writer
      .u8(transform.type)
      .u16(transform.id)
      .u16(keyLengthOf(transform) ?? 0)
  }
  name(name(writer.u8(ppk ? 1 : 0), eapIdentity), certificate).u8(certificates.length)
  for (const { encoding, data } of certificates) writer.u8(encoding).u16(data.length).bytes(data)
  return writer.finish()
}

/** The session, and what stands behind it; all copied. Undefined when it is malformed. */
export function decodeSession(
  octets: Uint8Array,
): { readonly session: Session; readonly rest: Uint8Array } | undefined {
  const reader = new Reader(octets, 'session', 'RFC 5723 §5')
  try {
    if (reader.u8('version') !== VERSION) return undefined
    const authenticatedAt = readTime(reader)
    const expiresAt = readTime(reader)
    const connection = readName(reader)
    const type = reader.u8('ID type')
    const remoteId = { type, data: reader.take(reader.u16('ID length'), 'ID').slice() }
    const SK_d = reader.take(reader.u16('SK_d length'), 'SK_d').slice()
    const proposal = readProposal(reader)
    const ppk = reader.u8('PPK') === 1
    const eapIdentity = readName(reader)
    const certificate = readName(reader)
    const certificates = readCertificates(reader)
    const rest = reader.rest().slice()
    const proven = { remoteId, eapIdentity, certificate, certificates, authenticatedAt }
    return { session: { connection, ...proven, SK_d, proposal, ppk, expiresAt }, rest }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function name(writer: Writer, text: string): Writer {
  writer.u16(text.length)
  for (let at = 0; at < text.length; at++) writer.u16(text.charCodeAt(at))
  return writer
}

function readName(reader: Reader): string {
  let name = ''
  for (let left = reader.u16('name length'); left > 0; left--) name += String.fromCharCode(reader.u16('name'))
  return name
}

function readProposal(reader: Reader): Proposal {
  const transforms: Proposal['transforms'][number][] = []
  for (let left = reader.u8('transforms'); left > 0; left--) {
    const type = reader.u8('transform type')
    const id = reader.u16('transform id')
    const keyBits = reader.u16('key bits')
    transforms.push({ type, id, attributes: keyBits === 0 ? [] : [keyLengthAttribute(keyBits)] })
  }
  return { number: 1, protocol: ProtocolId.IKE, spi: new Uint8Array(0), transforms }
}

function readCertificates(reader: Reader): CertificateBlob[] {
  const certificates: CertificateBlob[] = []
  for (let left = reader.u8('certificates'); left > 0; left--) {
    const encoding = reader.u8('encoding')
    certificates.push({ encoding, data: reader.take(reader.u16('certificate length'), 'certificate').slice() })
  }
  return certificates
}

/** Whole ms in 64 bits. */
const time = (writer: Writer, ms: number): Writer =>
  writer.u32(Math.floor(Math.floor(ms) / 2 ** 32)).u32(Math.floor(ms) >>> 0)

const readTime = (reader: Reader): number => reader.u32('time') * 2 ** 32 + reader.u32('time')
