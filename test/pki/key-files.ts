import { readFileSync } from 'node:fs'

/** One file as OpenSSL made it. */
export interface KeyFileRow {
  readonly name: string
  readonly passphrase: string
  readonly options: string
  readonly file: Uint8Array
}

const json = JSON.parse(readFileSync(new URL('key-files.json', import.meta.url), 'utf8')) as KeyFiles<string>

/** Files of `openssl pkcs12` and `openssl pkcs8`, all with the same key. */
export const keyFiles: KeyFiles<Uint8Array> = {
  pkcs8: octets(json.pkcs8),
  certificates: json.certificates.map(octets),
  containers: json.containers.map(row),
  keys: json.keys.map(row),
  unsupported: row(json.unsupported),
}

interface KeyFiles<Octets> {
  readonly pkcs8: Octets
  readonly certificates: readonly Octets[]
  readonly containers: readonly (Omit<KeyFileRow, 'file'> & { readonly file: Octets })[]
  readonly keys: readonly (Omit<KeyFileRow, 'file'> & { readonly file: Octets })[]
  readonly unsupported: Omit<KeyFileRow, 'file'> & { readonly file: Octets }
}

function octets(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

function row(one: Omit<KeyFileRow, 'file'> & { readonly file: string }): KeyFileRow {
  return { ...one, file: octets(one.file) }
}
