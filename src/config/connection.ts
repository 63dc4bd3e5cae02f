import { UsageError } from '../errors.ts'
import { identityOfAddress, parseIdentity } from '../ike/auth/identity.ts'
import type {
  ChildConfig,
  ConnectionConfig,
  FragmentationConfig,
  IkeLifetimeConfig,
  LifetimeJitter,
  PpkConfig,
  ProposalConfig,
  RedirectConfig,
  RetransmitConfig,
  TcpConfig,
  WorkersConfig,
} from '../ike/config.ts'
import { defaultEspProposals, defaultIkeProposals } from '../ike/negotiation/default-proposals.ts'
import { type ProposalKind, parseProposal, weakKeywords } from '../ike/negotiation/proposal-keywords.ts'
import { parseTrafficSelector } from '../ike/negotiation/traffic-selector-text.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { unlimited, type XfrmLifetime } from '../xfrm/port.ts'

/** Defaults of the settings that both `pskConnection` and the file have. Times in ms. */
export const connectionDefaults = {
  port: 500,
  natPort: 4500,
  encap: 'force',
  /** 4 s, then 1.8 times longer each time: given up after 165 s. */
  retransmit: { baseMs: 4_000, factor: 1.8, tries: 5, limitMs: Number.POSITIVE_INFINITY, jitter: 0 },
  livenessDelayMs: 30_000,
  keepaliveMs: 20_000,
  replayWindow: 1_024,
  startAction: 'none',
  /** Of a CHILD_SA: rekeyed after an hour, up to 6 min earlier; ends 6 min later when that did not succeed. */
  lifetime: { ...unlimited, softMs: 3_600_000, hardMs: 3_960_000 },
  /** 4 h, up to 24 min earlier, and 24 min more when it does not succeed. */
  ikeLifetime: {
    rekeyMs: 14_400_000,
    reauthMs: Number.POSITIVE_INFINITY,
    overMs: 1_440_000,
    jitterMs: 1_440_000,
  },
  uniqueness: 'replace',
  windowSize: 1,
  fragmentation: { mode: 'yes', bytes: 1_280 },
  childless: 'allow',
  mobike: true,
  messageIdSync: true,
  puzzleBits: 18,
  redirect: { follow: true, to: undefined },
  resumption: false,
  /** UDP is sent three times by then: at once, after 4 s, and 7.2 s later. */
  tcp: { mode: 'never', port: 4500, afterMs: 12_000 },
  mode: 'tunnel',
  closeAction: 'none',
  triggerTs: true,
  singlePair: false,
  tfcPad: 0,
} as const satisfies {
  retransmit: RetransmitConfig
  lifetime: XfrmLifetime
  encap: ConnectionConfig['encap']
  startAction: ChildConfig['startAction']
} & Record<string, unknown>

/** What is to be up comes up again when the peer was lost, and what waits for a packet waits again. */
export function defaultDpdAction(startAction: ChildConfig['startAction'] = 'none'): ChildConfig['dpdAction'] {
  return startAction === 'start' ? 'restart' : startAction === 'trap' ? 'trap' : 'clear'
}

/** What is to be up is tried for ever (0), all else once. */
export const defaultKeyingTries = (startActions: readonly (ChildConfig['startAction'] | undefined)[]): number =>
  startActions.includes('start') ? 0 : 1

