import { execFile } from 'node:child_process'
import { PlatformError, UsageError } from '../errors.ts'
import { parseIp } from '../ip/address.ts'

export interface NetworkRoute {
  /** `address/prefix`, an address, `0.0.0.0/0` or `::/0`. */
  readonly destination: string
  /** The local address that packets on this route get by default. */
  readonly source?: string | undefined
  /** Lower wins. */
  readonly metric?: number | undefined
  /** Routing table by number or by a name of /etc/iproute2/rt_tables; default `main`. */
  readonly table?: number | string | undefined
}

export interface NetworkSetup {
  /** Name of an interface that exists. */
  readonly device: string
  /** `address/prefix` each; without a prefix it is a host address (/32, /128). */
  readonly addresses: readonly string[]
  /** Octets. IPv6 needs 1280 at least. */
  readonly mtu: number
  readonly routes: readonly NetworkRoute[]
}

export interface AppliedNetworkSetup {
  /**
   * Takes routes and addresses back, last first; what is gone already counts as taken back. Never throws: returns one
   * line for each step that failed. A second call does nothing.
   */
  undo(): Promise<readonly string[]>
}

interface Step {
  readonly apply: readonly string[]
  readonly undo: readonly string[] | undefined
}

/**
 * Sets MTU and addresses of an interface, brings it up and adds its routes, with `ip` (iproute2). When a step fails, the
 * addresses and routes before it are taken back and a `PlatformError` with the command and its message is thrown. Throws
 * `UsageError` for values that are no names, addresses or numbers, before anything is changed.
 */
export async function applyNetworkSetup(setup: NetworkSetup): Promise<AppliedNetworkSetup> {
  const applied: Step[] = []
  const undo = async (): Promise<readonly string[]> => {
    const problems: string[] = []
    for (let step = applied.pop(); step !== undefined; step = applied.pop()) {
      if (step.undo === undefined) continue
      const problem = await runIp(step.undo)
      if (problem !== undefined && !isGone(problem)) problems.push(describe(step.undo, problem))
    }
    return problems
  }
  for (const step of stepsOf(setup)) {
    const problem = await runIp(step.apply)
    if (problem !== undefined) {
      const left = await undo()
      throw setupError(step.apply, problem, left)
    }
    applied.push(step)
  }
  return { undo }
}

function stepsOf(setup: NetworkSetup): Step[] {
  const { device, mtu } = setup
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$/.test(device)) throw new UsageError('device', `"${device}" is no interface`)
  const link = ['link', 'set', 'dev', device, 'mtu', wholeNumber('mtu', mtu), 'up']
  return [
    { apply: link, undo: undefined },
    ...setup.addresses.map((address) => addressStep(device, address)),
    ...setup.routes.map((route) => routeStep(device, route)),
  ]
}

function addressStep(device: string, text: string): Step {
  const family = familyOf('addresses', text)
  // Duplicate address detection has nobody to ask on a TUN device and would keep the address unusable for a second.
  const flags = family === '-6' ? ['nodad'] : []
  return {
    apply: [family, 'address', 'add', text, 'dev', device, ...flags],
    undo: [family, 'address', 'del', withPrefix(text), 'dev', device],
  }
}

function routeStep(device: string, route: NetworkRoute): Step {
  const family = familyOf('routes.destination', route.destination)
  const words = [route.destination, 'dev', device]
  if (route.source !== undefined) {
    parseIp(route.source)
    words.push('src', route.source)
  }
  if (route.metric !== undefined) words.push('metric', wholeNumber('routes.metric', route.metric))
  if (route.table !== undefined) {
    const table = String(route.table)
    if (!/^[A-Za-z0-9_.]+$/.test(table)) throw new UsageError('routes.table', `"${table}" is no routing table`)
    words.push('table', table)
  }
  return { apply: [family, 'route', 'add', ...words], undo: [family, 'route', 'del', ...words] }
}

/** Checks `address[/prefix]`. Every word is checked before it reaches `ip`, so that none can be taken for an option. */
function familyOf(argument: string, text: string): '-4' | '-6' {
  const [address, prefix, more] = text.split('/')
  const bits = 8 * parseIp(address!).length
  if (more !== undefined || (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))) {
    throw new UsageError(argument, `"${text}" is not address/prefix`)
  }
  return bits === 32 ? '-4' : '-6'
}

function withPrefix(text: string): string {
  if (text.includes('/')) return text
  return `${text}/${text.includes(':') ? 128 : 32}`
}

function wholeNumber(argument: string, value: number): string {
  if (!Number.isInteger(value) || value < 0) throw new UsageError(argument, `${value} is not a whole number`)
  return String(value)
}

/** Runs `ip` without a shell. Resolves with undefined, or with what went wrong. */
function runIp(args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C' }
    execFile('ip', args, { env, timeout: 10_000 }, (error, _stdout, stderr) => {
      resolve(error === null ? undefined : stderr.trim() || error.message)
    })
  })
}

const describe = (args: readonly string[], problem: string) => `ip ${args.join(' ')}: ${problem}`

function isGone(problem: string): boolean {
  return /Cannot find device|No such (process|device)|Cannot assign requested address|Address not found/.test(problem)
}

function setupError(args: readonly string[], problem: string, left: readonly string[]): PlatformError {
  const found = knownProblems.find(([pattern]) => pattern.test(problem))
  const [, code, remedy] = found ?? [undefined, 'NETWORK_SETUP', '']
  const rest = left.length === 0 ? '' : ` (not taken back: ${left.join('; ')})`
  return new PlatformError(code, describe(args, problem) + rest, remedy)
}

const knownProblems: readonly (readonly [RegExp, string, string])[] = [
  [/ENOENT/, 'NO_IPROUTE2', 'the command ip is missing; install iproute2'],
  [/not permitted/, 'NETWORK_PERMISSION', 'run as root or with CAP_NET_ADMIN'],
  [/File exists/, 'NETWORK_EXISTS', 'it exists already; remove it, or give the route another metric or table'],
  [/already assigned/, 'NETWORK_EXISTS', 'the interface has this address already'],
  [/Cannot find device/, 'NO_DEVICE', 'the interface does not exist; create it first'],
]
