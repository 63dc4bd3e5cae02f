import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes/index.ts'
import { classify, DatagramKind } from '../../src/nat-t/demux.ts'
import {
  describeFault,
  frameBytes,
  STREAM_PREFIX,
  StreamFault,
  StreamReader,
  writeFrame,
} from '../../src/nat-t/tcp-encapsulation.ts'

/** A message with its length. */
function frame(message: Uint8Array, marker = false): Uint8Array {
  const target = new Uint8Array(frameBytes(message.length, marker))
  expect(writeFrame(target, 0, message, 0, message.length, marker)).toBe(target.length)
  return target
}

/** What comes of a stream that arrives in these pieces, each in a buffer that is overwritten afterwards. */
function read(pieces: readonly Uint8Array[], options: { expectsPrefix?: boolean; mostBytes?: number } = {}) {
  const messages: string[] = []
  const reader = new StreamReader({
    expectsPrefix: true,
    ...options,
    take: (buffer, offset, length) => {
      messages.push(toHex(buffer.subarray(offset, offset + length)))
      buffer.fill(0xee, offset, offset + length)
    },
  })
  for (const piece of pieces) {
    const borrowed = piece.slice()
    reader.push(borrowed)
    borrowed.fill(0xdd)
  }
  return { messages, fault: reader.fault, isInside: reader.isInside }
}

/** Cuts at these places. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => stream.subarray(from, at[i] ?? stream.length))
}

const someMessages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 })
const somePlaces = fc.array(fc.nat(), { maxLength: 20 })

describe('StreamReader', () => {
  it('finds IKE behind its marker, ESP, and keepalives', () => {
    const kinds: number[] = []
    const reader = new StreamReader({
      expectsPrefix: true,
      take: (buffer, offset, length) => kinds.push(classify(buffer, offset, length, false)),
    })
    const esp = fromHex('c000000100000001aabb')
    reader.push(concat(STREAM_PREFIX, frame(Uint8Array.of(1, 2), true), frame(esp), frame(Uint8Array.of(0xff))))
    expect(kinds).toEqual([DatagramKind.IKE, DatagramKind.ESP, DatagramKind.KEEPALIVE])
  })

  it('gives the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(someMessages, somePlaces, (messages, places) => {
        const stream = concat(STREAM_PREFIX, ...messages.map((message) => frame(message)))
        const { messages: got, fault, isInside } = read(cut(stream, places))
        expect(got).toEqual(messages.map(toHex))
        expect(fault).toBe(StreamFault.NONE)
        expect(isInside).toBe(false)
      }),
    )
  })

  it('does with any octets, in any pieces, what it does with them in one', () => {
    const lengths = fc.oneof(fc.nat({ max: 12 }), fc.constantFrom(0, 1, 2, 3, 0xffff))
    const bad = fc
      .tuple(lengths, fc.uint8Array({ maxLength: 12 }))
      .map(([length, body]) => Uint8Array.of(length >>> 8, length & 0xff, ...body))
    const streams = fc.tuple(fc.boolean(), fc.array(fc.oneof(bad, fc.uint8Array({ maxLength: 9 })), { maxLength: 5 }))
    fc.assert(
      fc.property(streams, somePlaces, ([begins, parts], places) => {
        const stream = concat(...(begins ? [STREAM_PREFIX] : []), ...parts)
        expect(read(cut(stream, places))).toEqual(read([stream]))
        expect(read([...stream].map((octet) => Uint8Array.of(octet)))).toEqual(read([stream]))
      }),
    )
  })

  it('knows that a message is under way, whichever octet is the last one', () => {
    const stream = concat(STREAM_PREFIX, frame(Uint8Array.of(7, 8, 9)))
    for (let bytes = 0; bytes < stream.length; bytes++) {
      const { messages, isInside } = read([stream.subarray(0, bytes)])
      expect(messages).toEqual([])
      expect(isInside).toBe(bytes !== STREAM_PREFIX.length)
    }
  })

  it.each([0, 1])('refuses a length of %i, and takes nothing behind it', (length) => {
    const good = frame(Uint8Array.of(5, 5))
    const { messages, fault } = read([concat(STREAM_PREFIX, good, Uint8Array.of(0, length), good)])
    expect(messages).toEqual(['0505'])
    expect(fault).toBe(StreamFault.LENGTH)
    expect(describeFault(fault)).toContain('RFC 9329 §3')
  })

  it('refuses whatever does not begin with the prefix at the first wrong octet', () => {
    const { messages, fault } = read([fromHex('474554202f20485454502f312e310d0a')])
    expect(messages).toEqual([])
    expect(fault).toBe(StreamFault.PREFIX)
    expect(read([fromHex('494b45544351')]).fault).toBe(StreamFault.PREFIX)
    expect(read([frame(Uint8Array.of(1))], { expectsPrefix: false }).fault).toBe(StreamFault.NONE)
  })

  it('takes the longest message, and none longer than is allowed', () => {
    const longest = new Uint8Array(0xffff - 2).fill(3)
    const stream = concat(STREAM_PREFIX, frame(longest))
    expect(read(cut(stream, [7, 9, 3000, 40_000])).messages).toEqual([toHex(longest)])
    expect(read([stream], { mostBytes: 4096 }).fault).toBe(StreamFault.TOO_LONG)
  })

  it('keeps no more room than twice what has come of a message that never ends', () => {
    const reader = new StreamReader({ expectsPrefix: false, take: () => expect.unreachable() })
    reader.push(Uint8Array.of(0xff, 0xff))
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 200 }, () => {
      const one = new StreamReader({ expectsPrefix: false, take: () => {} })
      one.push(Uint8Array.of(0xff, 0xff, 1))
      return one
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 4096)
    expect(readers.every(({ isInside }) => isInside)).toBe(true)
  })
})

describe('writeFrame', () => {
  it('refuses what no length can tell, and touches nothing', () => {
    const target = new Uint8Array(4)
    expect(writeFrame(target, 0, new Uint8Array(65_534), 0, 65_534, false)).toBe(0)
    expect(frameBytes(65_533, false)).toBe(65_535)
    expect(frameBytes(65_530, true)).toBe(0)
    expect(toHex(target)).toBe('00000000')
  })
})

const hasPython = spawnSync('python3', ['-c', '']).status === 0
if (!hasPython) process.stderr.write('skipped: the framing is not held against its twin, because python3 is not here\n')

/** The twin's answers to these lines. */
function askTwin(lines: readonly string[]): string[] {
  const script = fileURLToPath(new URL('tcp-framing-twin.py', import.meta.url))
  const { stdout, status } = spawnSync('python3', [script], { input: lines.join('\n'), encoding: 'utf8' })
  expect(status).toBe(0)
  return stdout.trimEnd().split('\n')
}

