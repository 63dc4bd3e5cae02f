import type { RawPeerKey } from '../credentials/trust.ts'
import { formatIdentity, identityMatches, isWildcard } from '../ike/auth/identity.ts'
import type { Identity } from '../ike/config.ts'
import { readPublicKey } from '../pki/public-files.ts'
import { formatSetting, type SettingPath } from './problems.ts'
import { readFiles } from './read-files.ts'
import { parseLocalId } from './read-identity.ts'
import type { ReadContext } from './read-secret.ts'
import type { Section } from './section.ts'

/**
 * `publicKeys`: keys without a certificate, each of one identity (RFC 7670 says nothing of whose a key is): the one that stands with it, else the one
 * that `peerId`, whom the section takes, stands for.
 */
export function readRawKeys(section: Section, context: ReadContext, peerId: Identity | undefined): RawPeerKey[] {
  const keysOf = (octets: Uint8Array, path: SettingPath) => [
    readPublicKey(octets, { setting: formatSetting(path) }).spki,
  ]
  const plain = section.texts('publicKeys') ?? []
  const isOne = peerId !== undefined && !isWildcard(peerId)
  const [first] = plain
  if (first !== undefined && !isOne)
    section.problems.add(
      first.path,
      `is the key of nobody in particular: ${peerId === undefined ? 'any identity' : formatIdentity(peerId)} is taken, so its holder could say to be anybody`,
      'an object with file and id, {"file": "alice.pub", "id": "alice@example.org"}, or an id of one peer',
    )
  const ofPeer = isOne ? readFiles(section, plain, context, keysOf) : []
  const named = (section.list('publicKeys') ?? []).flatMap((entry) => {
    const file = entry.text('file')
    if (file === undefined) return []
    const id = entry.parsed('id', parseLocalId, 'the identity of one peer')
    if (id !== undefined && !identityMatches(peerId, id))
      entry.problem('id', `"${formatIdentity(id)}" is not taken here`, `one that is: ${formatIdentity(peerId!)}`)
    const path = [...entry.path, 'file']
    const spkis = readFiles(section, [{ text: file, path }], context, keysOf)
    return id === undefined ? [] : spkis.map((spki) => ({ spki, id }))
  })
  return [...ofPeer.map((spki) => ({ spki, id: peerId! })), ...named]
}
