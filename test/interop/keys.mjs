// Lets tshark look inside. The keys that a peer wrote down (strongSwan's log at level 4, a shim's lines) are tried on the captured
// packets until one opens them, so that it does not matter which SA they were made for, after however many rekeys. tshark knows AES-GCM
// and AES-CBC; what is under ChaCha20-Poly1305 stays closed.
import { createDecipheriv, createHmac } from 'node:crypto'

const ikeHeaderBytes = 28
const payloadHeaderBytes = 4
const SKF = 53

/** Names of tshark; the hash and the octets of its ICV, where the cipher has none of its own. */
const gcmIke = (bits) => ({
  encryption: `AES-GCM-${bits} with 16 octet ICV [RFC5282]`,
  integrity: 'NONE [RFC4306]',
  bits,
})
const gcmEsp = { encryption: 'AES-GCM with 16 octet ICV [RFC4106]', integrity: 'NULL' }
const cbcEsp = (integrity, hash, icvBytes) => ({ encryption: 'AES-CBC [RFC3602]', integrity, hash, icvBytes })

function ikeAlgorithm(ike) {
  // Every IKE_INTERMEDIATE changes the keys of an IKE_SA, and tshark takes one set.
  if (ike.includes('-ke1_')) return undefined
  if (ike.startsWith('aes128gcm16-')) return gcmIke(128)
  if (ike.startsWith('aes256gcm16-')) return gcmIke(256)
  const cbc = {
    encryption: 'AES-CBC-256 [RFC3602]',
    integrity: 'HMAC_SHA2_256_128 [RFC4868]',
    hash: 'sha256',
    icvBytes: 16,
  }
  return ike.startsWith('aes256-sha256-') ? cbc : undefined
}

function espAlgorithm(esp) {
  if (/^aes(128|256)gcm16/.test(esp)) return gcmEsp
  if (/^aes\d+-sha256/.test(esp)) return cbcEsp('HMAC-SHA-256-128 [RFC4868]', 'sha256', 16)
  if (/^aes\d+-sha384/.test(esp)) return cbcEsp('HMAC-SHA-384-192 [RFC4868]', 'sha384', 24)
  return /^aes\d+-sha512/.test(esp) ? cbcEsp('HMAC-SHA-512-256 [RFC4868]', 'sha512', 32) : undefined
}

/** The keys in a strongSwan's log: one `{ ei, er, ai, ar }` for each IKE_SA, and all pairs of a CHILD_SA, as buffers. */
export function logKeys(log) {
  const secrets = [...log.matchAll(secretPattern)].map(([, name, dump]) => ({
    name,
    key: Buffer.from([...dump.matchAll(octetsPattern)].map(([, octets]) => octets.replaceAll(' ', '')).join(''), 'hex'),
  }))
  return {
    ike: inSets(secrets, ['Sk_ai secret', 'Sk_ar secret', 'Sk_ei secret', 'Sk_er secret']),
    esp: espPairs(secrets),
  }
}

/** The keys in a shim's lines. */
export function shimKeys(lines) {
  const hex = (line, pattern) => Buffer.from(pattern.exec(line)?.[1] ?? '', 'hex')
  const esp = lines.map((line) => ({
    key: hex(line, /(?:rfc4106\(gcm\(aes\)\)|cbc\(aes\)|aes|encryption \d+) key ([0-9a-f]+)/),
    authKey: hex(line, /(?:hmac\(\w+\)|integrity \d+) key ([0-9a-f]+)/),
  }))
  return { ike: [], esp }
}

/**
 * Options that open the SK payloads of each IKE_SA. `samples` are encrypted messages of the initiators, one for each IKE_SA, as
 * `{ SPIi, SPIr, message }`; an IKE_SA whose keys are not there stays closed.
 */
export function ikeOptions(keys, ike, samples) {
  const algorithm = ikeAlgorithm(ike)
  if (algorithm === undefined) return []
  return samples.flatMap(({ SPIi, SPIr, message }) => {
    const set = keys.find(({ ei, ai }) => opensIke(algorithm, ei, ai, message))
    if (set === undefined) return []
    const hex = [set.ei, set.er, set.ai, set.ar].map((key) => key.toString('hex'))
    const row = [SPIi, SPIr, hex[0], hex[1], quoted(algorithm.encryption), hex[2], hex[3], quoted(algorithm.integrity)]
    return ['-o', `uat:ikev2_decryption_table:${row.join(',')}`]
  })
}

