import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PrivateKey } from '../../crypto/signature.ts'
import { PlatformError } from '../../errors.ts'
import { type Certificate, decodeCertificate } from '../../pki/certificate.ts'
import { readPrivateKey } from '../../pki/private-key.ts'
import { readCertificates } from '../../pki/public-files.ts'

/** An authority in its folder: `ca.crt`, `ca.key`, and `ca.crl` once there is one. */
export interface AuthorityFiles {
  readonly folder: string
  readonly certificate: Certificate
  /** With those of the authorities above it but the last, which everybody has to have anyway. */
  readonly chain: readonly Certificate[]
  readonly key: PrivateKey
}

export const authorityPaths = (folder: string): { certificate: string; key: string; crl: string } => ({
  certificate: join(folder, 'ca.crt'),
  key: join(folder, 'ca.key'),
  crl: join(folder, 'ca.crl'),
})

/** Throws `ConfigError` for files that hold something else, and `PlatformError` where there are none. */
export function loadAuthority(folder: string): AuthorityFiles {
  const paths = authorityPaths(folder)
  const remedy = `make an authority with: typeswan pki ca --name "CN=My CA" --out ${folder}`
  const contents = readOctets(paths.certificate, remedy)
  const certificates = readCertificates(contents, { setting: '--ca', file: paths.certificate }).map(decodeCertificate)
  const key = readPrivateKey(readOctets(paths.key, remedy), { setting: '--ca', file: paths.key })
  return { folder, certificate: certificates[0]!, chain: certificates, key }
}

/** The octets of a file. Throws `PlatformError` with `remedy`. */
export function readOctets(path: string, remedy: string): Uint8Array {
  try {
    return Uint8Array.from(readFileSync(path))
  } catch (error) {
    throw fileError(`${path} cannot be read`, error, remedy)
  }
}

export interface OutputFile {
  readonly path: string
  readonly contents: string | Uint8Array
  /** Only its owner may read it. */
  readonly secret?: boolean
}

/** Writes all files, or none where one of them is there already and `force` is not set. Throws `PlatformError`. */
export function writeFiles(folder: string, files: readonly OutputFile[], force: boolean): void {
  const made: string[] = []
  try {
    mkdirSync(folder, { recursive: true })
    // Kept from being written over first, all of them: half a set of a key and a certificate is worse than none.
    if (!force) for (const { path } of files) refuseExisting(path)
    for (const { path, contents, secret } of files) {
      writeFileSync(path, contents, { mode: secret === true ? 0o600 : 0o644, flag: force ? 'w' : 'wx' })
      made.push(path)
    }
  } catch (error) {
    if (error instanceof PlatformError) throw error
    throw fileError(`${files[made.length]?.path ?? folder} cannot be written`, error, '')
  }
}

function refuseExisting(path: string): void {
  try {
    readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  throw new PlatformError(
    'EXISTS',
    `${path} is there already`,
    'choose another folder with --out, or write over it with --force',
  )
}

const fileError = (problem: string, error: unknown, remedy: string): PlatformError =>
  new PlatformError('FILE', `${problem} (${(error as NodeJS.ErrnoException).code ?? String(error)})`, remedy, {
    cause: error,
  })
