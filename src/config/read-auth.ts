import type { Identity, LocalAuth, LocalConfig, RemoteAuth, RemoteConfig } from '../ike/config.ts'
import { checkEapOnly } from './eap-only-rule.ts'
import { readEapPeer, readEapServer } from './read-eap.ts'
import { parseLocalId, parseRemoteId } from './read-identity.ts'
import { hasCredential, type OwnCredential, readCredential } from './read-key.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import { readTrust } from './read-trust.ts'
import type { Section } from './section.ts'

const methods = ['psk', 'pubkey', 'eap', 'eap-only', 'null'] as const
type Method = (typeof methods)[number]

/** How both sides of a connection prove themselves. */
export interface Auths {
  readonly local: Pick<LocalConfig, 'auth' | 'further'>
  readonly remote: Pick<RemoteConfig, 'auth' | 'further'>
  /** Ours of the first round, in DER. */
  readonly certificate: Uint8Array | undefined
}

/** Without any word about it, the pre-shared key of `psk` is meant for both sides. `peerId`: whom `remote.id` takes, undefined for any. */
export function readAuths(connection: Section, context: ReadContext, peerId: Identity | undefined): Auths {
  const local = connection.section('local')
  const remote = connection.section('remote')
  const hasPsk = connection.has('psk')
  const localMethod = local.choice('auth', methods) ?? likelyMethod(local, ['key', 'pkcs12'])
  const remoteMethod = remote.choice('auth', methods) ?? likelyMethod(remote, forTrust)
  const secret = hasPsk ? readSecret(connection, 'psk', context) : undefined
  const world: World = { context, secret, own: ownCredential(local, localMethod, context) }
  const isUnsaid = !hasPsk && (localMethod === 'psk' || remoteMethod === 'psk')
  if (isUnsaid) connection.problem('psk', 'is missing, and nothing says how to authenticate without one', pskRule)
  const auths = {
    local: { auth: localAuth(local, localMethod, world), ...furtherLocal(local, world) },
    remote: { auth: remoteAuth(remote, remoteMethod, world, peerId), ...furtherRemote(remote, world) },
  }
  if (hasPsk && !proves(auths.local, 'psk') && !proves(auths.remote, 'psk')) {
    connection.problem('psk', 'is used by neither side: both prove themselves otherwise', unusedPskRule)
  }
  if (proves(auths.remote, 'eap-only')) eapSections(local).forEach(checkEapOnly)
  if (proves(auths.local, 'eap-only')) eapSections(remote).forEach(checkEapOnly)
  return { ...auths, certificate: world.own?.certificates[0] }
}

/** In one of its rounds. */
const proves = ({ auth, further = [] }: Auths['local'] | Auths['remote'], method: Method): boolean =>
  [auth, ...further.map((round) => round.auth)].some((one) => one.method === method)

/** Of all rounds of one side. */
export const eapSections = (side: Section): Section[] =>
  [side, ...(side.list('further') ?? [])].filter((round) => round.has('eap')).map((round) => round.section('eap'))

const unusedPskRule = 'no psk, or "auth": "psk" for the side that proves itself by it'
const pskRule = 'a pre-shared key, or local.auth and remote.auth of another kind'

interface World {
  readonly context: ReadContext
  readonly secret: Uint8Array | undefined
  /** Our key of the first round. */
  readonly own: OwnCredential | undefined
}

const forTrust = ['authorities', 'certificates', 'publicKeys']

/** What the settings that are there are for. */
function likelyMethod(section: Section, forPubkey: readonly string[]): Method {
  if (section.has('eap')) return 'eap'
  return forPubkey.some((name) => section.has(name)) ? 'pubkey' : 'psk'
}

/** Also for the TLS inside of EAP, where our proof in IKE is another. */
function ownCredential(local: Section, method: Method, context: ReadContext): OwnCredential | undefined {
  return method === 'pubkey' || hasCredential(local) ? readCredential(local, context) : undefined
}

function localAuth(section: Section, method: Method, { context, secret, own }: World): LocalAuth {
  switch (method) {
    case 'psk':
      return { method, secret: secret ?? new Uint8Array(0) }
    case 'pubkey':
      return {
        method,
        credential: own?.key ?? nothing,
        sendCertificates: section.choice('sendCertificates', ['always', 'asked', 'never']) ?? 'asked',
      }
    case 'eap':
      return { method, methods: readEapPeer(eapSection(section), own, context) }
    default:
      return { method }
  }
}

function remoteAuth(
  section: Section,
  method: Method,
  { context, secret, own }: World,
  peerId: Identity | undefined,
): RemoteAuth {
  switch (method) {
    case 'psk':
      return { method, secret: secret ?? new Uint8Array(0) }
    case 'pubkey':
      return { method, ...readTrust(section, context, peerId) }
    case 'eap':
      return { method, methods: readEapServer(eapSection(section), own, context) }
    default:
      return { method }
  }
}

/** In the place of what could not be read: the problem is reported, and nothing starts. */
const nothing = { description: 'nothing' }

function eapSection(section: Section): Section {
  if (!section.has('eap')) section.problem('eap', 'is missing', 'an object with methods, for example ["mschapv2"]')
  return section.section('eap')
}

/** RFC 4739. */
function furtherLocal(local: Section, world: World): Pick<LocalConfig, 'further'> {
  const rounds = local.list('further')
  if (rounds === undefined) return {}
  return {
    further: rounds.map((round) => {
      const method = round.choice('auth', methods) ?? likelyMethod(round, ['key', 'pkcs12'])
      const own = ownCredential(round, method, world.context)
      const secret = roundSecret(round, method, world)
      const id = round.parsed('id', parseLocalId, 'an identity')
      if (id === undefined && !round.has('id')) round.problem('id', 'is missing', 'who we are in this round')
      return { id: id ?? noIdentity, auth: localAuth(round, method, { ...world, own, secret }) }
    }),
  }
}

function furtherRemote(remote: Section, world: World): Pick<RemoteConfig, 'further'> {
  const rounds = remote.list('further')
  if (rounds === undefined) return {}
  return {
    further: rounds.map((round) => {
      const method = round.choice('auth', methods) ?? likelyMethod(round, forTrust)
      const secret = roundSecret(round, method, world)
      const id = round.text('id') === '%any' ? undefined : round.parsed('id', parseRemoteId, 'an identity, or %any')
      return { id, auth: remoteAuth(round, method, { ...world, secret }, id) }
    }),
  }
}

/** The pre-shared key of one round, or else that of the connection. */
function roundSecret(round: Section, method: Method, { secret, context }: World): Uint8Array | undefined {
  if (round.has('psk')) {
    if (method !== 'psk') round.problem('psk', `is of no use with auth "${method}"`, 'auth: psk')
    return readSecret(round, 'psk', context)
  }
  if (method === 'psk' && secret === undefined) {
    const rule = 'a pre-shared key, here or for the whole connection, or what another kind of auth needs'
    round.problem('psk', 'is missing, and nothing says how to authenticate without one', rule)
  }
  return secret
}

const noIdentity: Identity = { type: 0, data: new Uint8Array(0) }
