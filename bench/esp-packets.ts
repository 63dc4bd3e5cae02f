import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nobleProvider } from '../src/crypto/index.ts'
import { nodeProvider } from '../src/crypto/node.ts'
import type { Aead, CryptoProvider } from '../src/crypto/provider.ts'
import { Encr, Integ } from '../src/crypto/transforms.ts'
import { EspDecapsulator, EspEncapsulator, type EspSaParameters, newDecapResult } from '../src/esp/index.ts'
import { type Figures, measure, type Report, type Variant } from './harness.ts'
import { nobleOneShot, nodeOneShot, type OneShot } from './standalone/esp-one-shot.ts'

const headroom = 64
const IPV4 = 4
const sizes = [64, 512, 1400]
const packetsForMemory = 100
const key = (bytes: number) => new Uint8Array(bytes).fill(7)

type Algorithms = Pick<EspSaParameters, 'encr' | 'integ'>

const sha256 = { id: Integ.AUTH_HMAC_SHA2_256_128, key: key(32) }
const suites: Readonly<Record<string, Algorithms>> = {
  aes128gcm16: { encr: { id: Encr.ENCR_AES_GCM_16, key: key(16), salt: key(4) } },
  aes256gcm16: { encr: { id: Encr.ENCR_AES_GCM_16, key: key(32), salt: key(4) } },
  chacha20poly1305: { encr: { id: Encr.ENCR_CHACHA20_POLY1305, key: key(32), salt: key(4) } },
  aes256ccm16: { encr: { id: Encr.ENCR_AES_CCM_16, key: key(32), salt: key(3) } },
  'aes256-sha256': { encr: { id: Encr.ENCR_AES_CBC, key: key(32), salt: key(0) }, integ: sha256 },
  'aes128ctr-sha256': { encr: { id: Encr.ENCR_AES_CTR, key: key(16), salt: key(4) }, integ: sha256 },
  'null-sha256': { encr: { id: Encr.ENCR_NULL, key: key(0), salt: key(0) }, integ: sha256 },
  aes256gmac: { encr: { id: Encr.ENCR_NULL_AUTH_AES_GMAC, key: key(32), salt: key(4) } },
}

/** Does nothing and allocates nothing: what is left is the work of `src/esp`. */
const nothing: Aead = { nonceBytes: 12, tagBytes: 16, seal() {}, open: () => true, destroy() {} }
const noProvider: CryptoProvider = { ...nodeProvider, name: 'none', aead: () => nothing }

interface Row {
  readonly suite: string
  readonly bytes: number
  readonly provider: CryptoProvider
  readonly oneShot?: (bytes: number) => OneShot | undefined
}

export const report: Report = {
  question:
    'What does a packet cost: the whole of ESP, beside one call of the library alone? ns a packet (least of all rounds), and octets allocated for it',
  run({ quick, numberOf }) {
    const rows = Object.keys(suites).flatMap((suite) =>
      sizes.flatMap((bytes): Row[] => [
        { suite, bytes, provider: nodeProvider, oneShot: (length) => nodeOneShot(suite, length) },
        { suite, bytes, provider: nobleProvider, oneShot: (length) => nobleOneShot(suite, length) },
      ]),
    )
    const all = [...sizes.map((bytes) => ({ suite: 'aes128gcm16', bytes, provider: noProvider })), ...rows]
    const variants = all.map(variantsOf)
    const rounds = numberOf('rounds') ?? (quick ? 3 : 9)
    const figures = measure(
      { question: '', unit: 'packets', variants: () => variants.flat() },
      rounds,
      numberOf('slice') ?? (quick ? 20 : 60),
    )
    const nsOf = new Map(figures.map((figure) => [figure.name, ns(figure)]))
    const head = [
      'suite',
      'octets',
      'provider',
      'encapsulate',
      'alone',
      'decapsulate',
      'alone',
      'octets: encapsulate',
      'alone',
    ]
    return [
      [...head, 'decapsulate', 'alone'],
      ...all.map(({ suite, bytes, provider }, at) => {
        const cell = (what: string) => nsOf.get(nameOf(suite, bytes, provider, what)) ?? '-'
        const memory = (what: string) => {
          const variant = variants[at]!.find(({ name }) => name === nameOf(suite, bytes, provider, what))
          return variant === undefined ? '-' : String(allocated(variant))
        }
        const kinds = ['seal', 'seal alone', 'open', 'open alone']
        const named = provider === noProvider ? 'none: ours alone' : suite
        return [named, String(bytes), provider.name, ...kinds.map(cell), ...kinds.map(memory)]
      }),
    ]
  },
}

