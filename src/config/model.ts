import type { Companion } from '../credentials/companion.ts'
import type { PoolConfig } from '../credentials/pool.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { IpAddress } from '../ip/address.ts'
import type { ConfigWarning } from './problems.ts'

/** An endpoint's whole configuration, checked, with every default filled in. Readers of files make it. */
export interface EndpointConfig {
  readonly listen: {
    /** Undefined: every address that the machine has at the start, without loopback. */
    readonly addresses: readonly IpAddress[] | undefined
    readonly ikePort: number
    readonly natPort: number
    readonly mark: number
    /** Undefined: no TCP connection is taken. */
    readonly tcpPort: number | undefined
  }
  readonly tun: {
    /** Up to 15 octets; `%d` lets the kernel number it. */
    readonly name: string
    /** Octets of an inner packet. */
    readonly mtu: number
    /** `address/prefix` each. */
    readonly addresses: readonly string[]
    readonly routes: 'auto' | 'none'
  }
  /** Path of the Unix control socket; undefined: the usual place. */
  readonly controlPath: string | undefined
  /** Which ports fragments behind the first are taken to have. RFC 4301 §7. */
  readonly fragments: 'match' | 'stateful' | 'drop'
  /** The path of each new CHILD_SA is probed for packets that vanish. */
  readonly probePath: boolean
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug' | 'trace'
  /** Weak algorithms that the proposals may name. */
  readonly allowWeak: readonly string[]
  /** What is allowed and not wise, such as a weak algorithm that is named. */
  readonly warnings: readonly ConfigWarning[]
  readonly limits: {
    /** Half-open IKE_SAs and lately failed attempts from which on an initiator must return a cookie. */
    readonly cookieThreshold: number
    /** Half-open IKE_SAs at which new ones are dropped. */
    readonly halfOpenLimit: number
    /** Half-open IKE_SAs of one address at which new ones of that address are dropped. */
    readonly halfOpenPerAddress: number
    /** Half-open IKE_SAs and lately failed attempts from which on an initiator must solve a puzzle, 0 for never. */
    readonly puzzleThreshold: number
    /** Bits of a puzzle at most. */
    readonly puzzleDifficulty: number
  }
  /** From which tokens for quick crash detection are made; undefined: none are. */
  readonly qcdSecret: Uint8Array | undefined
  readonly connections: readonly ConnectionConfig[]
  /** Addresses for peers. */
  readonly pools: readonly PoolConfig[]
  /** Absolute path of the file that keeps the leases of `pools`. */
  readonly leaseFile: string
  readonly host: HostConfig
  /** Said to peers that ask; true: our name and version; undefined: nothing is. */
  readonly applicationVersion: string | true | undefined
  /** Those who follow the IKE_SAs: accounting of RADIUS. */
  readonly companions: readonly Companion[]
}

/** What is done to the machine for as long as a peer is there. Paths are absolute. */
export interface HostConfig {
  readonly dns: {
    readonly backend: 'auto' | 'resolved' | 'resolvconf' | 'dnsmasq' | 'none'
    readonly dnsmasq: { readonly serversFile: string; readonly pidFile: string } | undefined
  }
  /** `auto`: rules against forged inner sources. */
  readonly firewall: 'auto' | 'none'
  /** By the connection's name. */
  readonly updown: ReadonlyMap<string, UpDownConfig>
  /** Where is written what was done, for the next start after a crash. */
  readonly stateFolder: string
}

export interface UpDownConfig {
  readonly path: string
  readonly timeoutMs: number
}
