import { concat, toHex } from '../../src/bytes/index.ts'
import type { ChildKeys, IkeKeys } from '../../src/ike/keys/keymat.ts'

/** All seven secrets in hexadecimal, by name. */
export const hexIkeKeys = (keys: IkeKeys): Record<string, string> =>
  Object.fromEntries(Object.entries(keys).map(([name, key]: [string, Uint8Array]) => [name, toHex(key)]))

/** In the order of KEYMAT, cipher keys with their salt, missing integrity keys empty. */
export function flatChildKeys(keys: ChildKeys): string[] {
  const integ = (key: Uint8Array | undefined) => (key === undefined ? '' : toHex(key))
  const encr = ({ key, salt }: ChildKeys['encrI2R']) => toHex(concat(key, salt))
  return [encr(keys.encrI2R), integ(keys.integI2R), encr(keys.encrR2I), integ(keys.integR2I)]
}
