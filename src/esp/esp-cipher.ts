/**
 * A keyed ESP transform that works in place. A packet starts with its SPI at `buffer[at]`; behind SPI and sequence number
 * stands the IV, then `textLength` octets of text (payload, padding, pad length, next header), then the ICV.
 * `sequenceHigh` is used with ESN only.
 */
export interface EspCipher {
  /** Octets of IV in the packet; 0 where the sequence number takes its place, or there is no cipher. */
  readonly ivBytes: number
  readonly icvBytes: number
  /** `textLength` is a multiple of it. */
  readonly blockBytes: number
  /** True when the IV must be unpredictable, false when it must only never repeat (a counter will do). */
  readonly unpredictableIv: boolean
  /** Encrypts the text and writes the ICV. SPI, sequence number and IV are in place. */
  seal(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): void
  /** Verifies the ICV and decrypts. False when the ICV is wrong; the packet's contents are then unspecified. Never throws for any content. */
  open(buffer: Uint8Array, at: number, textLength: number, sequenceHigh: number): boolean
  /** Wipes the keys; the object must not be used afterwards. */
  destroy(): void
}
