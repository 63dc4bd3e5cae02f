import { randomBytes } from 'node:crypto'
import { EapMethods, type EapMethodsOptions } from '../credentials/eap.ts'
import { eapTrust } from '../credentials/eap-trust.ts'
import { nodeProvider } from '../crypto/node.ts'
import type { RandomSource } from '../crypto/provider.ts'
import { type EapMethod, gtc, md5Challenge, mschapv2, newAka, newAkaPrime } from '../eap/index.ts'
import { type EapPeapOptions, type EapTlsOptions, eapPeap, eapTls, eapTtls, type TtlsInner } from '../eap-tls/index.ts'
import { UsageError } from '../errors.ts'
import { formatSetting } from './problems.ts'
import { akaPeer, akaServer } from './read-aka.ts'
import { hasCredential, type OwnCredential, readCertificateFiles, readCredential } from './read-key.ts'
import { readRadius } from './read-radius.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import { readRevocation, trustWorld } from './read-trust.ts'
import type { Section } from './section.ts'

/** Names and passwords of those that log in by EAP: `eapUsers`. */
export type EapUsers = ReadonlyMap<string, string>

/** The section `eapUsers`. A password is a secret as elsewhere; what is in none of the messages. */
export function readEapUsers(root: Section, context: Pick<ReadContext, 'readSecretFile'>): EapUsers {
  const users = root
    .section('eapUsers')
    .sections()
    .map(({ name, section }): [string, string] => {
      const secret = section.has('file')
        ? readSecret(root.section('eapUsers'), name, context)
        : readSecret(section, 'password', context)
      return [name, new TextDecoder().decode(secret)]
    })
  return new Map(users)
}

/** `local.eap`: how we prove ourselves. */
export function readEapPeer(section: Section, own: OwnCredential | undefined, context: ReadContext): EapMethods {
  const password = section.has('password')
    ? new TextDecoder().decode(readSecret(section, 'password', context))
    : undefined
  const identity = section.text('identity')
  const anonymousIdentity = section.text('anonymousIdentity')
  const methods = readMethods(section, own, context, 'peer')
  const needsPassword = methods.find(({ name }) => passwordMethods.includes(name))
  if (needsPassword !== undefined && password === undefined) {
    section.problem('password', `is missing, and ${needsPassword.name} needs one`, 'a password, or {"file": "path"}')
  }
  const needsUsim = methods.find(({ name }) => akaMethods.includes(name))
  if (needsUsim !== undefined && !section.has('usim')) {
    section.problem('usim', `is missing, and ${needsUsim.name} needs one`, 'an object with k, opc and sqnFile')
  }
  return eapMethods(section, {
    peer: {
      methods,
      credentials: {
        ...(password === undefined ? {} : { password: () => password }),
        ...(section.has('usim') ? akaPeer(section.section('usim'), context) : {}),
      },
      ...(identity === undefined ? {} : { identity }),
      ...(anonymousIdentity === undefined ? {} : { anonymousIdentity }),
    },
  })
}

/** `remote.eap`: how peers prove themselves to us. */
export function readEapServer(section: Section, own: OwnCredential | undefined, context: ReadContext): EapMethods {
  const { eapUsers } = context
  if (section.has('radius')) {
    if (section.has('methods'))
      section.problem('methods', 'is for a server of our own, and radius is set', 'one of both')
    return eapMethods(section, { server: readRadius(section.section('radius'), context), ...readUsers(section) })
  }
  const methods = readMethods(section, own, context, 'server')
  if (section.names().length > 0 && !section.has('methods')) {
    section.problem('methods', 'is missing', 'a list such as ["mschapv2"], or radius in its place')
  }
  const needsUsers = methods.find(({ name }) => passwordMethods.includes(name))
  if (needsUsers !== undefined && eapUsers.size === 0) {
    section.problem('methods', `${needsUsers.name} needs users, and eapUsers has none`, 'an entry in eapUsers')
  }
  checkSubscribers(section, methods, context)
  return eapMethods(section, {
    server: {
      methods,
      credentials: { password: (name) => eapUsers.get(name), ...akaServer(context.akaSubscribers, random) },
      identity: section.choice('identity', ['ask', 'ike']) ?? 'ask',
    },
    ...readUsers(section),
  })
}

function checkSubscribers(section: Section, methods: readonly EapMethod[], { akaSubscribers }: ReadContext): void {
  const aka = methods.find(({ name }) => akaMethods.includes(name))
  if (aka === undefined) return
  const { byName } = akaSubscribers
  if (byName.size === 0) {
    section.problem('methods', `${aka.name} needs subscribers, and akaSubscribers has none`, 'an entry there')
  }
  // RFC 9048 §3.1, 3GPP TS 33.102 annex H: vectors for EAP-AKA' have the bit set, and a peer refuses others.
  const [wrong] = [...byName].find(([, { amf }]) => amf !== undefined && (amf[0]! & 0x80) === 0) ?? []
  if (wrong !== undefined && methods.some(({ name }) => name === 'aka-prime')) {
    section.problem('methods', `aka-prime needs the highest bit of amf, which ${wrong} has not`, 'an amf such as 8000')
  }
}

function readUsers(section: Section): Pick<EapMethodsOptions, 'users'> {
  const users = section.texts('users')
  return users === undefined ? {} : { users: users.map(({ text }) => text) }
}

const passwordMethods: readonly string[] = ['mschapv2', 'md5', 'gtc', 'ttls', 'peap']

const akaMethods: readonly string[] = ['aka', 'aka-prime']

const random: RandomSource = (length) => new Uint8Array(randomBytes(length))

const eapMethods = (section: Section, roles: Pick<EapMethodsOptions, 'peer' | 'server' | 'users'>): EapMethods =>
  new EapMethods({ crypto: nodeProvider, random, setting: formatSetting(section.path), ...roles })

