import { DecodeError, UsageError } from '../../errors.ts'

/** How numbers of more than one octet stand: as the host has them, apart from ports and SPIs, which stand as in packets. */
export type ByteOrder = 'little' | 'big'

/** What is named in errors: the kernel's header is the specification. */
const SECTION = 'linux/xfrm.h'

/** Reads C structures from borrowed octets. Each read checks the length and throws `DecodeError` with the place. */
export class StructReader {
  readonly order: ByteOrder
  readonly where: string
  /** Offset of the first octet in the whole message, so that errors name a place in it. */
  readonly base: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array, order: ByteOrder, where: string, base = 0) {
    this.order = order
    this.where = where
    this.base = base
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** An unsigned number of 1, 2 or 4 octets. */
  number(bytes: 1 | 2 | 4, order = this.order): number {
    const at = this.#take(bytes)
    if (bytes === 1) return this.#view.getUint8(at)
    return bytes === 2 ? this.#view.getUint16(at, order === 'little') : this.#view.getUint32(at, order === 'little')
  }

  signed(): number {
    return this.#view.getInt32(this.#take(4), this.order === 'little')
  }

  long(): bigint {
    return this.#view.getBigUint64(this.#take(8), this.order === 'little')
  }

  /** A copy of the next octets. */
  octets(length: number): Uint8Array {
    const at = this.#take(length)
    return Uint8Array.from(this.#bytes.subarray(at, at + length))
  }

  /** A reader of the next octets, with its own name for errors. */
  sub(length: number, where: string): StructReader {
    const base = this.base + this.#at
    const at = this.#take(length)
    return new StructReader(this.#bytes.subarray(at, at + length), this.order, where, base)
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** Throws when octets are left over. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} octets left over`)
  }

  /** Throws a `DecodeError` at the current place. */
  fail(problem: string): never {
    throw new DecodeError({ where: this.where, offset: this.base + this.#at, section: SECTION, problem })
  }

  #take(length: number): number {
    if (this.remaining < length) this.fail(`${length} octets are needed, ${this.remaining} are left`)
    this.#at += length
    return this.#at - length
  }
}

/** Writes C structures into a buffer of its own that grows. */
export class StructWriter {
  readonly order: ByteOrder
  #bytes = new Uint8Array(512)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  constructor(order: ByteOrder) {
    this.order = order
  }

  get position(): number {
    return this.#at
  }

  /** An unsigned number of 1, 2 or 4 octets. Throws `UsageError` when it is none. */
  number(bytes: 1 | 2 | 4, value: number, order = this.order): void {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) {
      throw new UsageError('message', `${value} is not a number of ${bytes} octets`)
    }
    const at = this.#reserve(bytes)
    if (bytes === 1) this.#view.setUint8(at, value)
    else if (bytes === 2) this.#view.setUint16(at, value, order === 'little')
    else this.#view.setUint32(at, value, order === 'little')
  }

  signed(value: number): void {
    const at = this.#reserve(4)
    this.#view.setInt32(at, value, this.order === 'little')
  }

  long(value: bigint): void {
    const at = this.#reserve(8)
    this.#view.setBigUint64(at, value, this.order === 'little')
  }

  octets(octets: Uint8Array): void {
    const at = this.#reserve(octets.length)
    this.#bytes.set(octets, at)
  }

  zeros(length: number): void {
    this.#reserve(length)
  }

  /** Zeros up to the next multiple of 4. */
  align(): void {
    this.zeros(-this.#at & 3)
  }

  patch(at: number, bytes: 2 | 4, value: number): void {
    if (bytes === 2 && value > 0xffff) throw new UsageError('message', 'an attribute is longer than 65535 octets')
    if (bytes === 2) this.#view.setUint16(at, value, this.order === 'little')
    else this.#view.setUint32(at, value, this.order === 'little')
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  #reserve(length: number): number {
    const at = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#at, 2 * this.#bytes.length))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }
}

/** One structure or field, in both directions. */
export interface Layout<T> {
  /** Octets, padding included. */
  readonly bytes: number
  read(reader: StructReader): T
  write(writer: StructWriter, value: T): void
}

/** What a layout reads and writes. */
export type Content<L> = L extends Layout<infer T> ? T : never

const unsigned = (bytes: 1 | 2 | 4, order?: ByteOrder): Layout<number> => ({
  bytes,
  read: (reader) => reader.number(bytes, order),
  write: (writer, value) => writer.number(bytes, value, order),
})

export const u8 = unsigned(1)
export const u16 = unsigned(2)
export const u32 = unsigned(4)
/** In network order. */
export const be16 = unsigned(2, 'big')
export const be32 = unsigned(4, 'big')
export const i32: Layout<number> = {
  bytes: 4,
  read: (reader) => reader.signed(),
  write: (writer, value) => writer.signed(value),
}
export const u64: Layout<bigint> = {
  bytes: 8,
  read: (reader) => reader.long(),
  write: (writer, value) => writer.long(value),
}

/** Zeros that align what follows. Not looked at when read. */
export const pad = (bytes: number): Layout<undefined> => ({
  bytes,
  read: (reader) => {
    reader.skip(bytes)
    return undefined
  },
  write: (writer) => writer.zeros(bytes),
})

/** Just so many octets, copied. */
export const octets = (bytes: number): Layout<Uint8Array> => ({
  bytes,
  read: (reader) => reader.octets(bytes),
  write: (writer, value) => {
    if (value.length !== bytes) throw new UsageError('message', `${value.length} octets stand for ${bytes}`)
    writer.octets(value)
  },
})

/** Fields of a structure; what is called `_` and a number is padding and no part of the value. */
type Fields = Readonly<Record<string, Layout<unknown>>>
type Value<F> = { readonly [K in keyof F as K extends `_${number}` ? never : K]: Content<F[K]> }

/** A structure of the fields in this order. */
export function struct<F extends Fields>(fields: F): Layout<Value<F>> {
  const entries = Object.entries(fields)
  return {
    bytes: entries.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    read(reader) {
      const value: Record<string, unknown> = {}
      for (const [name, layout] of entries) {
        const content = layout.read(reader)
        if (!name.startsWith('_')) value[name] = content
      }
      return value as Value<F>
    },
    write(writer, value) {
      for (const [name, layout] of entries) layout.write(writer, (value as Record<string, unknown>)[name])
    },
  }
}