/** Options that open ESP packets. `samples` are packets, one for each SPI. */
export function espOptions(keys, esp, samples) {
  const algorithm = espAlgorithm(esp)
  if (algorithm === undefined) return []
  const rows = samples.flatMap((packet) => {
    const pair = keys.find(({ key, authKey }) => opensEsp(algorithm, key, authKey, packet))
    if (pair === undefined) return []
    const spi = `0x${packet.subarray(0, 4).toString('hex')}`
    // Any address: a NAT changes them on the way.
    const row = [
      'IPv4',
      '*',
      '*',
      spi,
      algorithm.encryption,
      hexKey(pair.key),
      algorithm.integrity,
      hexKey(pair.authKey),
    ]
    return [row.map(quoted).join(',')]
  })
  if (rows.length === 0) return []
  const switches = ['esp.enable_encryption_decode:TRUE', 'esp.enable_authentication_check:TRUE']
  return [...switches, ...rows.map((row) => `uat:esp_sa:${row}`)].flatMap((option) => ['-o', option])
}

/** `title => 16 bytes @ 0x7f` and the dump below it. */
const secretPattern =
  /(Sk_e[ir] secret|Sk_a[ir] secret|(?:encryption|integrity) (?:initiator|responder) key) => .*\n((?:.*> +\d+: (?:[0-9A-F]{2} ?)+ {2}.*\n?)*)/g
const octetsPattern = /> +\d+: ((?:[0-9A-F]{2} ?)+) {2}/g

/** A set begins where a name comes a second time. */
function inSets(secrets, names) {
  const sets = []
  for (const { name, key } of secrets) {
    if (!names.includes(name)) continue
    const field = name.slice(3, 5)
    if (sets.length === 0 || field in sets.at(-1)) sets.push({})
    sets.at(-1)[field] = key
  }
  return sets.map((set) => ({ ai: nothing, ar: nothing, ei: nothing, er: nothing, ...set }))
}

function espPairs(secrets) {
  const of = (what) => secrets.filter(({ name }) => name.startsWith(what)).map(({ key }) => key)
  const [keys, authKeys] = [of('encryption'), of('integrity')]
  return keys.map((key, i) => ({ key, authKey: authKeys[i] ?? nothing }))
}

function opensIke(algorithm, key, authKey, message) {
  const { hash, icvBytes } = algorithm
  if (hash !== undefined) return macMatches(hash, authKey, message, icvBytes)
  const open = ikeHeaderBytes + payloadHeaderBytes + (message[16] === SKF ? 4 : 0)
  return gcmOpens(key, message.subarray(0, open), message.subarray(open))
}

function opensEsp({ hash, icvBytes }, key, authKey, packet) {
  return hash === undefined
    ? gcmOpens(key, packet.subarray(0, 8), packet.subarray(8))
    : macMatches(hash, authKey, packet, icvBytes)
}

function macMatches(hash, authKey, message, icvBytes) {
  if (authKey.length === 0) return false
  const icv = createHmac(hash, authKey).update(message.subarray(0, -icvBytes)).digest().subarray(0, icvBytes)
  return icv.equals(message.subarray(-icvBytes))
}

/** `sealed` is the 8 octets of IV, the ciphertext and the 16 octets of ICV; the key ends in 4 octets of salt. */
function gcmOpens(key, aad, sealed) {
  if (key.length !== 20 && key.length !== 36) return false
  const nonce = Buffer.concat([key.subarray(-4), sealed.subarray(0, 8)])
  const decipher = createDecipheriv(`aes-${(key.length - 4) * 8}-gcm`, key.subarray(0, -4), nonce)
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16))
  decipher.update(sealed.subarray(8, -16))
  try {
    decipher.final()
    return true
  } catch {
    return false
  }
}

const nothing = Buffer.alloc(0)
const quoted = (text) => `"${text}"`
const hexKey = (key) => (key.length === 0 ? '' : `0x${key.toString('hex')}`)
