import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { EapConversation } from '../credentials/eap.ts'
import { radiusEapServer } from '../credentials/radius.ts'
import { type RadiusDisconnect, RadiusSessions } from '../credentials/radius-sessions.ts'
import { nodeProvider } from '../crypto/node.ts'
import type { RandomSource } from '../crypto/provider.ts'
import type { EapServerQuestion } from '../ike/questions.ts'
import { type IpAddress, parseIp } from '../ip/address.ts'
import { RadiusAccounting, type RadiusNas, type RadiusServer, UdpRadiusClient } from '../radius/index.ts'
import { readDuration } from './duration.ts'
import { formatSetting } from './problems.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import type { Section } from './section.ts'

/** What all sections `radius` of a configuration have in common. */
export class RadiusSettings {
  readonly #disconnects: RadiusDisconnect[] = []
  readonly #accountings: RadiusAccounting[] = []
  #sessions: RadiusSessions | undefined

  /** Whom the sections tell of the peers that come in. No socket is open before the endpoint opens it. */
  sessions(): RadiusSessions {
    this.#sessions ??= new RadiusSessions({ random, disconnects: this.#disconnects, accountings: this.#accountings })
    return this.#sessions
  }

  /** Disconnect-Requests are taken here. */
  listen(disconnect: RadiusDisconnect): void {
    this.#disconnects.push(disconnect)
  }

  /** This one hears of sessions. */
  account(accounting: RadiusAccounting): void {
    this.#accountings.push(accounting)
  }

  /** Nobody, where there is no section. */
  get companions(): readonly RadiusSessions[] {
    return this.#sessions === undefined ? [] : [this.#sessions]
  }
}

/** `remote.eap.radius`: servers that prove the peers in our place. No socket is open before the first peer comes. */
export function readRadius(section: Section, context: ReadContext): (question: EapServerQuestion) => EapConversation {
  const servers = readServers(section, 1812, context)
  const address = section.parsed('nasAddress', parseIp, 'an IP address')
  const nas = { identifier: section.text('nasIdentifier') ?? hostname(), ...(address !== undefined && { address }) }
  const realm = formatSetting(section.path)
  const accounting = readAccounting(section, servers, nas, context)
  readDisconnect(section, servers, nas, context)
  const interimMs = readDuration(section.section('accounting'), 'interim') ?? 0
  const sessions = context.radius.sessions()
  return radiusEapServer({
    crypto: nodeProvider,
    random,
    client: clientOf(section, servers),
    nas,
    setting: realm,
    onAccept({ sa, connection, remote }, userName, session) {
      if (sa === undefined) return
      const account = { connection, remote, userName, classes: session.classes }
      sessions.admitted({ ikeSaId: sa.id, account, session, accounting, interimMs, realm })
    },
  })
}

/** Left out or false: nobody is told. True: the servers of authentication, at port 1813. */
function readAccounting(
  section: Section,
  servers: readonly RadiusServer[],
  nas: RadiusNas,
  context: ReadContext,
): RadiusAccounting | undefined {
  if (!section.has('accounting') || section.flag('accounting') === false) return undefined
  const given = section.section('accounting')
  const others = servers.map(({ at, secret }) => ({ at: { address: at.address, port: 1813 }, secret }))
  const client = clientOf(section, given.has('servers') ? readServers(given, 1813, context) : others)
  const accounting = new RadiusAccounting(client.ask, nas, () => Date.now() / 1000)
  context.radius.account(accounting)
  return accounting
}

/** Left out or false: RADIUS cannot end a session. True: the servers of authentication may, at port 3799. */
function readDisconnect(
  section: Section,
  servers: readonly RadiusServer[],
  nas: RadiusNas,
  context: ReadContext,
): void {
  if (!section.has('disconnect') || section.flag('disconnect') === false) return
  const given = section.section('disconnect')
  const address = given.parsed('address', parseIp, 'an IP address of this machine') ?? familyAny(servers[0])
  const clients = given.has('clients')
    ? readServers(given, 0, context, 'clients')
    : servers.filter((one) => one.at.address.length === address.length)
  context.radius.listen({
    at: { address, port: given.number('port') ?? 3799 },
    realm: formatSetting(section.path),
    server: {
      crypto: nodeProvider,
      clients: clients.map(({ at, secret }) => ({ address: at.address, secret })),
      nas,
    },
  })
}

const familyAny = (server: RadiusServer | undefined): IpAddress => new Uint8Array(server?.at.address.length ?? 4)

const clientOf = (section: Section, servers: readonly RadiusServer[]): UdpRadiusClient =>
  new UdpRadiusClient({
    crypto: nodeProvider,
    random,
    servers,
    timeoutMs: readDuration(section, 'timeout') ?? 2000,
    tries: section.number('tries') ?? 3,
  })

const readServers = (section: Section, port: number, context: ReadContext, name = 'servers'): RadiusServer[] =>
  (section.list(name) ?? []).flatMap((server) => readServer(server, port, context) ?? [])

function readServer(section: Section, port: number, context: ReadContext): RadiusServer | undefined {
  const address = section.parsed('address', parseIp, 'an IP address')
  const secret = readSecret(section, 'secret', context)
  return address && { at: { address, port: section.number('port') ?? port }, secret }
}

const random: RandomSource = (length) => new Uint8Array(randomBytes(length))
