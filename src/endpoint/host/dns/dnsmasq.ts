import { mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { readIfThere, writeFileAtomically } from '../../../credentials/atomic-file.ts'
import { PlatformError } from '../../../errors.ts'
import { systemCode } from '../../system-code.ts'
import type { DnsBackend, DnsGroup } from './dns-backend.ts'

export interface DnsmasqFiles {
  /** The file of dnsmasq's `servers-file`: it reads that again on SIGHUP, unlike its other configuration. */
  readonly serversFile: string
  /** dnsmasq's `pid-file`. */
  readonly pidFile: string
}

/** Lines between two marks in dnsmasq's servers file, each device its own; other lines stay as they are. */
export function dnsmasqBackend(files: DnsmasqFiles, signal: (pid: number) => void = hangUp): DnsBackend {
  const rewrite = (device: string, lines: readonly string[]) => {
    const before = readFile(files.serversFile)
    const after = withBlock(before ?? '', device, lines)
    if (before === undefined && after === '') return
    try {
      mkdirSync(dirname(files.serversFile), { recursive: true })
      // dnsmasq reads it as a user without rights.
      writeFileAtomically(files.serversFile, after, 0o644)
    } catch (error) {
      throw fileError('write', files.serversFile, error)
    }
    tell(files.pidFile, signal)
  }
  return {
    name: 'dnsmasq',
    apply: async (device, groups) => rewrite(device, groups.flatMap(serverLines)),
    revert: async (device) => rewrite(device, []),
  }
}

function serverLines({ servers, domains }: DnsGroup): string[] {
  if (domains.length === 0) return servers.map((server) => `server=${server}`)
  return domains.flatMap((domain) => servers.map((server) => `server=/${domain}/${server}`))
}

/** The text with the device's block replaced; an empty block goes with its marks. */
export function withBlock(text: string, device: string, lines: readonly string[]): string {
  const begin = `# typeswan ${device} begin`
  const end = `# typeswan ${device} end`
  const kept: string[] = []
  let inside = false
  for (const line of text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined)) {
    if (line === begin) inside = true
    if (!inside && line !== '') kept.push(line)
    if (line === end) inside = false
  }
  const block = lines.length === 0 ? [] : [begin, ...lines, end]
  return [...kept, ...block].map((line) => `${line}\n`).join('')
}

/** Tells dnsmasq to read the file again. One that does not run reads it when it starts. */
function tell(pidFile: string, signal: (pid: number) => void): void {
  const pid = Number(readFile(pidFile)?.trim())
  // A file that was left behind may name a process that is another one by this time.
  if (!Number.isInteger(pid) || pid <= 1 || readFile(`/proc/${pid}/comm`)?.trim() !== 'dnsmasq') return
  signal(pid)
}

function readFile(path: string): string | undefined {
  try {
    return path.startsWith('/proc/') ? readFileSync(path, 'utf8') : readIfThere(path)
  } catch (error) {
    if (path.startsWith('/proc/')) return undefined
    throw fileError('read', path, error)
  }
}

const fileError = (verb: string, path: string, cause: unknown) =>
  new PlatformError('DNSMASQ_FILE', `cannot ${verb} ${path} (${systemCode(cause)})`, 'see to its permissions', {
    cause,
  })

function hangUp(pid: number): void {
  process.kill(pid, 'SIGHUP')
}
