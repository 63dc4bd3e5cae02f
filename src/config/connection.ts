import { UsageError } from '../errors.ts'
import type { ChildConfig, ConnectionConfig, ProposalConfig, RetransmitConfig } from '../ike/config.ts'
import { defaultEspProposals, defaultIkeProposals } from '../ike/default-proposals.ts'
import { identityOfAddress, parseIdentity } from '../ike/identity.ts'
import { type ProposalKind, parseProposal, weakKeywords } from '../ike/proposal-keywords.ts'
import { parseTrafficSelector } from '../ike/traffic-selector-text.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { unlimited, type XfrmLifetime } from '../xfrm/port.ts'

/** Defaults of the settings that both `pskConnection` and the file have. Times in ms. */
export const connectionDefaults = {
  port: 500,
  natPort: 4500,
  encap: 'force',
  /** 4 s, then 1.8 times longer each time: given up after 165 s. */
  retransmit: { baseMs: 4_000, factor: 1.8, tries: 5 },
  livenessDelayMs: 30_000,
  keepaliveMs: 20_000,
  replayWindow: 1_024,
  startAction: 'none',
  lifetime: unlimited,
} as const satisfies {
  retransmit: RetransmitConfig
  lifetime: XfrmLifetime
  encap: ConnectionConfig['encap']
  startAction: ChildConfig['startAction']
} & Record<string, unknown>

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
  readonly port?: number
  readonly natPort?: number
  /** Left out: strong defaults. */
  readonly proposals?: readonly string[]
  readonly children: readonly PskChild[]
  readonly encap?: ConnectionConfig['encap']
  readonly retransmit?: Partial<RetransmitConfig>
  readonly livenessDelayMs?: number
  readonly keepaliveMs?: number
  /** Weak algorithms that the proposals may name: `sha1`, `modp1024`, `modp1536`. */
  readonly allowWeak?: readonly string[]
}

/** A CHILD_SA in the words of the configuration file. */
export interface PskChild {
  readonly name: string
  /** For example `10.1.0.0/16` or `10.1.0.0/16[tcp/80]`. */
  readonly localTs: readonly string[]
  readonly remoteTs: readonly string[]
  readonly espProposals?: readonly string[]
  readonly replayWindow?: number
  readonly lifetime?: Partial<XfrmLifetime>
  readonly startAction?: ChildConfig['startAction']
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
    local: { address: localAddress, id: localId, auth: { method: 'psk', secret } },
    remote: {
      address: remoteAddress,
      port: settings.port ?? connectionDefaults.port,
      natPort: settings.natPort ?? connectionDefaults.natPort,
      id: identityOr(settings.remoteId, remoteAddress),
      auth: { method: 'psk', secret },
    },
    ikeProposals: proposalsOr(settings.proposals, 'IKE', defaultIkeProposals, allowWeak),
    children: settings.children.map((child) => pskChild(child, allowWeak)),
    encap: settings.encap ?? connectionDefaults.encap,
    retransmit: { ...connectionDefaults.retransmit, ...settings.retransmit },
    livenessDelayMs: settings.livenessDelayMs ?? connectionDefaults.livenessDelayMs,
    keepaliveMs: settings.keepaliveMs ?? connectionDefaults.keepaliveMs,
  }
}

function pskChild(child: PskChild, allowWeak: readonly string[]): ChildConfig {
  return {
    name: child.name,
    localTs: child.localTs.map(parseTrafficSelector),
    remoteTs: child.remoteTs.map(parseTrafficSelector),
    espProposals: proposalsOr(child.espProposals, 'ESP', defaultEspProposals, allowWeak),
    mode: 'tunnel',
    replayWindow: child.replayWindow ?? connectionDefaults.replayWindow,
    lifetime: { ...connectionDefaults.lifetime, ...child.lifetime },
    startAction: child.startAction ?? connectionDefaults.startAction,
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