/** A connection in the words of the configuration file. Addresses, identities, selectors and proposals are text. */
export interface PskConnection {
  readonly name: string
  /** Shared by both sides; text is taken as UTF-8. */
  readonly psk: string | Uint8Array
  readonly localAddress?: string
  /** Left out: any peer, so that we can only wait for it. */
  readonly remoteAddress?: string
  /** Left out: the local address, which must then be given. */
  readonly localId?: string
  /** Left out: the remote address, or any identity when that is left out too. */
  readonly remoteId?: string
  /** Addresses that we ask for as initiator, `0.0.0.0` and `::` for any. RFC 7296 §2.19. */
  readonly virtualIps?: readonly string[]
  /** See `RemoteConfig`. */
  readonly pools?: readonly string[]
  readonly addressRequired?: boolean
  readonly port?: number
  readonly natPort?: number
  /** Left out: strong defaults. */
  readonly proposals?: readonly string[]
  readonly children: readonly PskChild[]
  readonly encap?: ConnectionConfig['encap']
  readonly retransmit?: Partial<RetransmitConfig>
  readonly livenessDelayMs?: number
  readonly keepaliveMs?: number
  /** Weak algorithms that the proposals may name: `sha1`, `3des`, `null` (no encryption), `modp1024`, `modp1536`. */
  readonly allowWeak?: readonly string[]
  readonly lifetime?: Partial<IkeLifetimeConfig>
  readonly uniqueness?: ConnectionConfig['uniqueness']
  readonly keyingTries?: number
  readonly windowSize?: number
  readonly fragmentation?: Partial<FragmentationConfig>
  readonly childless?: ConnectionConfig['childless']
  readonly mobike?: boolean
  readonly messageIdSync?: boolean
  readonly puzzleBits?: number
  readonly ppk?: PpkConfig
  readonly redirect?: Partial<RedirectConfig>
  readonly resumption?: boolean
  /** As initiator. Left out: UDP only. RFC 9329. */
  readonly tcp?: Partial<TcpConfig>
}

/** A CHILD_SA in the words of the configuration file. */
export interface PskChild {
  readonly name: string
  /** For example `10.1.0.0/16`, `10.1.0.0/16[tcp/80]` or `dynamic`. */
  readonly localTs: readonly string[]
  readonly remoteTs: readonly string[]
  readonly espProposals?: readonly string[]
  readonly replayWindow?: number
  readonly lifetime?: Partial<XfrmLifetime>
  readonly jitter?: Partial<LifetimeJitter>
  readonly mode?: ChildConfig['mode']
  readonly flags?: ChildConfig['flags']
  readonly path?: ChildConfig['path']
  readonly startAction?: ChildConfig['startAction']
  readonly dpdAction?: ChildConfig['dpdAction']
  readonly closeAction?: ChildConfig['closeAction']
  readonly triggerTs?: boolean
  readonly singlePair?: boolean
  readonly tfcPad?: number
  readonly workers?: WorkersConfig
}

/** A connection with a pre-shared key in a few lines; what is left out gets its default. Throws `UsageError`. */
export function pskConnection(settings: PskConnection): ConnectionConfig {
  const secret = typeof settings.psk === 'string' ? new TextEncoder().encode(settings.psk) : settings.psk.slice()
  if (secret.length === 0) throw new UsageError('psk', 'must not be empty')
  const localAddress = settings.localAddress === undefined ? undefined : parseIp(settings.localAddress)
  const remoteAddress = settings.remoteAddress === undefined ? undefined : parseIp(settings.remoteAddress)
  const localId = identityOr(settings.localId, localAddress)
  if (localId === undefined) throw new UsageError('localId', 'is needed when there is no localAddress')
  const allowWeak = settings.allowWeak ?? []
  return {
    name: settings.name,
    local: {
      address: localAddress,
      id: localId,
      auth: { method: 'psk', secret },
      ...(settings.virtualIps === undefined ? {} : { virtualIps: settings.virtualIps.map(parseIp) }),
    },
    remote: {
      address: remoteAddress,
      port: settings.port ?? connectionDefaults.port,
      natPort: settings.natPort ?? connectionDefaults.natPort,
      id: identityOr(settings.remoteId, remoteAddress),
      auth: { method: 'psk', secret },
      ...(settings.pools === undefined ? {} : { pools: settings.pools }),
      ...(settings.addressRequired === undefined ? {} : { addressRequired: settings.addressRequired }),
    },
    ikeProposals: proposalsOr(settings.proposals, 'IKE', defaultIkeProposals, allowWeak),
    children: settings.children.map((child) => pskChild(child, allowWeak)),
    encap: settings.encap ?? connectionDefaults.encap,
    retransmit: { ...connectionDefaults.retransmit, ...settings.retransmit },
    livenessDelayMs: settings.livenessDelayMs ?? connectionDefaults.livenessDelayMs,
    keepaliveMs: settings.keepaliveMs ?? connectionDefaults.keepaliveMs,
    ...ikeSettings(settings),
  }
}

