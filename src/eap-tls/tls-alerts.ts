/** TLS alert descriptions: name and what it means for the one who set this up. RFC 8446 §6, RFC 5246 §7.2. */
const alerts = new Map<number, readonly [name: string, meaning: string]>([
  [0, ['close_notify', 'it ended the TLS session']],
  [10, ['unexpected_message', 'it got a TLS message out of order']],
  [20, ['bad_record_mac', 'a TLS record did not decrypt']],
  [22, ['record_overflow', 'a TLS record was too long']],
  [40, ['handshake_failure', 'no TLS parameters in common, or a certificate that it needs is missing']],
  [41, ['no_certificate', 'it has no certificate to show']],
  [42, ['bad_certificate', 'it takes the certificate for damaged or its signature for wrong']],
  [43, ['unsupported_certificate', 'it cannot use certificates of this kind, or not for this purpose']],
  [44, ['certificate_revoked', 'the certificate is revoked']],
  [45, ['certificate_expired', 'the certificate has expired or is not yet valid, by its clock']],
  [46, ['certificate_unknown', 'it does not accept the certificate, for instance because of the name in it']],
  [47, ['illegal_parameter', 'a TLS field was out of range']],
  [48, ['unknown_ca', 'it does not have the CA that issued the certificate']],
  [49, ['access_denied', 'the certificate is good, and still not allowed in']],
  [50, ['decode_error', 'a TLS message was malformed']],
  [51, ['decrypt_error', 'a signature or the handshake as a whole did not verify']],
  [70, ['protocol_version', 'no TLS version in common']],
  [71, ['insufficient_security', 'the TLS parameters are too weak for it']],
  [80, ['internal_error', 'it has a fault of its own']],
  [86, ['inappropriate_fallback', 'a lower TLS version was tried than both ends have']],
  [90, ['user_canceled', 'it was ended by a person']],
  [100, ['no_renegotiation', 'it does not negotiate again']],
  [109, ['missing_extension', 'a TLS extension that it needs is missing']],
  [110, ['unsupported_extension', 'it got a TLS extension that it did not ask for']],
  [112, ['unrecognized_name', 'it has no certificate for the server name asked for']],
  [113, ['bad_certificate_status_response', 'the OCSP answer with the certificate was not good']],
  [115, ['unknown_psk_identity', 'it does not know the TLS session or key']],
  [116, ['certificate_required', 'it wants a certificate of ours, and got none']],
  [120, ['no_application_protocol', 'no application protocol in common']],
])

/** `unknown_ca (48)`, or the number alone. */
export const alertName = (description: number): string => {
  const known = alerts.get(description)
  return known === undefined ? `alert ${description}` : `${known[0]} (${description})`
}

/** What an alert of the other side means, as the end of a sentence about it. */
export const alertMeaning = (description: number): string => alerts.get(description)?.[1] ?? 'it says no more'

/**
 * The description in an alert record that is not encrypted, undefined for anything else: what the TLS stack says when a handshake
 * fails early. `record` begins at a record header. RFC 8446 §5.1.
 */
export function plainAlert(record: Uint8Array): number | undefined {
  const alert = record.length === 7 && record[0] === alertContentType && record[3] === 0 && record[4] === 2
  return alert ? record[6] : undefined
}

/** The description in an error of OpenSSL about an alert that it received, undefined for other errors. */
export function receivedAlert(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const found = /SSL alert number (\d+)/.exec(error.message)
  return found === null ? undefined : Number(found[1])
}

const alertContentType = 21
