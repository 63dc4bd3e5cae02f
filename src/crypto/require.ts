import { UsageError } from '../errors.ts'
import type { Aead } from './provider.ts'
import {
  type EncrInfo,
  encrInfo,
  hasOwnIntegrity,
  type IntegInfo,
  integInfo,
  type KeGroupInfo,
  keGroupInfo,
  type PrfInfo,
  prfInfo,
  TransformType,
  transformName,
} from './transforms.ts'

/** The sizes of an AEAD for which `key` has a permitted length. Throws `UsageError` otherwise. */
export function requireAead(encr: number, key: Uint8Array): EncrInfo {
  const info = encrInfo(encr)
  if (info === undefined || !hasOwnIntegrity(info)) {
    throw new UsageError('encr', `${transformName(TransformType.ENCR, encr)} is not an AEAD that is implemented`)
  }
  requireKeyBits(info, key)
  return info
}

/**
 * Throws `UsageError` for a nonce of another length than the AEAD's: GCM libraries take any, and hash it into a counter
 * block that no peer would use.
 */
export function requireNonce(aead: Aead, nonce: Uint8Array): void {
  if (nonce.length !== aead.nonceBytes) {
    throw new UsageError('nonce', `must have ${aead.nonceBytes} octets, not ${nonce.length}`)
  }
}

/** The same for the IV of a cipher, salt included. */
export function requireIv(info: EncrInfo, iv: Uint8Array): void {
  const bytes = info.nonceBytes
  if (iv.length !== bytes) throw new UsageError('iv', `must have ${bytes} octets, not ${iv.length}`)
}

/** The key, unless it was wiped by `destroy`: then throws `UsageError`. */
export function requireLive<T>(name: string, key: T | undefined): T {
  if (key === undefined) throw new UsageError(name, 'was destroyed')
  return key
}

/** The sizes of a cipher without integrity for which `key` has a permitted length. Throws `UsageError` otherwise. */
export function requireCipher(encr: number, key: Uint8Array): EncrInfo {
  const info = encrInfo(encr)
  if (info === undefined || (info.kind !== 'cbc' && info.kind !== 'ctr')) {
    throw new UsageError(
      'encr',
      `${transformName(TransformType.ENCR, encr)} is not an unauthenticated cipher that is implemented`,
    )
  }
  requireKeyBits(info, key)
  return info
}

/** A PRF. Throws `UsageError` when it is not implemented. */
export function requirePrf(prf: number): PrfInfo {
  const info = prfInfo(prf)
  if (info === undefined) throw new UsageError('prf', `${transformName(TransformType.PRF, prf)} is not implemented`)
  return info
}

/** The sizes of an integrity transform for which `key` has the right length. Throws `UsageError` otherwise. */
export function requireInteg(integ: number, key: Uint8Array): IntegInfo {
  const info = integInfo(integ)
  const name = transformName(TransformType.INTEG, integ)
  if (info === undefined) throw new UsageError('integ', `${name} is not implemented`)
  if (key.length !== info.keyBytes) {
    throw new UsageError('key', `${name} needs ${info.keyBytes} octets of key, not ${key.length}`)
  }
  return info
}

/** The sizes of a key exchange group. Throws `UsageError` when it is not implemented. */
export function requireGroup(group: number): KeGroupInfo {
  const info = keGroupInfo(group)
  if (info === undefined) {
    throw new UsageError('group', `${transformName(TransformType.KE, group)} is not implemented`)
  }
  return info
}

function requireKeyBits(info: EncrInfo, key: Uint8Array): void {
  if (info.keyBits.includes(8 * key.length)) return
  const name = transformName(TransformType.ENCR, info.id)
  throw new UsageError('key', `${name} takes ${info.keyBits.join(', ')} bits of key, not ${8 * key.length}`)
}
