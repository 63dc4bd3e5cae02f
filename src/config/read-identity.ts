import { UsageError } from '../errors.ts'
import { isWildcard, parseIdentity } from '../ike/auth/identity.ts'
import type { Identity } from '../ike/config.ts'

/** An identity of ours. Throws `UsageError`. */
export function parseLocalId(text: string): Identity {
  const id = parseIdentity(text)
  if (isWildcard(id)) throw new UsageError('id', `"${text}" stands for many identities, and we are one`)
  return id
}

/** An identity that a peer has to have. Throws `UsageError`. */
export const parseRemoteId = (text: string): Identity => parseIdentity(text)