function ikeSettings(settings: PskConnection) {
  const defaults = connectionDefaults
  return {
    lifetime: { ...defaults.ikeLifetime, ...settings.lifetime },
    uniqueness: settings.uniqueness ?? defaults.uniqueness,
    keyingTries: settings.keyingTries ?? defaultKeyingTries(settings.children.map((child) => child.startAction)),
    windowSize: settings.windowSize ?? defaults.windowSize,
    fragmentation: { ...defaults.fragmentation, ...settings.fragmentation },
    childless: settings.childless ?? defaults.childless,
    mobike: settings.mobike ?? defaults.mobike,
    messageIdSync: settings.messageIdSync ?? defaults.messageIdSync,
    puzzleBits: settings.puzzleBits ?? defaults.puzzleBits,
    ppk: settings.ppk,
    redirect: { ...defaults.redirect, ...settings.redirect },
    resumption: settings.resumption ?? defaults.resumption,
    ...(settings.tcp === undefined ? {} : { tcp: { ...defaults.tcp, ...settings.tcp } }),
  }
}

function pskChild(child: PskChild, allowWeak: readonly string[]): ChildConfig {
  return {
    name: child.name,
    localTs: child.localTs.map(parseTrafficSelector),
    remoteTs: child.remoteTs.map(parseTrafficSelector),
    espProposals: proposalsOr(child.espProposals, 'ESP', defaultEspProposals, allowWeak),
    mode: child.mode ?? connectionDefaults.mode,
    ...(child.flags === undefined ? {} : { flags: child.flags }),
    ...(child.path === undefined ? {} : { path: child.path }),
    replayWindow: child.replayWindow ?? connectionDefaults.replayWindow,
    ...lifetimeSettings(child.lifetime, child.jitter),
    startAction: child.startAction ?? connectionDefaults.startAction,
    dpdAction: child.dpdAction ?? defaultDpdAction(child.startAction),
    closeAction: child.closeAction ?? connectionDefaults.closeAction,
    triggerTs: child.triggerTs ?? connectionDefaults.triggerTs,
    singlePair: child.singlePair ?? connectionDefaults.singlePair,
    tfcPad: child.tfcPad ?? connectionDefaults.tfcPad,
    ...(child.workers === undefined ? {} : { workers: child.workers }),
  }
}

/** What is left out stands in the proportion of the defaults to what is there: hard 1.1 times soft, jitter a tenth of it. */
export function lifetimeSettings(
  lifetime: Partial<XfrmLifetime> = {},
  jitter: Partial<LifetimeJitter> = {},
): Pick<ChildConfig, 'lifetime' | 'jitter'> {
  const defaults = connectionDefaults.lifetime
  const hardMs =
    lifetime.hardMs ?? (lifetime.softMs === undefined ? defaults.hardMs : Math.round(1.1 * lifetime.softMs))
  const softMs = lifetime.softMs ?? Math.min(defaults.softMs, Math.round(hardMs / 1.1))
  return {
    lifetime: { ...defaults, ...lifetime, softMs, hardMs },
    jitter: { ms: Number.isFinite(softMs) ? Math.round(softMs / 10) : 0, bytes: 0, packets: 0, ...jitter },
  }
}

const identityOr = (text: string | undefined, address: IpAddress | undefined) => {
  if (text === '%any') return undefined
  if (text !== undefined) return parseIdentity(text)
  return address === undefined ? undefined : identityOfAddress(address)
}

function proposalsOr(
  texts: readonly string[] | undefined,
  what: ProposalKind,
  defaults: readonly ProposalConfig[],
  allowWeak: readonly string[],
): readonly ProposalConfig[] {
  if (texts === undefined) return defaults
  return texts.map((text) => {
    const proposal = parseProposal(text, what)
    const weak = weakKeywords(proposal).filter((keyword) => !allowWeak.includes(keyword))
    if (weak.length > 0) throw new UsageError('allowWeak', `"${text}" uses ${weak.join(', ')}, which it does not name`)
    return proposal
  })
}
