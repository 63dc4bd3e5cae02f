import { formatGateway, parseGateway } from '../ike/auth/gateway-identity.ts'
import type {
  ConnectionConfig,
  FragmentationConfig,
  IkeLifetimeConfig,
  PpkConfig,
  RedirectConfig,
  TcpConfig,
} from '../ike/config.ts'
import { connectionDefaults, defaultKeyingTries } from './connection.ts'
import { readDuration } from './duration.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import type { Section } from './section.ts'

type IkeSettings = Pick<
  ConnectionConfig,
  | 'lifetime'
  | 'uniqueness'
  | 'keyingTries'
  | 'windowSize'
  | 'fragmentation'
  | 'childless'
  | 'mobike'
  | 'messageIdSync'
  | 'puzzleBits'
  | 'ppk'
  | 'redirect'
  | 'resumption'
  | 'tcp'
>

/** The settings of a connection that are about its IKE_SA as a whole. */
export function readIkeSettings(section: Section, context: ReadContext): IkeSettings {
  const defaults = connectionDefaults
  return {
    lifetime: readIkeLifetime(section.section('rekey')),
    uniqueness: section.choice('unique', ['replace', 'keep', 'never']) ?? defaults.uniqueness,
    keyingTries: section.number('keyingTries') ?? defaultKeyingTries(startActionsOf(section)),
    windowSize: section.number('windowSize') ?? defaults.windowSize,
    fragmentation: readFragmentation(section.section('fragmentation')),
    childless: section.choice('childless', ['allow', 'prefer', 'force', 'never']) ?? defaults.childless,
    mobike: section.flag('mobike') ?? defaults.mobike,
    puzzleBits: section.number('puzzleBits') ?? defaults.puzzleBits,
    messageIdSync: section.flag('messageIdSync') ?? defaults.messageIdSync,
    ppk: readPpk(section, context),
    redirect: readRedirect(section.section('redirect')),
    resumption: section.flag('resumption') ?? defaults.resumption,
    ...(section.has('tcp') ? { tcp: readTcp(section.section('tcp')) } : {}),
  }
}

const startActions = ['none', 'start', 'trap'] as const

const startActionsOf = (section: Section) =>
  section
    .section('children')
    .sections()
    .map((child) => child.section.choice('start', startActions))

/** A time of 0 stands for never. */
function readIkeLifetime(section: Section): IkeLifetimeConfig {
  const defaults = connectionDefaults.ikeLifetime
  const orNever = (name: string, otherwise: number) => {
    const ms = readDuration(section, name) ?? otherwise
    return ms === 0 ? Number.POSITIVE_INFINITY : ms
  }
  return {
    rekeyMs: orNever('time', defaults.rekeyMs),
    reauthMs: orNever('reauth', defaults.reauthMs),
    overMs: readDuration(section, 'over') ?? defaults.overMs,
    jitterMs: readDuration(section, 'jitter') ?? defaults.jitterMs,
  }
}

function readFragmentation(section: Section): FragmentationConfig {
  const defaults = connectionDefaults.fragmentation
  return {
    mode: section.choice('mode', ['yes', 'no', 'force']) ?? defaults.mode,
    bytes: section.number('bytes') ?? defaults.bytes,
  }
}

function readRedirect(section: Section): RedirectConfig {
  const defaults = connectionDefaults.redirect
  const to = section.parsed('to', parseGateway, 'an IP address or a host name')
  return {
    follow: section.flag('follow') ?? defaults.follow,
    to: to === undefined ? defaults.to : formatGateway(to),
  }
}

function readTcp(section: Section): TcpConfig {
  const defaults = connectionDefaults.tcp
  return {
    mode: section.choice('mode', ['never', 'fallback', 'always']) ?? defaults.mode,
    port: section.number('port') ?? defaults.port,
    afterMs: readDuration(section, 'after') ?? defaults.afterMs,
  }
}

function readPpk(section: Section, context: ReadContext): PpkConfig | undefined {
  if (!section.has('ppk')) return undefined
  const ppk = section.section('ppk')
  return {
    id: new TextEncoder().encode(ppk.text('id') ?? ''),
    secret: readSecret(ppk, 'secret', context),
    required: ppk.flag('required') ?? false,
  }
}
