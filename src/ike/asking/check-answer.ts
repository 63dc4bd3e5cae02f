import { UsageError } from '../../errors.ts'
import type { Answer, Question } from '../questions.ts'

type Fields = Readonly<Record<string, unknown>>

const isBytes = (value: unknown): boolean => value instanceof Uint8Array
const isText = (value: unknown): boolean => typeof value === 'string'
const isNumber = (value: unknown): boolean => typeof value === 'number'
/** RFC 3748 §7.10. With a shorter one, or an empty one, anybody could make AUTH. */
const isMskOrNone = (value: unknown): boolean =>
  value === undefined || (value instanceof Uint8Array && value.length >= 64)

/** RFC 3748 §4: code, identifier, and a length that is the packet's. */
const isEapPacket = (value: unknown): boolean =>
  value instanceof Uint8Array && value.length >= 4 && ((value[2]! << 8) | value[3]!) === value.length

/** What a yes to each kind of question has to hold. */
const fits: Readonly<Record<Question['kind'], (answer: Fields) => boolean>> = {
  sign: ({ method, data, certificates }) => isNumber(method) && isBytes(data) && Array.isArray(certificates),
  verify: () => true,
  recheck: () => true,
  'eap-peer': ({ done, msk, mutual, packet }) =>
    done === true ? isMskOrNone(msk) && typeof mutual === 'boolean' : isEapPacket(packet),
  'eap-server': ({ done, msk, identity, packet }) =>
    isEapPacket(packet) && (done !== true || (isMskOrNone(msk) && isText(identity))),
  authorize: () => true,
  assign: ({ addresses, attributes }) => Array.isArray(addresses) && Array.isArray(attributes),
  'select-child': ({ child }) => isText(child),
}

/** Throws `UsageError` when this is not an answer to that kind of question. */
export function checkAnswer(kind: Question['kind'], answer: Answer): void {
  const fields = answer as unknown as Fields
  const isGood = fields.ok === true ? fits[kind](fields) : isNo(kind, fields)
  if (!isGood) throw new UsageError('answer', `is not one to "${kind}"`)
}

function isNo(kind: Question['kind'], { ok, message, hint, packet }: Fields): boolean {
  if (ok !== false || !isText(message) || !isText(hint)) return false
  return kind !== 'eap-server' || packet === undefined || isEapPacket(packet)
}
