import { Reader, Writer } from '../bytes/index.ts'

/** draft-kamath-pppext-eap-mschapv2 §2. */
export const MschapOp = { Challenge: 1, Response: 2, Success: 3, Failure: 4, ChangePassword: 7 } as const

export type MschapPacket =
  | { readonly op: 1; readonly id: number; readonly challenge: Uint8Array; readonly name: string }
  | {
      readonly op: 2
      readonly id: number
      readonly peerChallenge: Uint8Array
      readonly ntResponse: Uint8Array
      readonly name: string
    }
  | { readonly op: 3 | 4; readonly id: number; readonly message: string }

/**
 * Decodes the Type-Data of a request; octets are copied. Throws `DecodeError`. draft-kamath-pppext-eap-mschapv2 §2:
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    OpCode     |  MS-CHAPv2-ID |           MS-Length           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     Data ...
 *     +-+-+-+-+-+-+-+-+
 *
 * Challenge: Value-Size 16, Challenge, Name. Response: Value-Size 49, Peer-Challenge (16), Reserved (8), NT-Response (24), Flags (1),
 * Name. Success and Failure: Message.
 */
export function decodeMschapPacket(data: Uint8Array): MschapPacket {
  const reader = new Reader(data, 'EAP-MSCHAPv2', 'draft-kamath-pppext-eap-mschapv2 §2')
  const op = reader.u8('OpCode')
  const id = reader.u8('MS-CHAPv2-ID')
  // Some implementations count the octets of this field otherwise: what is there, the EAP header has told.
  reader.u16('MS-Length')
  switch (op) {
    case MschapOp.Challenge: {
      size(reader, 16)
      return { op, id, challenge: reader.take(16, 'Challenge').slice(), name: text(reader.rest()) }
    }
    case MschapOp.Response: {
      size(reader, 49)
      const peerChallenge = reader.take(16, 'Peer-Challenge').slice()
      reader.skip(8, 'Reserved')
      const ntResponse = reader.take(24, 'NT-Response').slice()
      reader.skip(1, 'Flags')
      return { op, id, peerChallenge, ntResponse, name: text(reader.rest()) }
    }
    case MschapOp.Success:
    case MschapOp.Failure:
      return { op, id, message: text(reader.rest()) }
    default:
      return reader.fail(`OpCode ${op} is not expected`)
  }
}

/** Type-Data of a packet. */
export function encodeMschapPacket(packet: MschapPacket): Uint8Array {
  const writer = new Writer(80).u8(packet.op).u8(packet.id).u16(0)
  switch (packet.op) {
    case MschapOp.Challenge:
      writer.u8(16).bytes(packet.challenge).bytes(utf8(packet.name))
      break
    case MschapOp.Response:
      writer.u8(49).bytes(packet.peerChallenge).zeros(8).bytes(packet.ntResponse).u8(0).bytes(utf8(packet.name))
      break
    default:
      writer.bytes(utf8(packet.message))
  }
  writer.patchU16(2, writer.position)
  return writer.finish()
}

function size(reader: Reader, expected: number): void {
  const value = reader.u8('Value-Size')
  if (value !== expected) reader.fail(`Value-Size ${value}, not ${expected}`)
}

/** Up to a NUL that some implementations put behind it. */
function text(octets: Uint8Array): string {
  const end = octets.indexOf(0)
  return new TextDecoder().decode(end < 0 ? octets : octets.subarray(0, end))
}

const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value)