interface Tunnel {
  readonly section: Section
  readonly own: OwnCredential | undefined
  readonly context: ReadContext
  readonly role: 'peer' | 'server'
}

function readMethods(
  section: Section,
  own: OwnCredential | undefined,
  context: ReadContext,
  role: 'peer' | 'server',
): EapMethod[] {
  const names = section.texts('methods') ?? []
  return names.flatMap(({ text, path }) => {
    const method = section.attempt(path, () => methodNamed(text, { section, own, context, role }), allowedMethods)
    return method === undefined ? [] : [method]
  })
}

const allowedMethods =
  'mschapv2, tls, ttls, peap, aka, aka-prime, md5, gtc; those on TLS with authorities, key and certificates'

function methodNamed(name: string, tunnel: Tunnel): EapMethod | undefined {
  const inner = tunnel.section.texts('inner')?.map(({ text }) => text)
  switch (name) {
    case 'mschapv2':
      return mschapv2
    case 'md5':
      return md5Challenge
    case 'gtc':
      return gtc
    case 'aka':
      return newAka()
    case 'aka-prime':
      return newAkaPrime(networkOf(tunnel.section))
    case 'tls':
      return onTls(name, tunnel, (options) => eapTls(options))
    case 'peap':
      return onTls(name, tunnel, (options) =>
        eapPeap({ ...options, ...bindingOf(tunnel.section), methods: (inner ?? ['mschapv2']).map(innerMethod) }),
      )
    case 'ttls':
      return onTls(name, tunnel, (options) => eapTtls({ ...options, ...ttlsInners(inner ?? ['mschapv2']) }))
    default:
      throw new UsageError('methods', `"${name}" is not known`)
  }
}

function networkOf(section: Section): { networkName?: string } {
  const networkName = section.text('networkName')
  return networkName === undefined ? {} : { networkName }
}

/** Of PEAP: whether TLS and what runs inside are shown to have the same ends. */
function bindingOf(section: Section): Pick<EapPeapOptions, 'cryptobinding'> {
  const cryptobinding = section.choice('cryptobinding', ['required', 'offered', 'never'])
  return cryptobinding === undefined ? {} : { cryptobinding }
}

/** Of all methods on TLS. */
function versionsOf(section: Section): Pick<EapTlsOptions, 'minimumVersion' | 'maximumVersion'> {
  const tls = section.section('tls')
  const minimumVersion = tls.choice('minimum', ['1.2', '1.3'])
  const maximumVersion = tls.choice('maximum', ['1.2', '1.3'])
  if (minimumVersion === '1.3' && maximumVersion === '1.2') tls.problem('maximum', 'is below minimum', '1.3')
  return { ...(minimumVersion && { minimumVersion }), ...(maximumVersion && { maximumVersion }) }
}

function innerMethod(name: string): EapMethod {
  const method = [mschapv2, gtc].find((one) => one.name === name)
  if (method === undefined) throw new UsageError('inner', `"${name}" does not run inside of PEAP: mschapv2 and gtc do`)
  return method
}

/** `eap-` and the name of a method: that method in EAP inside of TTLS. */
function ttlsInners(names: readonly string[]): { inner: readonly TtlsInner[]; methods: readonly EapMethod[] } {
  const methods = names.filter((name) => name.startsWith('eap-')).map(ttlsMethod)
  const plain = (['mschapv2', 'pap'] as const).filter((one) => names.includes(one))
  const wrong = names.find((name) => !name.startsWith('eap-') && !plain.some((one) => one === name))
  if (wrong !== undefined) {
    throw new UsageError('inner', `"${wrong}" does not run inside of TTLS: pap, mschapv2 and eap-... do`)
  }
  const inner: TtlsInner[] = methods.length === 0 ? [...plain] : ['eap', ...plain]
  // The first one is what we begin with as a peer.
  return { inner: names[0]?.startsWith('eap-') ? inner : [...plain, ...inner.filter((one) => one === 'eap')], methods }
}

function ttlsMethod(name: string): EapMethod {
  const method = [mschapv2, gtc, md5Challenge].find((one) => `eap-${one.name}` === name)
  if (method === undefined) throw new UsageError('inner', `"${name}" does not run inside of TTLS`)
  return method
}

/** Certificate and key of the TLS inside: of this section, else those of IKE. The other side of `tls` has one too. */
function onTls(name: string, { section, own, context, role }: Tunnel, make: (options: EapTlsOptions) => EapMethod) {
  const credential = hasCredential(section) ? readCredential(section, context) : own
  const ca = readCertificateFiles(section, 'authorities', context)
  if (ca === undefined) return undefined
  const looksAtPeer = role === 'peer' || name === 'tls'
  if (looksAtPeer && ca.length === 0) {
    throw new UsageError('methods', `${name} needs authorities that vouch for the other side`)
  }
  if ((role === 'server' || name === 'tls') && credential === undefined) {
    throw new UsageError('methods', `${name} needs a certificate of ours and its key`)
  }
  const serverNames = section.texts('serverNames')?.map(({ text }) => text)
  if (role === 'peer' && serverNames === undefined) {
    throw new UsageError('methods', `${name} needs serverNames: whose certificate the server may show`)
  }
  const verify = looksAtPeer
    ? eapTrust({ authorities: ca, ...readRevocation(section, context) }, trustWorld(context))
    : undefined
  return make({
    ca,
    ...versionsOf(section),
    ...(verify === undefined ? {} : { verify }),
    ...(credential === undefined ? {} : { certificates: credential.certificates, key: credential.privateKey.pkcs8 }),
    ...(serverNames === undefined ? {} : { serverNames }),
  })
}
