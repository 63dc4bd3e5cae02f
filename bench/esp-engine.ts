import { nobleProvider } from '../src/crypto/index.ts'
import { nodeProvider } from '../src/crypto/node.ts'
import type { CryptoProvider } from '../src/crypto/provider.ts'
import { Encr, Integ } from '../src/crypto/transforms.ts'
import { EspDecapsulator, EspEncapsulator, type EspSaParameters, newDecapResult } from '../src/esp/index.ts'
import type { Bench, Variant } from './harness.ts'

const innerBytes = 1400
const headroom = 64
const IPV4 = 4
const key = (bytes: number) => new Uint8Array(bytes).fill(7)

const suites: Record<string, Pick<EspSaParameters, 'encr' | 'integ'>> = {
  aes128gcm16: { encr: { id: Encr.ENCR_AES_GCM_16, key: key(16), salt: key(4) } },
  aes256gcm16: { encr: { id: Encr.ENCR_AES_GCM_16, key: key(32), salt: key(4) } },
  chacha20poly1305: { encr: { id: Encr.ENCR_CHACHA20_POLY1305, key: key(32), salt: key(4) } },
  'aes256-sha256': {
    encr: { id: Encr.ENCR_AES_CBC, key: key(32), salt: key(0) },
    integ: { id: Integ.AUTH_HMAC_SHA2_256_128, key: key(32) },
  },
}

export const bench: Bench = {
  question: `How many packets with ${innerBytes} octets inside does one thread seal, or seal and open, for each suite and provider?`,
  unit: 'packets',
  variants: () =>
    Object.entries(suites).flatMap(([suite, parameters]) =>
      [nodeProvider, nobleProvider].flatMap((provider) => [
        seal(suite, provider, parameters),
        sealAndOpen(suite, provider, parameters),
      ]),
    ),
}

function seal(suite: string, provider: CryptoProvider, parameters: Pick<EspSaParameters, 'encr' | 'integ'>): Variant {
  const encapsulator = new EspEncapsulator(provider, { spi: 256, esn: true, replayWindow: 1024, ...parameters }, random)
  const buffer = new Uint8Array(2048)
  return {
    name: `${suite} ${provider.name} seal`,
    octets: innerBytes,
    run(n) {
      for (let i = 0; i < n; i++) {
        if (encapsulator.encapsulate(buffer, headroom, innerBytes, IPV4) < 0) throw new Error('not sealed')
      }
    },
  }
}

function sealAndOpen(
  suite: string,
  provider: CryptoProvider,
  parameters: Pick<EspSaParameters, 'encr' | 'integ'>,
): Variant {
  const sa = { spi: 256, esn: true, replayWindow: 1024, ...parameters }
  const encapsulator = new EspEncapsulator(provider, sa, random)
  const decapsulator = new EspDecapsulator(provider, sa)
  const result = newDecapResult()
  const buffer = new Uint8Array(2048)
  return {
    name: `${suite} ${provider.name} seal+open`,
    octets: innerBytes,
    run(n) {
      for (let i = 0; i < n; i++) {
        const length = encapsulator.encapsulate(buffer, headroom, innerBytes, IPV4)
        if (decapsulator.decapsulate(buffer, headroom - encapsulator.headerBytes, length, result) !== 0) {
          throw new Error('not opened')
        }
      }
    },
  }
}

/** IVs for CBC: how fast the source is must not decide. */
function random(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}
