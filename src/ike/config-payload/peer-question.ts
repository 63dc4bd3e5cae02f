import { CfgAttribute, CfgType, type ConfigurationAttribute, type Payload } from '../codec/index.ts'
import type { IkeSa } from '../ike-sa.ts'
import { encodeAttribute, supportedAttributes } from './attribute.ts'

/**
 * CP in INFORMATIONAL, of either peer. CFG_REQUEST gets what we can say of ourselves, and an empty CFG_REPLY when that is nothing; CFG_SET an
 * empty CFG_ACK, since nothing is taken from it. Answers without a question are passed over. RFC 7296 §2.20, §3.15.
 */
// <-- CP(CFG_REQUEST) | CP(CFG_SET)
// CP(CFG_REPLY) | CP(CFG_ACK) -->
export function answerPeerQuestion(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
  const [asked] = payloads.filter((payload) => payload.kind === 'CP')
  if (asked?.kind !== 'CP') return []
  const answer = (cfgType: number, attributes: readonly ConfigurationAttribute[]): Payload[] => [
    { kind: 'CP', critical: false, cfgType, attributes },
  ]
  if (asked.cfgType === CfgType.CFG_SET) return answer(CfgType.CFG_ACK, [])
  return asked.cfgType === CfgType.CFG_REQUEST ? answer(CfgType.CFG_REPLY, versionAnswers(sa, asked.attributes)) : []
}

/** Our version and the attributes that we know, when they are asked for. */
export function versionAnswers(
  { runtime }: IkeSa,
  request: readonly ConfigurationAttribute[],
): ConfigurationAttribute[] {
  const asks = (type: number) => request.some((one) => one.type === type)
  const answers: ConfigurationAttribute[] = []
  // Empty: we do not say. RFC 7296 §2.20.
  if (asks(CfgAttribute.APPLICATION_VERSION)) answers.push(versionAttribute(runtime.applicationVersion))
  if (asks(CfgAttribute.SUPPORTED_ATTRIBUTES)) {
    const type = CfgAttribute.SUPPORTED_ATTRIBUTES
    answers.push(encodeAttribute({ kind: 'types', type, types: supportedAttributes }))
  }
  return answers
}

function versionAttribute(text: string): ConfigurationAttribute {
  const type = CfgAttribute.APPLICATION_VERSION
  return encodeAttribute(text === '' ? { kind: 'empty', type } : { kind: 'text', type, text })
}
