import type { Section } from './section.ts'

/** Those that prove both sides, make a key, and give nobody a hash of a password to guess at: by TLS, before anything else is said. */
const safeMethods: readonly string[] = ['tls', 'ttls', 'peap']

/**
 * Reports where EAP alone would prove the responder by a method that is not safe for that: what an impostor in its place hears of MSCHAPv2
 * lets it try passwords at leisure, and md5 and gtc do not prove a server at all. `eap` is the section of the side that speaks EAP.
 * RFC 5998 §4.
 */
export function checkEapOnly(eap: Section): void {
  if (eap.flag('eapOnlyUnsafe') === true) return
  const allowed = 'tls, ttls or peap; auth "pubkey" for the responder; or eapOnlyUnsafe: true beside it'
  const rule =
    'EAP alone is to prove the responder (eap-only): RFC 5998 §4 wants a method that is mutual and resists dictionaries'
  if (eap.has('radius')) eap.problem('radius', `may choose any method, and ${rule}`, allowed)
  for (const { text, path } of eap.texts('methods') ?? [])
    if (!safeMethods.includes(text)) eap.problems.add(path, `"${text}" is not safe here: ${rule}`, allowed)
}
