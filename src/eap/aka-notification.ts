/** Notification codes: the highest bit means success, the second that it comes before the challenge. RFC 4187 §10.19. */
export const akaNotification = {
  generalFailureAfter: 0,
  generalFailureBefore: 0x4000,
  success: 0x8000,
} as const

/** True for a code that says success. */
export const saysSuccess = (code: number): boolean => code >= 0x8000

/** True for a code that comes after the challenge, and so under AT_MAC. */
export const isAfterChallenge = (code: number): boolean => (code & 0x4000) === 0

/** RFC 4187 §10.19. */
export function akaNotificationText(code: number): string {
  const meaning = meanings[code]
  return `the server refused us (EAP-AKA notification ${code})${meaning === undefined ? '' : `: ${meaning}`}`
}

const meanings: Readonly<Record<number, string>> = {
  0: 'general failure after authentication',
  1026: 'access is denied to us for a while',
  1031: 'we have not subscribed to this service',
  16384: 'general failure; our identity or the answer of our USIM may be wrong',
}
