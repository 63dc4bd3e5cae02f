import { readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { equalBytes } from '../bytes/index.ts'
import { httpFetch } from '../credentials/http-fetch.ts'
import { ConfigError, UsageError } from '../errors.ts'
import { formatIp, type IpAddress, parseIp } from '../ip/address.ts'
import { connectionDefaults } from './connection.ts'
import { JsonSource } from './json-source.ts'
import type { EndpointConfig } from './model.ts'
import { ConfigProblems, ProblemList } from './problems.ts'
import { readAkaSubscribers, SqnFiles } from './read-aka.ts'
import { readConnection } from './read-connection.ts'
import { readEapUsers } from './read-eap.ts'
import { readHost } from './read-host.ts'
import { readPools } from './read-pools.ts'
import { RadiusSettings } from './read-radius.ts'
import { type ReadContext, readSecret } from './read-secret.ts'
import { checkSchema } from './schema-check.ts'
import { Section } from './section.ts'

/** How to read what a configuration refers to. */
export interface ParseOptions {
  /** The octets of a secret's file, by its path as written. Throws `UsageError`. Default: files cannot be named. */
  readonly readSecretFile?: (path: string) => Uint8Array
  /** The names in a folder, by its path as written; undefined when it is none. Default: folders cannot be named. */
  readonly listFolder?: (path: string) => readonly string[] | undefined
  /** Transport mode is carried, as `XfrmPort.carriesTransport` says. Default: it is not, and such a child is a problem. */
  readonly carriesTransport?: boolean
  /** The folder that relative paths count from. Default: that of the process. */
  readonly folder?: string
}

/** Reads and checks a configuration file. Throws `ConfigProblems` with everything that is wrong in it. */
export function readConfig(path: string): EndpointConfig {
  const readSecretFile = (secret: string) => read(resolve(dirname(path), secret))
  const folder = dirname(resolve(path))
  const listFolder = (name: string) => namesIn(resolve(folder, name))
  return parseConfig(readText(path), path, { readSecretFile, listFolder, folder, carriesTransport: true })
}

/** Checks the text of a configuration; `file` is for messages. Throws `ConfigProblems` with everything that is wrong in it. */
export function parseConfig(text: string, file?: string, options: ParseOptions = {}): EndpointConfig {
  const source = new JsonSource(text)
  const problems = new ProblemList(file, (path) => source.lineOf(path))
  source.check(problems)
  // Of a text that is not JSON only a part is known: what else seems wrong in it may not be.
  if (source.hasSyntaxErrors) problems.throwIfAny()
  const value = source.value()
  checkSchema(value, problems)
  const config = readEndpoint(new Section(value, [], problems), options)
  problems.throwIfAny()
  return config
}

function readEndpoint(root: Section, options: ParseOptions): EndpointConfig {
  const listen = readListen(root.section('listen'))
  const tun = root.section('tun')
  const allowWeak = root.texts('allowWeak')?.map(({ text }) => text) ?? []
  const readSecretFile = options.readSecretFile ?? noSecretFiles
  const resolvePath = (path: string) => resolve(options.folder ?? '.', path)
  const pools = readPools(root)
  const eapUsers = readEapUsers(root, { readSecretFile })
  const radius = new RadiusSettings()
  const sqnFiles = new SqnFiles(resolvePath)
  const akaSubscribers = readAkaSubscribers(root, { readSecretFile, sqnFiles })
  const listFolder = options.listFolder ?? (() => undefined)
  const fetch = root.choice('fetch', ['auto', 'none']) === 'none' ? undefined : httpFetch()
  const connections = root
    .section('connections')
    .sections()
    .map(({ name, section }) => {
      const connection = readConnection(name, section, {
        allowWeak,
        readSecretFile,
        carriesTransport: options.carriesTransport === true,
        listFolder,
        fetch,
        pools,
        eapUsers,
        radius,
        akaSubscribers,
        sqnFiles,
      })
      checkListens(section.section('local'), connection.local.address, listen.addresses)
      return connection
    })
  return {
    listen,
    tun: {
      name: tun.text('name') ?? 'typeswan%d',
      mtu: tun.number('mtu') ?? 1400,
      addresses: tun.parsedList('addresses', checkAddressAndPrefix, 'such as 10.1.0.1/32') ?? [],
      routes: tun.choice('routes', ['auto', 'none']) ?? 'auto',
    },
    controlPath: root.text('control'),
    fragments: root.choice('fragments', ['match', 'stateful', 'drop']) ?? 'match',
    probePath: root.flag('probePath') ?? false,
    logLevel: root.choice('log', ['error', 'warn', 'info', 'debug', 'trace']) ?? 'info',
    allowWeak,
    warnings: root.problems.warnings,
    limits: {
      cookieThreshold: root.number('cookieThreshold') ?? 30,
      halfOpenLimit: root.number('halfOpenLimit') ?? 1000,
      halfOpenPerAddress: root.number('halfOpenPerAddress') ?? 16,
      puzzleThreshold: root.number('puzzleThreshold') ?? 0,
      puzzleDifficulty: root.number('puzzleDifficulty') ?? 16,
    },
    qcdSecret: readQcdSecret(root, readSecretFile),
    connections,
    pools,
    leaseFile: resolvePath(root.text('leaseFile') ?? '/var/lib/typeswan/leases'),
    host: readHost(root, resolvePath),
    applicationVersion: root.flag('applicationVersion') === true ? true : root.text('applicationVersion'),
    companions: [...sqnFiles.all, ...radius.companions],
  }
}

function readQcdSecret(root: Section, readSecretFile: ReadContext['readSecretFile']): Uint8Array | undefined {
  if (!root.has('qcdSecret')) return undefined
  const secret = readSecret(root, 'qcdSecret', { readSecretFile })
  if (secret.length > 0 && secret.length < 16)
    root.problem('qcdSecret', 'is too short', '16 random octets or more, the same after each restart')
  return secret
}

function readListen(section: Section): EndpointConfig['listen'] {
  const addresses = section.parsedList('addresses', parseIp, 'an IP address')
  const ikePort = section.number('port') ?? connectionDefaults.port
  const natPort = section.number('natPort') ?? connectionDefaults.natPort
  if (ikePort === natPort)
    section.problem('natPort', 'is the same as port', 'another port: one carries the non-ESP marker')
  return { addresses, ikePort, natPort, mark: section.number('mark') ?? 0, tcpPort: section.number('tcpPort') }
}

function checkListens(
  local: Section,
  address: IpAddress | undefined,
  listening: readonly IpAddress[] | undefined,
): void {
  if (address === undefined || listening === undefined || listening.some((one) => equalBytes(one, address))) return
  local.problem('address', `${formatIp(address)} is not among listen.addresses`, listening.map(formatIp).join(', '))
}

function checkAddressAndPrefix(text: string): string {
  const [address, bits] = text.split('/')
  const most = parseIp(address!).length * 8
  if (bits === undefined || Number(bits) > most)
    throw new UsageError('address', `the prefix length of "${text}" is above ${most}`)
  return text
}

const noSecretFiles = (): never => {
  throw new UsageError('file', 'cannot be read: the configuration did not come from a file')
}

function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(read(path))
  } catch (error) {
    const problem = error instanceof UsageError ? error.message.slice('file: '.length) : 'is not UTF-8 text'
    const allowed = 'a JSON file that can be read'
    throw new ConfigProblems([new ConfigError({ setting: 'the configuration', problem, allowed, file: path })])
  }
}

function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path)
  } catch {
    // A file, or nothing, which reading it tells.
    return undefined
  }
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new UsageError('file', `cannot read ${path} (${reason})`)
  }
}
