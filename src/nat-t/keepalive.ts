/** A NAT keepalive's UDP payload: one octet 0xFF. Shared; do not write to it. RFC 3948 §2.3. */
export const KEEPALIVE_PAYLOAD: Uint8Array = Uint8Array.of(0xff)
