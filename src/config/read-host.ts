import { UsageError } from '../errors.ts'
import { readDuration } from './duration.ts'
import type { HostConfig, UpDownConfig } from './model.ts'
import type { Section } from './section.ts'

const defaultUpDownMs = 10_000
/** Where Debian's dnsmasq writes its process id. */
const defaultPidFile = '/run/dnsmasq/dnsmasq.pid'
const defaultStateFolder = '/run/typeswan'

/** What the endpoint does to the machine around it: name servers, firewall, scripts. `resolvePath` makes paths absolute. */
export function readHost(root: Section, resolvePath: (path: string) => string): HostConfig {
  const scripts = root
    .section('connections')
    .sections()
    .flatMap(({ name, section }): [string, UpDownConfig][] => {
      const script = readUpDown(section, resolvePath) ?? readUpDown(root, resolvePath)
      return script === undefined ? [] : [[name, script]]
    })
  return {
    dns: readDns(root, resolvePath),
    firewall: root.choice('firewall', ['auto', 'none']) ?? 'auto',
    updown: new Map(scripts),
    stateFolder: resolvePath(root.text('stateFolder') ?? defaultStateFolder),
  }
}

const backends = ['auto', 'resolved', 'resolvconf', 'dnsmasq', 'none'] as const

function readDns(root: Section, resolvePath: (path: string) => string): HostConfig['dns'] {
  const short = root.choice('dns', backends)
  const section = root.section('dns')
  const backend = short ?? section.choice('backend', backends) ?? 'auto'
  const file = section.text('serversFile')
  if (backend === 'dnsmasq' && file === undefined) {
    const rule = '{"backend": "dnsmasq", "serversFile": "the file of dnsmasq\'s servers-file"}'
    root.problem('dns', 'needs the file that dnsmasq reads its servers from', rule)
  }
  if (file === undefined) return { backend, dnsmasq: undefined }
  const pidFile = resolvePath(section.text('pidFile') ?? defaultPidFile)
  return { backend, dnsmasq: { serversFile: resolvePath(file), pidFile } }
}

function readUpDown(section: Section, resolvePath: (path: string) => string): UpDownConfig | undefined {
  const script = section.text('updown') ?? section.section('updown').text('script')
  if (script === undefined) return undefined
  const timeoutMs = readDuration(section.section('updown'), 'timeout') ?? defaultUpDownMs
  const path = section.attempt([...section.path, 'updown'], () => scriptPath(resolvePath(script)), 'a program')
  return path === undefined ? undefined : { path, timeoutMs }
}

/** Without a folder it would be looked for along PATH, and be another program than is meant. */
function scriptPath(path: string): string {
  if (path.startsWith('/')) return path
  throw new UsageError('updown', `"${path}" is not an absolute path`)
}
