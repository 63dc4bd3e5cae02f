import type { DnsSettings } from './dns/choose.ts'
import type { CommandRunner, ScriptRunner } from './run-command.ts'
import type { UpDownSettings } from './updown/up-down.ts'

/** What the endpoint does to the machine around it for as long as a peer is there. Only with a TUN device that it made itself. */
export interface HostSettings {
  /** How pushed name servers are made known. Default: not at all. */
  readonly dns?: DnsSettings
  /** `auto`: rules against forged inner sources on other interfaces. Default `none`. */
  readonly firewall?: 'auto' | 'none'
  /** Scripts for CHILD_SAs that come and go, by the connection's name. */
  readonly updown?: ReadonlyMap<string, UpDownSettings>
  /** Where is written what was done, for the next start after a crash. Default `/run/typeswan`. */
  readonly stateFolder?: string
  /** For tests. Default: the commands of this machine. */
  readonly run?: CommandRunner
  readonly runScript?: ScriptRunner
}

export const defaultStateFolder = '/run/typeswan'
