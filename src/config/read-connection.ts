import { identityOfAddress, parseIdentity } from '../ike/auth/identity.ts'
import { IdType } from '../ike/codec/numbers.ts'
import type {
  ChildConfig,
  ConnectionConfig,
  Identity,
  LifetimeJitter,
  ProposalConfig,
  TrafficSelectorConfig,
} from '../ike/config.ts'
import { isDynamic } from '../ike/config-payload/dynamic-selectors.ts'
import { defaultEspProposals, defaultIkeProposals } from '../ike/negotiation/default-proposals.ts'
import { didYouMean } from '../ike/negotiation/nearest-words.ts'
import { type ProposalKind, parseProposal, weakKeywords } from '../ike/negotiation/proposal-keywords.ts'
import { parseTrafficSelector, toXfrmSelectors } from '../ike/negotiation/traffic-selector.ts'
import { weakAdvice } from '../ike/negotiation/weak-advice.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { decodeCertificate } from '../pki/certificate.ts'
import type { XfrmLifetime } from '../xfrm/port.ts'
import { connectionDefaults, defaultDpdAction, lifetimeSettings } from './connection.ts'
import { readDuration } from './duration.ts'
import { eapSections, readAuths } from './read-auth.ts'
import { readHeaders } from './read-headers.ts'
import { parseLocalId } from './read-identity.ts'
import { readIkeSettings } from './read-ike-settings.ts'
import type { ReadContext } from './read-secret.ts'
import type { Section } from './section.ts'

const encapWords = { yes: 'force', auto: 'auto', no: 'never' } as const
const addressRule = 'an IP address'
const identityRule = 'a name, user@host, an IP address, keyid:HEX, or @name for a name that looks like something else'
const selectorRule = 'such as 10.1.0.0/16, 10.0.0.5-10.0.0.9, 10.1.0.0/16[tcp/80] or dynamic'

/** Reads one entry of `connections`; what is wrong goes to the section's problems, and the result is then of no use. */
export function readConnection(name: string, section: Section, context: ReadContext): ConnectionConfig {
  const local = section.section('local')
  const remote = section.section('remote')
  const localAddress = local.parsed('address', parseIp, addressRule)
  const remoteAddress = readRemoteAddress(remote)
  if (localAddress !== undefined && remoteAddress !== undefined && localAddress.length !== remoteAddress.length) {
    remote.problem(
      'address',
      'is of another family than local.address',
      `an IPv${localAddress.length === 4 ? 4 : 6} address`,
    )
  }
  const port = remote.number('port') ?? connectionDefaults.port
  const natPort = remote.number('natPort') ?? connectionDefaults.natPort
  if (port === natPort)
    remote.problem('natPort', 'is the same as port', 'another port: IKE changes from one to the other')
  const remoteId = readRemoteId(remote, remoteAddress)
  const auths = readAuths(section, context, remoteId)
  if (section.flag('resumption') === true && eapSections(remote).some((eap) => eap.has('radius')))
    section.problem('resumption', 'lets peers come back without RADIUS, which sets their times and counts', 'false')
  const retransmit = section.section('retransmit')
  return {
    name,
    local: {
      address: localAddress,
      id: readLocalId(local, localAddress, auths.certificate),
      ...auths.local,
      ...readVirtualIps(local),
    },
    remote: {
      ...{ address: remoteAddress, port, natPort, id: remoteId, ...auths.remote },
      ...readPoolNames(remote, context),
    },
    ikeProposals: readProposals(section, 'proposals', 'IKE', context) ?? defaultIkeProposals,
    children: readChildren(section, remoteAddress, context),
    encap: encapWords[section.choice('encap', ['yes', 'auto', 'no']) ?? 'yes'],
    retransmit: {
      baseMs: readDuration(retransmit, 'timeout') ?? connectionDefaults.retransmit.baseMs,
      factor: retransmit.number('base') ?? connectionDefaults.retransmit.factor,
      tries: retransmit.number('tries') ?? connectionDefaults.retransmit.tries,
      limitMs: readDuration(retransmit, 'limit') ?? connectionDefaults.retransmit.limitMs,
      jitter: retransmit.number('jitter') ?? connectionDefaults.retransmit.jitter,
    },
    livenessDelayMs: readDuration(section, 'livenessDelay') ?? connectionDefaults.livenessDelayMs,
    keepaliveMs: readDuration(section, 'keepalive') ?? connectionDefaults.keepaliveMs,
    ...readIkeSettings(section, context),
  }
}

