import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { EapConversation } from '../credentials/eap.ts'
import { radiusEapServer } from '../credentials/radius.ts'
import { nodeProvider } from '../crypto/node.ts'
import type { RandomSource } from '../crypto/provider.ts'
import type { EapServerQuestion } from '../ike/questions.ts'
import { parseIp } from '../ip/address.ts'
import { type RadiusServer, UdpRadiusClient } from '../radius/index.ts'
import { readDuration } from './duration.ts'
import { formatSetting } from './problems.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import type { Section } from './section.ts'

/** `remote.eap.radius`: servers that prove the peers in our place. No socket is open before the first peer comes. */
export function readRadius(
  section: Section,
  context: Pick<ReadContext, 'readSecretFile'>,
): (question: EapServerQuestion) => EapConversation {
  const client = new UdpRadiusClient({
    crypto: nodeProvider,
    random,
    servers: (section.list('servers') ?? []).flatMap((server) => readServer(server, context) ?? []),
    timeoutMs: readDuration(section, 'timeout') ?? 2000,
    tries: section.number('tries') ?? 3,
  })
  const address = section.parsed('nasAddress', parseIp, 'an IP address')
  return radiusEapServer({
    crypto: nodeProvider,
    random,
    client,
    nas: { identifier: section.text('nasIdentifier') ?? hostname(), ...(address !== undefined && { address }) },
    setting: formatSetting(section.path),
  })
}

function readServer(section: Section, context: Pick<ReadContext, 'readSecretFile'>): RadiusServer | undefined {
  const address = section.parsed('address', parseIp, 'an IP address')
  const secret = readSecret(section, 'secret', context)
  return address && { at: { address, port: section.number('port') ?? 1812 }, secret }
}

const random: RandomSource = (length) => new Uint8Array(randomBytes(length))
