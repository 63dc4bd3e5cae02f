import { UsageError } from '../../errors.ts'
import type { StructReader, StructWriter } from './layout.ts'

const NAME_BYTES = 64

/** struct xfrm_algo. */
export interface Algorithm {
  /** The kernel's, ASCII, 63 characters at most. */
  readonly name: string
  /** All zeros where it is not to be told. Copied when read. */
  readonly key: Uint8Array
}

/** struct xfrm_algo_aead and struct xfrm_algo_auth: with the length of the ICV. */
export interface AlgorithmWithIcv extends Algorithm {
  readonly icvBits: number
}

export const algorithm = {
  read(reader: StructReader): Algorithm {
    const name = readName(reader)
    return { name, key: readKey(reader, reader.number(4)) }
  },
  write(writer: StructWriter, { name, key }: Algorithm): void {
    writeName(writer, name)
    writer.number(4, 8 * key.length)
    writer.octets(key)
  },
}

export const algorithmWithIcv = {
  read(reader: StructReader): AlgorithmWithIcv {
    const name = readName(reader)
    const keyBits = reader.number(4)
    const icvBits = reader.number(4)
    return { name, key: readKey(reader, keyBits), icvBits }
  },
  write(writer: StructWriter, { name, key, icvBits }: AlgorithmWithIcv): void {
    writeName(writer, name)
    writer.number(4, 8 * key.length)
    writer.number(4, icvBits)
    writer.octets(key)
  },
}

function readName(reader: StructReader): string {
  const octets = reader.octets(NAME_BYTES)
  const end = octets.indexOf(0)
  if (end < 0) reader.fail('a name without an end')
  const name = String.fromCharCode(...octets.subarray(0, end))
  if (!isName(name)) reader.fail('a name of other characters than ASCII')
  return name
}

function writeName(writer: StructWriter, name: string): void {
  if (name.length >= NAME_BYTES || !isName(name)) throw new UsageError('name', `"${name}" is no name of the kernel`)
  for (let i = 0; i < name.length; i++) writer.number(1, name.charCodeAt(i))
  writer.zeros(NAME_BYTES - name.length)
}

const isName = (name: string) => /^[\x20-\x7e]*$/.test(name)

function readKey(reader: StructReader, bits: number): Uint8Array {
  if (bits % 8 !== 0) reader.fail(`a key of ${bits} bits`)
  return reader.octets(bits / 8)
}