/** One without children is for an IKE_SA alone, which has to be wanted. RFC 6023. */
function readChildren(section: Section, remoteAddress: IpAddress | undefined, context: ReadContext): ChildConfig[] {
  const children = section.section('children').sections()
  const isAlone = ['prefer', 'force'].includes(section.choice('childless', ['allow', 'prefer', 'force', 'never']) ?? '')
  if (children.length === 0 && !isAlone) {
    section.problem(
      'children',
      'has no entry',
      'an object with one entry for each CHILD_SA, or childless: prefer or force',
    )
  }
  return children.map((child) => readChild(child.name, child.section, remoteAddress, context))
}

function readMode(section: Section, { carriesTransport }: ReadContext): ChildConfig['mode'] {
  const mode = section.choice('mode', ['tunnel', 'transport']) ?? connectionDefaults.mode
  if (mode === 'transport' && !carriesTransport) section.problem('mode', '"transport" is not carried here', 'tunnel')
  return mode
}

function readChild(
  name: string,
  section: Section,
  remoteAddress: IpAddress | undefined,
  context: ReadContext,
): ChildConfig {
  const localTs = section.parsedList('localTs', parseTrafficSelector, selectorRule) ?? []
  const remoteTs = section.parsedList('remoteTs', parseTrafficSelector, selectorRule) ?? []
  checkPairs(section, localTs, remoteTs)
  const startAction = section.choice('start', ['none', 'start', 'trap']) ?? connectionDefaults.startAction
  if (startAction !== 'none' && remoteAddress === undefined) {
    section.problem(
      'start',
      `"${startAction}" needs a peer to call, but remote.address is %any`,
      'none, or a remote.address',
    )
  }
  return {
    name,
    localTs,
    remoteTs,
    espProposals: readProposals(section, 'espProposals', 'ESP', context) ?? defaultEspProposals,
    mode: readMode(section, context),
    ...readHeaders(section),
    replayWindow: section.number('replayWindow') ?? connectionDefaults.replayWindow,
    ...lifetimeSettings(
      readLifetime(section.section('lifetime')),
      readJitter(section.section('lifetime').section('jitter')),
    ),
    startAction,
    dpdAction: section.choice('dpdAction', ['clear', 'trap', 'restart']) ?? defaultDpdAction(startAction),
    closeAction: section.choice('closeAction', ['none', 'trap', 'start']) ?? connectionDefaults.closeAction,
    triggerTs: section.flag('triggerTs') ?? connectionDefaults.triggerTs,
    singlePair: section.flag('singlePair') ?? connectionDefaults.singlePair,
    tfcPad: section.number('tfcPadding') ?? connectionDefaults.tfcPad,
    ...readWorkers(section),
  }
}

/** Without the section there are none. */
function readWorkers(section: Section): Pick<ChildConfig, 'workers'> {
  if (!section.has('workers')) return {}
  const workers = section.section('workers')
  const count = workers.number('count') ?? 1
  const startAction = workers.choice('start', ['start', 'trap']) ?? 'trap'
  return { workers: { count, max: workers.number('max') ?? 2 * count, startAction } }
}

/** A selector that pairs with none of the other side would never carry a packet. */
function checkPairs(
  section: Section,
  localTs: readonly TrafficSelectorConfig[],
  remoteTs: readonly TrafficSelectorConfig[],
): void {
  if (localTs.length === 0 || remoteTs.length === 0 || isDynamic({ localTs, remoteTs })) return
  if (localTs.every((local) => remoteTs.every((remote) => toXfrmSelectors([local], [remote], 'out').length === 0))) {
    section.problem(
      'remoteTs',
      'has no selector of the same address family and protocol as one of localTs',
      'at least one pair that fits, such as 10.1.0.0/16 with 10.2.0.0/16',
    )
  }
}

function readRemoteAddress(remote: Section): IpAddress | undefined {
  return remote.text('address') === '%any' ? undefined : remote.parsed('address', parseIp, `${addressRule} or %any`)
}