const nameOf = (suite: string, bytes: number, provider: CryptoProvider, what: string) =>
  `${suite} ${bytes} ${provider.name} ${what}`

/** Least of all rounds: what else runs on the machine only adds to it. */
const ns = ({ highest }: Figures) => (1e9 / highest).toFixed(0)

function variantsOf({ suite, bytes, provider, oneShot }: Row): Variant[] {
  const sa = { spi: 256, esn: false, replayWindow: 1024, ...suites[suite]! }
  const name = (what: string) => nameOf(suite, bytes, provider, what)
  const alone = oneShot?.(bytes)
  return [
    { name: name('seal'), run: sealer(provider, sa, bytes) },
    { name: name('open'), run: opener(provider, sa, bytes) },
    ...(alone === undefined
      ? []
      : [
          { name: name('seal alone'), run: repeated(alone.seal) },
          { name: name('open alone'), run: repeated(alone.open) },
        ]),
  ]
}

function sealer(provider: CryptoProvider, sa: EspSaParameters, bytes: number): Variant['run'] {
  const encapsulator = new EspEncapsulator(provider, sa, random)
  const buffer = new Uint8Array(2048)
  return (n) => {
    for (let i = 0; i < n; i++) {
      if (encapsulator.encapsulate(buffer, headroom, bytes, IPV4) < 0) throw new Error('not sealed')
    }
  }
}

/** The same packet again and again: the window is set back, and what was opened in place is put there anew. */
function opener(provider: CryptoProvider, sa: EspSaParameters, bytes: number): Variant['run'] {
  const encapsulator = new EspEncapsulator(provider, sa, random)
  const decapsulator = new EspDecapsulator(provider, sa)
  const { replay } = decapsulator
  const buffer = new Uint8Array(2048)
  const length = encapsulator.encapsulate(buffer, headroom, bytes, IPV4)
  const sealed = buffer.slice()
  const result = newDecapResult()
  return (n) => {
    for (let i = 0; i < n; i++) {
      buffer.set(sealed)
      replay.low = 0
      replay.bitmap[0] = 0
      if (decapsulator.decapsulate(buffer, headroom - encapsulator.headerBytes, length, result) !== 0) {
        throw new Error('not opened')
      }
    }
  }
}

const repeated =
  (work: () => unknown): Variant['run'] =>
  (n) => {
    for (let i = 0; i < n; i++) work()
  }

/** Octets that a packet allocates, on V8's heap and beside it: the median of several looks, each behind a collection and too short for another. */
function allocated({ run }: Variant): number {
  const looks = Array.from({ length: 9 }, () => {
    collect()
    const before = memory()
    run(packetsForMemory)
    return memory() - before - ofLooking
  }).sort((one, other) => one - other)
  return Math.max(0, Math.round(looks[4]! / packetsForMemory))
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString('--expose-gc')
// Typed by nobody: the flag makes it a global of new contexts.
const collect = runInNewContext('gc') as () => void

const ofLooking = Array.from({ length: 51 }, () => -memory() + memory()).sort((one, other) => one - other)[25]!

/** IVs for CBC: how fast the source is must not decide. */
function random(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}
