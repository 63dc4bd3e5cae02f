import fc from 'fast-check'

/** Texts that are already canonical, for IKE. */
export const ikeText = fc.oneof(
  fc
    .tuple(
      fc.shuffledSubarray(['aes128gcm16', 'aes192gcm16', 'aes256gcm16', 'chacha20poly1305'], { minLength: 1 }),
      fc.shuffledSubarray(['prfsha256', 'prfsha384', 'prfsha512', 'prfsha1'], { minLength: 1 }),
      fc.shuffledSubarray(['x25519', 'ecp256', 'ecp384', 'modp2048', 'modp1024'], { minLength: 1 }),
    )
    .map((parts) => parts.flat().join('-')),
  fc
    .tuple(
      fc.shuffledSubarray(['aes128', 'aes192', 'aes256'], { minLength: 1 }),
      fc.shuffledSubarray(['sha256', 'sha384', 'sha512', 'sha1'], { minLength: 1 }),
      fc.shuffledSubarray(['x25519', 'ecp521', 'modp3072'], { minLength: 1 }),
    )
    .map((parts) => parts.flat().join('-')),
)
/** The same for ESP. */
export const espText = fc
  .tuple(
    fc.oneof(
      fc.shuffledSubarray(['aes128gcm16', 'aes256gcm16', 'chacha20poly1305'], { minLength: 1 }),
      fc
        .tuple(
          fc.shuffledSubarray(['aes128', 'aes256'], { minLength: 1 }),
          fc.shuffledSubarray(['sha256', 'sha512'], { minLength: 1 }),
        )
        .map((parts) => parts.flat()),
    ),
    fc.shuffledSubarray(['ecp256', 'x25519']),
    fc.constantFrom([], ['esn'], ['esn', 'noesn'], ['noesn', 'esn']),
  )
  .map((parts) => parts.flat().join('-'))
