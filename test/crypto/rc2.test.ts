import { expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/bytes/index.ts'
import { rc2CbcDecrypt } from '../../src/crypto/rc2.ts'

// RFC 2268 §5.
it.each([
  { key: '0000000000000000', bits: 63, plain: '0000000000000000', cipher: 'ebb773f993278eff' },
  { key: 'ffffffffffffffff', bits: 64, plain: 'ffffffffffffffff', cipher: '278b27e42e2f0d49' },
  { key: '3000000000000000', bits: 64, plain: '1000000000000001', cipher: '30649edf9be7d2c2' },
  { key: '88', bits: 64, plain: '0000000000000000', cipher: '61a8a244adacccf0' },
  { key: '88bca90e90875a', bits: 64, plain: '0000000000000000', cipher: '6ccf4308974c267f' },
  { key: '88bca90e90875a7f0f79c384627bafb2', bits: 64, plain: '0000000000000000', cipher: '1a807d272bbe5db1' },
  { key: '88bca90e90875a7f0f79c384627bafb2', bits: 128, plain: '0000000000000000', cipher: '2269552ab0f85ca6' },
])('RC2 with $bits effective bits of $key', ({ key, bits, plain, cipher }) => {
  const iv = fromHex('00112233445566ff')
  const chained = fromHex(plain).map((octet, i) => octet ^ iv[i]!)
  expect(toHex(rc2CbcDecrypt(fromHex(key), bits, iv, fromHex(cipher)))).toBe(toHex(chained))
})

it('chains each block with the one before', () => {
  const [key, zero, block] = [fromHex('ffffffffffffffff'), new Uint8Array(8), fromHex('278b27e42e2f0d49')]
  const twice = rc2CbcDecrypt(key, 64, zero, Uint8Array.of(...block, ...block))
  expect(toHex(twice)).toBe(`ffffffffffffffff${toHex(block.map((octet) => octet ^ 0xff))}`)
})
