// As much of RADIUS as carries EAP between a test and another stack on loopback: RFC 2865, RFC 3579, keys by RFC 2548.
import { createHash, createHmac, randomBytes } from 'node:crypto'

export const secret = 'test-only'
export const Code = { request: 1, accept: 2, reject: 3, challenge: 11 }
const Attribute = { userName: 1, nasAddress: 4, state: 24, vendor: 26, eap: 79, authenticator: 80 }
const Microsoft = 311
const Mppe = { send: 16, receive: 17 }

const md5 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest()
const attribute = (type, data) => Buffer.concat([Buffer.from([type, data.length + 2]), data])

/** Attributes of an EAP packet, cut where one is too long. */
function eapAttributes(packet) {
  const parts = []
  for (let at = 0; at < packet.length; at += 253) parts.push(attribute(Attribute.eap, packet.subarray(at, at + 253)))
  return Buffer.concat(parts)
}

function encode(code, id, authenticator, attributes) {
  const body = Buffer.concat([attributes, attribute(Attribute.authenticator, Buffer.alloc(16))])
  const packet = Buffer.concat([Buffer.from([code, id, 0, 0]), authenticator, body])
  packet.writeUInt16BE(packet.length, 2)
  createHmac('md5', secret)
    .update(packet)
    .digest()
    .copy(packet, packet.length - 16)
  return packet
}

export function encodeRequest({ id, authenticator, name, state, eap }) {
  const parts = [
    attribute(Attribute.userName, Buffer.from(name)),
    attribute(Attribute.nasAddress, Buffer.from([127, 0, 0, 1])),
    ...(state === undefined ? [] : [attribute(Attribute.state, state)]),
    eapAttributes(eap),
  ]
  return encode(Code.request, id, authenticator, Buffer.concat(parts))
}

export function encodeAnswer({ code, request, eap, msk }) {
  const keys =
    msk === undefined
      ? []
      : [
          key(Mppe.receive, msk.subarray(0, 32), request.authenticator),
          key(Mppe.send, msk.subarray(32, 64), request.authenticator),
        ]
  const packet = encode(code, request.id, request.authenticator, Buffer.concat([...keys, eapAttributes(eap)]))
  md5(packet, secret).copy(packet, 4)
  return packet
}

/** `msk` of an Access-Accept is read with the authenticator of its request. */
export function decode(packet, requestAuthenticator = packet.subarray(4, 20)) {
  const eap = []
  const keys = {}
  let state
  for (let at = 20; at + 2 <= packet.length; at += Math.max(2, packet[at + 1])) {
    const data = packet.subarray(at + 2, at + packet[at + 1])
    if (packet[at] === Attribute.eap) eap.push(data)
    if (packet[at] === Attribute.state) state = data
    if (packet[at] === Attribute.vendor && data.readUInt32BE(0) === Microsoft) {
      keys[data[4]] = openKey(data.subarray(6), requestAuthenticator)
    }
  }
  const both = keys[Mppe.receive] !== undefined && keys[Mppe.send] !== undefined
  return {
    code: packet[0],
    id: packet[1],
    authenticator: packet.subarray(4, 20),
    eap: Buffer.concat(eap),
    state,
    msk: both ? Buffer.concat([keys[Mppe.receive], keys[Mppe.send]]) : undefined,
  }
}

/** RFC 2548 §2.4.2. */
function key(type, value, authenticator) {
  const salt = randomBytes(2)
  salt[0] |= 0x80
  const plain = Buffer.concat([Buffer.from([value.length]), value, Buffer.alloc(15 - (value.length % 16))])
  const data = Buffer.concat([salt, cipher(plain, Buffer.concat([authenticator, salt]), false)])
  const header = Buffer.from([0, 0, Microsoft >>> 8, Microsoft & 0xff, type, data.length + 2])
  return attribute(Attribute.vendor, Buffer.concat([header, data]))
}

function openKey(data, authenticator) {
  const plain = cipher(data.subarray(2), Buffer.concat([authenticator, data.subarray(0, 2)]), true)
  return plain.subarray(1, 1 + plain[0])
}

function cipher(input, first, isOpening) {
  const output = Buffer.alloc(input.length)
  let previous = first
  for (let at = 0; at < input.length; at += 16) {
    const pad = md5(secret, previous)
    for (let i = 0; i < 16; i++) output[at + i] = input[at + i] ^ pad[i]
    previous = (isOpening ? input : output).subarray(at, at + 16)
  }
  return output
}
