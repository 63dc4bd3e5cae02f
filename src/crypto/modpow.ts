/**
 * base^exponent mod modulus, the exponent as big-endian octets. Fixed windows of 4 bits with a multiplication for each, so
 * that the sequence of operations depends on the exponent's length only. The BigInt operations themselves are not
 * constant time in any engine: where somebody can measure the time of a handshake closely, use another provider.
 */
export function modPow(base: bigint, exponent: Uint8Array, modulus: bigint): bigint {
  const powers = [1n]
  for (let i = 1; i < 16; i++) powers.push((powers[i - 1]! * base) % modulus)
  let result = 1n
  for (const octet of exponent) {
    result = (raise16(result, modulus) * powers[octet >>> 4]!) % modulus
    result = (raise16(result, modulus) * powers[octet & 15]!) % modulus
  }
  return result
}

/** value^16 mod modulus. */
function raise16(value: bigint, modulus: bigint): bigint {
  let result = value
  for (let i = 0; i < 4; i++) result = (result * result) % modulus
  return result
}
