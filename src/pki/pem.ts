/** One block of a PEM file. RFC 7468 §2; the headers of RFC 1421 §4.6 that old key files have. */
export interface PemBlock {
  /** For example `CERTIFICATE`. */
  readonly label: string
  readonly headers: ReadonlyMap<string, string>
  readonly der: Uint8Array
}

/** Undefined for octets that are not text with a PEM block in it: DER, most likely. */
export function pemText(contents: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(contents)
  return text.includes('-----BEGIN ') ? text : undefined
}

/** The blocks of a text in order, or what is wrong with one. What stands around them is passed over. */
export function decodePem(text: string): readonly PemBlock[] | { readonly problem: string } {
  const blocks: PemBlock[] = []
  const lines = text.split(/\r\n|\n|\r/).map((line) => line.trim())
  for (let at = 0; at < lines.length; at++) {
    const label = /^-----BEGIN ([^-]+)-----$/.exec(lines[at]!)?.[1]
    if (label === undefined) continue
    const end = lines.indexOf(`-----END ${label}-----`, at)
    if (end < 0) return { problem: `the block ${label} has no END` }
    const block = decodeBlock(label, lines.slice(at + 1, end))
    if (block === undefined) return { problem: `the block ${label} is not base64` }
    blocks.push(block)
    at = end
  }
  return blocks
}

/** A block with lines of 64 characters. RFC 7468 §2. */
export function encodePem(label: string, der: Uint8Array): string {
  let binary = ''
  for (const octet of der) binary += String.fromCharCode(octet)
  const lines = btoa(binary).match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function decodeBlock(label: string, lines: readonly string[]): PemBlock | undefined {
  const headers = new Map<string, string>()
  let body = 0
  for (; lines[body]?.includes(':'); body++) {
    const [, name, value] = /^([^:]*):\s*(.*)$/.exec(lines[body]!)!
    headers.set(name!, value!)
  }
  const base64 = lines.slice(body).join('')
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined
  return { label, headers, der: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)) }
}
