import type { EapPeerCredentials, EapServerCredentials } from './method.ts'

/** The users of a list: name to password. A name that is not its own member (`__proto__`) is not known. */
export function usersOf(passwords: Readonly<Record<string, string>>): EapServerCredentials {
  const users = new Map(Object.entries(passwords))
  return { password: (identity) => users.get(identity) }
}

/** A peer with one password. */
export const passwordOf = (password: string): EapPeerCredentials => ({ password: () => password })
