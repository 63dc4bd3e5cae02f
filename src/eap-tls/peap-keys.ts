import { keyMaterial } from './keys.ts'
import type { TlsEngine } from './tls-engine.ts'

/** EAP Type. */
export const peapType = 25

/** Exporter label under TLS 1.2. */
export const peapLabel = 'client EAP encryption'

/** 128 octets, owned by the caller. */
export const peapKeyMaterial = (engine: TlsEngine): Uint8Array => keyMaterial(engine, peapType, peapLabel)
