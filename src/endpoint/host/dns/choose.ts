import { existsSync } from 'node:fs'
import { PlatformError } from '../../../errors.ts'
import { type CommandRunner, hasCommand } from '../run-command.ts'
import type { DnsBackend, DnsBackendName } from './dns-backend.ts'
import { type DnsmasqFiles, dnsmasqBackend } from './dnsmasq.ts'
import { resolvconfBackend } from './resolvconf.ts'
import { resolvedBackend } from './resolved.ts'

/** The setting `dns`. */
export interface DnsSettings {
  readonly backend: 'auto' | 'none' | DnsBackendName
  /** Undefined: dnsmasq is not used by `auto`. */
  readonly dnsmasq: DnsmasqFiles | undefined
}

/** What there is on this machine. */
export interface DnsMachine {
  readonly hasCommand: (command: string) => boolean
  readonly exists: (path: string) => boolean
}

const thisMachine: DnsMachine = { hasCommand, exists: existsSync }

/**
 * The backend that the setting asks for; for `auto` dnsmasq when its file is named, else systemd-resolved when it runs, else resolvconf;
 * undefined for `none` and when there is nothing. Throws `PlatformError` when the one that is named cannot work.
 */
export function chooseDns(
  settings: DnsSettings,
  run: CommandRunner,
  machine: DnsMachine = thisMachine,
): DnsBackend | undefined {
  const { backend, dnsmasq } = settings
  switch (backend) {
    case 'none':
      return undefined
    case 'auto':
      if (dnsmasq !== undefined) return dnsmasqBackend(dnsmasq)
      if (machine.hasCommand('resolvectl') && machine.exists(resolvedFolder)) return resolvedBackend(run)
      return machine.hasCommand('resolvconf') ? resolvconfBackend(run) : undefined
    case 'dnsmasq':
      return dnsmasqBackend(dnsmasq ?? missing('dnsmasq', 'set dns.serversFile'))
    case 'resolved':
      if (!machine.hasCommand('resolvectl')) missing('resolved', 'install systemd-resolved')
      return resolvedBackend(run)
    case 'resolvconf':
      if (!machine.hasCommand('resolvconf')) missing('resolvconf', 'install openresolv or resolvconf')
      return resolvconfBackend(run)
  }
}

/** Made by the daemon when it starts; its command is there on machines where it does not run, too. */
const resolvedFolder = '/run/systemd/resolve'

function missing(backend: string, remedy: string): never {
  throw new PlatformError('NO_DNS_BACKEND', `dns is "${backend}", which is not there`, remedy)
}

/** The backend of a name, to take back what a process that has ended did with it. */
export function dnsBackendOf(name: DnsBackendName, run: CommandRunner, files: DnsmasqFiles | undefined): DnsBackend {
  if (name === 'resolved') return resolvedBackend(run)
  if (name === 'resolvconf') return resolvconfBackend(run)
  return dnsmasqBackend(files ?? missing('dnsmasq', 'set dns.serversFile'))
}
