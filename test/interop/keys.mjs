// Lets tshark look inside: the keys of a case, from the log of its strongSwan daemon (which logs them at level 4), as
// preferences for tshark. It knows AES-GCM and AES-CBC; what is under ChaCha20-Poly1305 stays closed.

const ikeAlgorithms = {
  'aes128gcm16-prfsha256-ecp256': ['AES-GCM-128 with 16 octet ICV [RFC5282]', 'NONE [RFC4306]'],
  'aes256gcm16-prfsha384-ecp384': ['AES-GCM-256 with 16 octet ICV [RFC5282]', 'NONE [RFC4306]'],
  'aes256-sha256-modp2048': ['AES-CBC-256 [RFC3602]', 'HMAC_SHA2_256_128 [RFC4868]'],
}
const espAlgorithms = {
  aes128gcm16: ['AES-GCM with 16 octet ICV [RFC4106]', 'NULL'],
  aes256gcm16: ['AES-GCM with 16 octet ICV [RFC4106]', 'NULL'],
  'aes256-sha256': ['AES-CBC [RFC3602]', 'HMAC-SHA-256-128 [RFC4868]'],
  'aes128-sha384': ['AES-CBC [RFC3602]', 'HMAC-SHA-384-192 [RFC4868]'],
  'aes256-sha512': ['AES-CBC [RFC3602]', 'HMAC-SHA-512-256 [RFC4868]'],
}

/** `SPIi` and `SPIr` as hexadecimal. Options that open SK payloads; none when tshark cannot. */
export function ikeOptions(log, ike, SPIi, SPIr) {
  const algorithms = ikeAlgorithms[ike]
  if (algorithms === undefined) return []
  const keys = ['Sk_ei', 'Sk_er', 'Sk_ai', 'Sk_ar'].map((name) => secret(log, `${name} secret`))
  const [encryption, integrity] = algorithms
  const row = [SPIi, SPIr, keys[0], keys[1], quoted(encryption), keys[2], keys[3], quoted(integrity)]
  return ['-o', `uat:ikev2_decryption_table:${row.join(',')}`]
}

/** Options that open ESP packets; none when tshark cannot. */
export function espOptions(log, esp) {
  const algorithms = espAlgorithms[withoutGroup(esp)]
  const inbound = /adding inbound ESP SA\n.*SPI 0x([0-9a-f]+), src (\S+) dst (\S+)/.exec(log)
  const outbound = /adding outbound ESP SA\n.*SPI 0x([0-9a-f]+), src (\S+) dst (\S+)/.exec(log)
  if (algorithms === undefined || !inbound || !outbound) return []
  // strongSwan names the keys after the roles; only the initiator's own outbound SA has the initiator's key.
  const initiated = /\bestablishing CHILD_SA\b/.test(log)
  const rows = [
    [outbound[1], initiated ? 'initiator' : 'responder'],
    [inbound[1], initiated ? 'responder' : 'initiator'],
  ].map(([spi, role]) => {
    const key = hexKey(secret(log, `encryption ${role} key`))
    const authKey = hexKey(secret(log, `integrity ${role} key`))
    // Any address: a NAT changes them on the way.
    return ['IPv4', '*', '*', `0x${spi}`, algorithms[0], key, algorithms[1], authKey].map(quoted).join(',')
  })
  return openEsp(rows)
}

/** The same for a daemon with a shim, from the shim's lines. */
export function shimEspOptions(lines, esp) {
  const algorithms = espAlgorithms[withoutGroup(esp)]
  if (algorithms === undefined) return []
  const rows = lines.map((line) => {
    const spi = /\bspi ([0-9a-f]+)/.exec(line)[1]
    const key = /(?:rfc4106\(gcm\(aes\)\)|cbc\(aes\)|aes|encryption \d+) key ([0-9a-f]+)/.exec(line)?.[1] ?? ''
    const authKey = /(?:hmac\(\w+\)|integrity \d+) key ([0-9a-f]+)/.exec(line)?.[1] ?? ''
    const columns = ['IPv4', '*', '*', `0x${spi}`, algorithms[0], hexKey(key), algorithms[1], hexKey(authKey)]
    return columns.map(quoted).join(',')
  })
  return rows.length === 0 ? [] : openEsp(rows)
}

const openEsp = (rows) =>
  [
    'esp.enable_encryption_decode:TRUE',
    'esp.enable_authentication_check:TRUE',
    ...rows.map((row) => `uat:esp_sa:${row}`),
  ].flatMap((option) => ['-o', option])

/** The hexadecimal octets that the log dumps behind `title`; empty when there are none. */
function secret(log, title) {
  const lines = log.slice(Math.max(0, log.indexOf(`${title} =>`))).split('\n')
  if (!lines[0].startsWith(`${title} =>`)) return ''
  const dump = lines.slice(
    1,
    lines.findIndex((line, i) => i > 0 && !dumped.test(line)),
  )
  return dump.map((line) => dumped.exec(line)[1].replaceAll(' ', '')).join('')
}

const dumped = /> +\d+: ((?:[0-9A-F]{2} ?)+) {2}/
const withoutGroup = (esp) => esp.replace(/-(ecp|modp|x|curve)\d+(e\d+)?$/, '')
const quoted = (text) => `"${text}"`
const hexKey = (hex) => (hex === '' ? '' : `0x${hex}`)
