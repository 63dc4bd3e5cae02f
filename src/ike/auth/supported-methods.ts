import { Reader, Writer } from '../../bytes/index.ts'
import { DecodeError } from '../../errors.ts'
import { AuthMethod } from '../codec/index.ts'
import type { ConnectionConfig, RemoteAuth } from '../config.ts'
import { remoteRounds } from './rounds.ts'

/** IANA "IKEv2 Hash Algorithms". RFC 7427 §4; IDENTITY RFC 8420. */
export const HashAlgorithm = { SHA2_256: 2, SHA2_384: 3, SHA2_512: 4, IDENTITY: 5 } as const

/** The hashes under which we would verify a signature. */
export const ownHashes: readonly number[] = [
  HashAlgorithm.SHA2_256,
  HashAlgorithm.SHA2_384,
  HashAlgorithm.SHA2_512,
  HashAlgorithm.IDENTITY,
]

const announced: Partial<Record<RemoteAuth['method'], number>> = {
  psk: AuthMethod.SHARED_KEY_MIC,
  null: AuthMethod.NULL,
}

/**
 * How the peer of any of these connections may authenticate to us. Undefined when not all of it can be said: which signatures are taken
 * only those know who verify them, and have to have said it, and EAP has no number. RFC 9593 §3.2.
 */
export function ownAuthMethods(connections: readonly ConnectionConfig[]): AuthAnnouncement[] | undefined {
  const all = connections.flatMap(remoteRounds).map(({ auth }) => announcedBy(auth))
  if (all.includes(undefined)) return undefined
  const distinct = new Map(all.flatMap((some) => some ?? []).map((one) => [`${one.method} ${one.detail.join()}`, one]))
  return distinct.size > MOST_ENTRIES ? undefined : [...distinct.values()]
}

function announcedBy(auth: RemoteAuth): readonly AuthAnnouncement[] | undefined {
  if (auth.method === 'pubkey') return auth.accepts
  const method = announced[auth.method]
  return method === undefined ? undefined : [{ method, detail: new Uint8Array(0) }]
}

/** No peer announces more; they are kept as long as the IKE_SA. */
const MOST_ENTRIES = 64

/** One entry of SUPPORTED_AUTH_METHODS. `detail`, where there is one: a certification authority and an algorithm. RFC 9593 §3.2. */
export interface AuthAnnouncement {
  /** An `AuthMethod`, or an unknown number. */
  readonly method: number
  readonly detail: Uint8Array
}

/** Data of SIGNATURE_HASH_ALGORITHMS: two octets for each. RFC 7427 §4. */
export function encodeHashes(hashes: readonly number[]): Uint8Array {
  const writer = new Writer(2 * hashes.length)
  for (const hash of hashes) writer.u16(hash)
  return writer.finish()
}

/** The same from a peer; undefined when it is malformed. */
export const decodeHashes = (data: Uint8Array): number[] | undefined =>
  decoded(data, 'SIGNATURE_HASH_ALGORITHMS', 'RFC 7427 §4', (reader) => reader.u16('Hash Algorithm'))

/**
 * Data of SUPPORTED_AUTH_METHODS. RFC 9593 §3.2.
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |    Length     |  Auth Method  |  Details, if any ...
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function encodeAuthMethods(announcements: readonly AuthAnnouncement[]): Uint8Array {
  const writer = new Writer(16)
  for (const { method, detail } of announcements) {
    writer
      .u8(2 + detail.length)
      .u8(method)
      .bytes(detail)
  }
  return writer.finish()
}

/** The same from a peer, copied; undefined when it is malformed. */
export const decodeAuthMethods = (data: Uint8Array): AuthAnnouncement[] | undefined =>
  decoded(data, 'SUPPORTED_AUTH_METHODS', 'RFC 9593 §3.2', (reader) => {
    const length = reader.u8('Length')
    if (length < 2) reader.fail(`Length ${length}`)
    const method = reader.u8('Auth Method')
    return { method, detail: reader.take(length - 2, 'Details').slice() }
  })

/** What only helps to explain and to choose is not worth an IKE_SA: malformed, it says nothing. */
function decoded<T>(data: Uint8Array, where: string, section: string, one: (reader: Reader) => T): T[] | undefined {
  const reader = new Reader(data, where, section)
  const all: T[] = []
  try {
    while (reader.remaining > 0 && all.length <= MOST_ENTRIES) all.push(one(reader))
    return all.length > MOST_ENTRIES ? undefined : all
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}
