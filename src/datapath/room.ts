/**
 * Octets in front of each packet for what is put before it without a copy: ESP header and the longest IV are 24 octets, a
 * UDP and an outer IPv6 header would be 48 on their own. One cache line, so that packets begin aligned.
 */
export const HEADROOM = 64

/** Octets behind each packet: ESP adds at most 49 (15 padding, 2 trailer, 32 ICV of HMAC-SHA2-512). */
export const TAILROOM = 64
