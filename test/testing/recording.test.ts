import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeProvider } from '../../src/crypto/node.ts'
import { openRecordingFile } from '../../src/endpoint/recording-file.ts'
import { decodePlain, encodePlain } from '../../src/ike/recording/recording-json.ts'
import { createPair, replayRecording, VirtualTraffic } from '../../src/testing/index.ts'

/** A handshake with a loss, a further exchange and the end of it. */
function record(secrets: boolean) {
  const lines: string[] = []
  const { a, b, network, clock, connect } = createPair({ recordA: { write: (line) => lines.push(line), secrets } })
  network.drop({ from: b, exchange: 'IKE_AUTH' }, { nth: 1 })
  connect()
  const traffic = new VirtualTraffic(a, b)
  traffic.send()
  clock.advance(100_000)
  a.roam('192.0.2.9')
  clock.advance(10_000)
  a.perform(a.ike.deleteIke(a.ikeSa.sa.id, a.now))
  clock.advance(1000)
  return { lines, text: lines.join('\n'), connections: a.options.connections }
}

const recording = record(true)

/** The recording with one octet of hexadecimal changed in a line. */
function changed(line: number, after: string, octet: number, xor = 1): string {
  const lines = [...recording.lines]
  const text = lines[line]!
  const at = text.indexOf(after) + after.length + 2 * octet
  const old = Number.parseInt(text.slice(at, at + 2), 16)
  lines[line] = `${text.slice(0, at)}${(old ^ xor).toString(16).padStart(2, '0')}${text.slice(at + 2)}`
  return lines.join('\n')
}

const lineOf = (...parts: string[]) => recording.lines.findIndex((line) => parts.every((part) => line.includes(part)))

describe('a recording', () => {
  it('runs again to the same octets, with any provider', () => {
    const steps = recording.lines.length - 1
    expect(steps).toBeGreaterThan(8)
    expect(replayRecording(recording.text)).toEqual({ steps })
    expect(replayRecording(recording.text, { crypto: nodeProvider })).toEqual({ steps })
  })

  it('holds the pre-shared key only when asked, and then needs it for the replay', () => {
    const { text, connections, lines } = record(false)
    const psk = Buffer.from('correct horse battery staple').toString('hex')
    expect(text).not.toContain(psk)
    expect(recording.text).toContain(psk)
    expect(() => replayRecording(text)).toThrow('made without secrets')
    expect(replayRecording(text, { connections })).toEqual({ steps: lines.length - 1 })
  })

  it('holds no keys of states beside the entropy', () => {
    expect(lineOf('"verb":"newSa"')).toBeGreaterThan(0)
    expect(recording.text).toMatch(/"encr":\{"id":20,"key":null,"salt":null\}/)
  })
})

describe('a replay that leaves its recording', () => {
  it('tells the octet of the message that differs', () => {
    const line = lineOf('"call":"initiate"')
    const { steps, difference } = replayRecording(changed(line, '"message":{"$hex":"', 47))
    expect(steps).toBe(line - 1)
    expect(difference).toMatchObject({ step: line, call: 'initiate', where: 'result[0].message octet 47' })
    expect(difference!.recorded).not.toBe(difference!.replayed)
  })

  it('tells that an octet drawn was another: the messages made of it are', () => {
    const line = lineOf('"call":"initiate"')
    const { difference } = replayRecording(changed(line, '"purpose":"nonce","octets":"', 3))
    expect(difference).toMatchObject({ step: line, call: 'initiate' })
    expect(difference!.where).toMatch(/^result\[0\]\.message octet \d+$/)
  })

  it('tells where the core did something else, when an octet that it received was another', () => {
    // The IKE_AUTH response comes to an integrity check that fails: dropped, and nothing is installed.
    const line = lineOf('"verb":"newSa"')
    const text = changed(line, '"message":{"$hex":"', 60)
    const { steps, difference } = replayRecording(text)
    expect(steps).toBe(line - 1)
    expect(difference).toMatchObject({ step: line, call: 'handleDatagram' })
    expect(difference!.recorded).not.toBe(difference!.replayed)
  })

  it('tells another key', () => {
    const connections = createPair({ a: { psk: 'another' } }).a.options.connections
    const { difference } = replayRecording(recording.text, { connections })
    expect(difference).toMatchObject({ call: 'handleDatagram' })
  })

  it('tells a timer that was due at another time', () => {
    const line = lineOf('"call":"initiate"')
    const lines = [...recording.lines]
    lines[line] = lines[line]!.replace(/"nextTimeoutAt":\d+/, '"nextTimeoutAt":1')
    expect(replayRecording(lines.join('\n')).difference).toMatchObject({ where: 'nextTimeoutAt', recorded: '1' })
  })

  it('tells entropy and calls that are missing or too many', () => {
    const line = lineOf('"verb":"newSa"')
    const edit = (change: (step: Record<string, unknown[]>) => void) => {
      const lines = [...recording.lines]
      const step = JSON.parse(lines[line]!)
      change(step)
      lines[line] = JSON.stringify(step)
      return replayRecording(lines.join('\n')).difference
    }
    const extra = { purpose: 'nonce', octets: '00' }
    expect(edit((step) => step.entropy!.push(extra))?.where).toMatch(/^entropy\[\d\]$/)
    expect(edit((step) => step.xfrm!.pop())).toMatchObject({ recorded: '"nothing"' })
    expect(edit((step) => step.xfrm!.push({ verb: 'delSa', about: [] }))).toMatchObject({ replayed: 'nothing' })
  })

  it('refuses what is no recording', () => {
    expect(() => replayRecording('')).toThrow('does not begin as a recording')
    expect(() => replayRecording('{"format":"other"}')).toThrow('does not begin as a recording')
    expect(() => replayRecording('no json')).toThrow('not made of lines of JSON')
  })
})

describe('plain JSON of the core', () => {
  it('comes back as it was', () => {
    const value = fc.letrec((tie) => ({
      tree: fc.oneof(
        fc.uint8Array(),
        fc.constantFrom(null, undefined, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), tie('tree'), { maxKeys: 4 }),
      ),
    })).tree
    fc.assert(
      fc.property(value, (tree) => {
        // Left-out fields are equal to undefined ones here.
        expect(decodePlain(JSON.parse(JSON.stringify(encodePlain(tree))))).toEqual(tree)
      }),
    )
  })
})

describe('a recording file', () => {
  it('is for its owner alone, also when it was there before', () => {
    const folder = mkdtempSync(join(tmpdir(), 'typeswan-recording-'))
    try {
      const path = join(folder, 'a.jsonl')
      writeFileSync(path, 'old', { mode: 0o644 })
      const file = openRecordingFile(path, true)
      file.write('one')
      file.write('two')
      expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(file.secrets).toBe(true)
      file.close()
      expect(() => openRecordingFile(join(folder, 'none', 'a'))).toThrow('ENOENT')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
