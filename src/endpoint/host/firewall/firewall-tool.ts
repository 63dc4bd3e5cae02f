import type { SpoofingRules } from './rules.ts'

/** One way to set the rules. */
export interface FirewallTool {
  readonly name: FirewallToolName
  /** Puts the rules in the place of those that are there from us for the device. Throws `PlatformError`. */
  apply(rules: SpoofingRules): Promise<void>
  /** Takes back all that `apply` did, also what another process did that has ended. Throws `PlatformError`. */
  revert(device: string): Promise<void>
}

export type FirewallToolName = 'nft' | 'iptables'
