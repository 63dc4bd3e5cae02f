import type { TlsEngine } from './tls-engine.ts'

/** Key material of a method, 128 octets, owned by the caller. RFC 5216 §2.3, RFC 9190 §2.3, RFC 9427 §2. */
export const keyMaterial = (engine: TlsEngine, type: number, label: string): Uint8Array =>
  engine.version === '1.3'
    ? engine.exportKey('EXPORTER_EAP_TLS_Key_Material', 128, Uint8Array.of(type))
    : engine.exportKey(label, 128)

/** MSK, 64 octets, owned by the caller: the first half of the key material; the second is the EMSK. RFC 5216 §2.3. */
export function masterSessionKey(engine: TlsEngine, type: number, label: string): Uint8Array {
  const material = keyMaterial(engine, type, label)
  const msk = material.slice(0, 64)
  material.fill(0)
  return msk
}