/** What we ask for: all zeros for any address of the family. */
function readVirtualIps(local: Section): { virtualIps?: IpAddress[] } {
  const virtualIps = local.parsedList(
    'virtualIps',
    parseIp,
    `${addressRule}, 0.0.0.0 for any of IPv4, :: for any of IPv6`,
  )
  if (virtualIps === undefined) return {}
  for (const bytes of [4, 16]) {
    if (virtualIps.filter(({ length }) => length === bytes).length > 1) {
      local.problem('virtualIps', `has two of IPv${bytes === 4 ? 4 : 6}`, 'one address of each family')
    }
  }
  return { virtualIps }
}

function readPoolNames(remote: Section, { pools }: ReadContext): { pools?: string[]; addressRequired?: boolean } {
  const addressRequired = remote.flag('addressRequired')
  const required = addressRequired === undefined ? {} : { addressRequired }
  const names = remote.texts('pools')
  if (names === undefined) return required
  for (const { text, path } of names) {
    if (pools.some(({ name }) => name === text)) continue
    const known = pools.map(({ name }) => name)
    const near = didYouMean(text, known)
    remote.problems.add(
      path,
      `there is no pool "${text}"${near}`,
      known.join(', ') || 'a name of pools, which has none',
    )
  }
  return { pools: names.map(({ text }) => text), ...required }
}

/** Without a word about it we are who our certificate says, or our address. */
function readLocalId(local: Section, address: IpAddress | undefined, certificate: Uint8Array | undefined): Identity {
  const id = local.parsed('id', parseLocalId, identityRule)
  if (id !== undefined) return id
  if (certificate !== undefined) return { type: IdType.ID_DER_ASN1_DN, data: decodeCertificate(certificate).subjectDer }
  if (address !== undefined) return identityOfAddress(address)
  const isMissing = !local.has('id') && !local.has('address')
  if (isMissing) local.problem('id', 'is missing, and there is no local.address to take its place', identityRule)
  return { type: 0, data: new Uint8Array(0) }
}

function readRemoteId(remote: Section, address: IpAddress | undefined): Identity | undefined {
  if (remote.text('id') === '%any') return undefined
  const id = remote.parsed('id', parseIdentity, `${identityRule}; %any`)
  return id ?? (address === undefined ? undefined : identityOfAddress(address))
}

function readProposals(
  section: Section,
  name: string,
  what: ProposalKind,
  { allowWeak }: ReadContext,
): ProposalConfig[] | undefined {
  return section.texts(name)?.flatMap(({ text, path }) => {
    const rule = what === 'IKE' ? 'such as aes128gcm16-prfsha256-x25519' : 'such as aes128gcm16 or aes256-sha256'
    const proposal = section.attempt(path, () => parseProposal(text, what), rule)
    if (proposal === undefined) return []
    const weak = weakKeywords(proposal).filter((keyword) => !allowWeak.includes(keyword))
    if (weak.length > 0) {
      const names = weak.map((keyword) => `"${keyword}"`).join(', ')
      section.problems.add(
        path,
        `"${text}" uses ${weak.join(', ')}, which is weak`,
        `strong algorithms, or name ${names} in allowWeak`,
      )
    }
    for (const { keyword, why, instead } of weakAdvice(proposal)) {
      section.problems.warn(path, `"${text}": ${keyword} ${why}`, instead)
    }
    return [proposal]
  })
}

/** What stands there and no more. */
function readLifetime(section: Section): Partial<XfrmLifetime> {
  const limits = (name: 'soft' | 'hard') => {
    const part = section.section(name)
    return { bytes: part.number('bytes'), packets: part.number('packets'), time: readDuration(part, 'time') }
  }
  const soft = limits('soft')
  const hard = limits('hard')
  for (const name of ['bytes', 'packets', 'time'] as const) {
    if ((soft[name] ?? 0) > (hard[name] ?? Number.POSITIVE_INFINITY)) {
      section.section('soft').problem(name, 'is above the hard limit', 'less than the hard limit')
    }
  }
  return defined({
    softBytes: soft.bytes,
    hardBytes: hard.bytes,
    softPackets: soft.packets,
    hardPackets: hard.packets,
    softMs: soft.time,
    hardMs: hard.time,
  })
}

function readJitter(section: Section): Partial<LifetimeJitter> {
  return defined({
    ms: readDuration(section, 'time'),
    bytes: section.number('bytes'),
    packets: section.number('packets'),
  })
}

const defined = <Name extends string>(values: Record<Name, number | undefined>): Partial<Record<Name, number>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Record<Name, number>>
