import type { Policy } from '../credentials/answers.ts'
import type { Companion } from '../credentials/companion.ts'
import type { PoolConfig } from '../credentials/pool.ts'
import type { CryptoProvider, RandomSource } from '../crypto/provider.ts'
import type { DatapathOptions } from '../datapath/index.ts'
import type { ConnectionConfig } from '../ike/config.ts'
import type { GateLimits } from '../ike/gate/responder-gate.ts'
import type { Answer, AskAction, Question } from '../ike/questions.ts'
import type { RecordingOptions } from '../ike/recording/recording.ts'
import type { Asks } from '../ike/runtime.ts'
import type { IpAddress } from '../ip/address.ts'
import type { TunDevice } from '../tap-tun/index.ts'
import type { TcpLimits } from '../tcp-encap/index.ts'
import type { Clock } from './clock.ts'
import type { HostSettings } from './host/settings.ts'
import type { IpCommand } from './ip-command.ts'
import type { Log } from './log.ts'

/** What `Endpoint.start` needs. Everything but `connections` has a default. */
export interface EndpointOptions extends Policy {
  readonly connections: readonly ConnectionConfig[]
  readonly listen?: ListenOptions
  /**
   * Where inner packets come from and go to: settings for a Linux TUN device that the endpoint makes and removes (root), or a
   * device of the caller's, for example `createMemoryTun()`, which stays as it is apart from being closed at the end.
   * Left out: no device; IKE runs, and packets for the inside are dropped.
   */
  readonly tun?: TunSettings | TunDevice
  /** Addresses for peers: `remote.pools` of a connection names them. */
  readonly pools?: readonly PoolConfig[]
  /** Keeps the leases of `pools` through restarts. Default: they are forgotten. */
  readonly leaseFile?: string
  /** What is done to the machine around a device of `TunSettings`: name servers, firewall rules, scripts. Default: nothing. */
  readonly host?: HostSettings
  /** Those who follow the IKE_SAs, and may end them: RADIUS accounting, for example. Closed with the endpoint. */
  readonly companions?: readonly Companion[]
  /**
   * What APPLICATION_VERSION says to a peer that has proved itself and asks. Default: nothing, as RFC 7296 §2.20 allows: it helps who looks
   * for weaknesses of a version, and peers do not need it.
   */
  readonly applicationVersion?: string
  /** Fragments, options and flow labels of inner packets; see `DatapathOptions`. */
  readonly datapath?: DatapathOptions
  /** Probes the path of each new CHILD_SA with padded ESP packets, and keeps to what arrives. Default: it does not. */
  readonly probePath?: boolean
  /** Default: node:crypto. */
  readonly crypto?: CryptoProvider
  /** Default: nothing is written. */
  readonly log?: Log
  /** Path of the Unix control socket that `typeswan status` asks; none by default. */
  readonly controlPath?: string
  /** What TCP connections may cost; see `TcpLimits`. */
  readonly tcpLimits?: Partial<TcpLimits>
  /** How many strangers may be half way in; see `GateLimits`. */
  readonly limits?: Partial<GateLimits>
  /**
   * 16 random octets or more that are the same after a restart: peers then believe at once that it lost their IKE_SAs (RFC 6290).
   * Left out: they find out by liveness checks.
   */
  readonly qcdSecret?: Uint8Array
  /**
   * Answers what the core cannot know: signs, verifies, knows passwords and addresses. At once or later; a promise that rejects is a no.
   * Left out, or undefined: the handles of the connections answer, `pools`, and `authorize`, `assignAddress`, `selectChild`.
   */
  readonly answers?: (question: Question, ask: AskAction) => Answer | Promise<Answer> | undefined
  /** Questions that are asked only where `answers` answers them; default: none of them. */
  readonly asks?: Asks
  /**
   * Writes every call into the IKE core down, with the octets it drew: `replayRecording` of `typeswan/testing` runs it again.
   * **Whoever has the recording can read the traffic.**
   */
  readonly record?: RecordingOptions
  /** For tests. Defaults: the system's monotonic clock, entropy and iproute2. */
  readonly clock?: Clock
  readonly random?: RandomSource
  readonly ip?: IpCommand
}

export interface ListenOptions {
  /** Default: every address that the machine has at the start, without loopback. */
  readonly addresses?: readonly IpAddress[]
  /** For IKE without marker; default 500. 0 lets the system choose, with a single address only. */
  readonly ikePort?: number
  /** For IKE with marker, keepalives and ESP; default 4500. */
  readonly natPort?: number
  /** SO_MARK of all outer sockets, for routing and firewall rules; needs foreign functions and CAP_NET_ADMIN. Default: none. */
  readonly mark?: number
  /** TCP port for peers whose networks block UDP, usually 4500 (RFC 9329); left out: none. 0 lets the system choose. */
  readonly tcpPort?: number
}

export interface TunSettings {
  /** Up to 15 octets; `%d` lets the kernel number it. Default `typeswan%d`. */
  readonly name?: string
  /** Octets of an inner packet; default 1400: with ESP, UDP and IP around it fits a link of 1500. */
  readonly mtu?: number
  /** `address/prefix` each: the machine's own inner addresses. */
  readonly addresses?: readonly string[]
  /** `auto`: as long as a policy sends packets to a remote range, the range is routed into the device. Default `auto`. */
  readonly routes?: 'auto' | 'none'
}

export const defaultIkePort = 500
export const defaultNatPort = 4500
export const defaultMtu = 1400