describe.skipIf(!hasPython)('an independent twin in Python', () => {
  const kinds = fc.record({ ike: fc.boolean(), body: fc.uint8Array({ minLength: 1, maxLength: 80 }) })
  const isEsp = ({ ike, body }: { ike: boolean; body: Uint8Array }) => ike || (body[0] ?? 0) !== 0

  it('writes what we read, and the same octets as we do', () => {
    const cases = fc.sample(fc.array(kinds.filter(isEsp), { maxLength: 5 }), { numRuns: 200, seed: 1 })
    const lines = cases.map((messages) =>
      ['pack', ...messages.map(({ ike, body }) => `${ike ? 'i' : 'e'}:${toHex(body)}`)].join(' '),
    )
    for (const [i, hex] of askTwin(lines).entries()) {
      const messages = cases[i]!
      expect(toHex(concat(STREAM_PREFIX, ...messages.map(({ ike, body }) => frame(body, ike))))).toBe(hex)
      const whole = messages.map(({ ike, body }) => `${ike ? '00000000' : ''}${toHex(body)}`)
      expect(read([fromHex(hex)]).messages).toEqual(whole)
    }
  })

  it('reads damaged streams as we do', () => {
    const streams = fc.sample(
      fc.tuple(fc.array(kinds, { maxLength: 4 }), fc.nat(), fc.nat({ max: 255 }), fc.nat(), fc.boolean()),
      { numRuns: 300, seed: 2 },
    )
    const octets = streams.map(([messages, place, octet, length, isChanged]) => {
      const stream = concat(STREAM_PREFIX, ...messages.map(({ ike, body }) => frame(body, ike)))
      if (isChanged) stream[place % stream.length] = octet
      return stream.subarray(0, isChanged ? undefined : length % (stream.length + 1))
    })
    const endings: Record<number, string> = { [StreamFault.PREFIX]: 'prefix', [StreamFault.LENGTH]: 'length' }
    for (const [i, answer] of askTwin(octets.map((stream) => `unpack ${toHex(stream)}`)).entries()) {
      const { messages, fault, isInside } = read([octets[i]!])
      const ours = messages.map((hex) => (/^0{8}./.test(hex) ? `i:${hex.slice(8)}` : `e:${hex}`))
      expect([...ours, endings[fault] ?? (isInside ? 'partial' : 'ok')].join(' ')).toBe(answer)
    }
  })
})
