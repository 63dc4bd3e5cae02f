import { formatIp } from '../../../ip/address.ts'
import type { Log } from '../../log.ts'
import type { AppliedChange, AppliedState } from '../applied-state.ts'
import type { Pushed } from '../pushed.ts'
import { Serial } from '../serial.ts'
import { checkedGroup, type DnsBackend, type DnsGroup } from './dns-backend.ts'
import type { DnsmasqFiles } from './dnsmasq.ts'
import { tlsServersOf } from './encrypted.ts'

/** Name servers that peers pushed, told to the machine for as long as an IKE_SA has them. */
export class DnsKeeper {
  readonly #backend: DnsBackend | undefined
  readonly #device: string
  readonly #log: Log
  readonly #state: AppliedState
  readonly #change: AppliedChange
  readonly #groups = new Map<number, DnsGroup>()
  readonly #serial: Serial
  /** What the machine was told last, as JSON; empty: nothing. */
  #applied = ''

  constructor(world: {
    backend: DnsBackend | undefined
    files: DnsmasqFiles | undefined
    device: string
    log: Log
    state: AppliedState
  }) {
    this.#backend = world.backend
    this.#device = world.device
    this.#log = world.log
    this.#state = world.state
    this.#change = { kind: 'dns', backend: world.backend?.name ?? 'none', device: world.device, ...world.files }
    this.#serial = new Serial((error) =>
      this.#log.write('error', 'dns', error instanceof Error ? error.message : String(error)),
    )
  }

  /** The IKE_SA `sa` of `connection` was pushed these. Returns at once. */
  assign(sa: number, connection: string, pushed: Pushed): void {
    const { group: plain, refused } = checkedGroup({ servers: pushed.dns.map(formatIp), domains: pushed.domains })
    const { tls, words } = tlsServersOf(pushed.encryptedDns ?? [], this.#backend)
    if (words !== undefined) this.#log.write('info', 'dns', `${connection}: ${words}`)
    const group: DnsGroup = tls.length === 0 ? plain : { ...plain, tls }
    for (const text of refused) {
      this.#log.write('warn', 'dns', `${connection}: ${JSON.stringify(text)} is no domain name and is not used`)
    }
    // A peer that named domains, none of which is one, did not mean every name.
    const isUsable = group.servers.length + tls.length > 0 && (group.domains.length > 0 || pushed.domains.length === 0)
    if (!isUsable) return this.release(sa)
    if (this.#backend === undefined) {
      const text = `${connection} has name servers for us (${group.servers.join(', ')}), which nothing here is told of: see the setting dns`
      this.#log.write('info', 'dns', text)
    }
    this.#groups.set(sa, group)
    this.#serial.add(() => this.#reconcile())
  }

  /** The IKE_SA is gone. Returns at once. */
  release(sa: number): void {
    if (this.#groups.delete(sa)) this.#serial.add(() => this.#reconcile())
  }

  /** Resolves when the machine was told what was asked for so far. */
  settled(): Promise<void> {
    return this.#serial.settled()
  }

  async close(): Promise<void> {
    this.#groups.clear()
    this.#serial.add(() => this.#reconcile())
    await this.settled()
  }

  async #reconcile(): Promise<void> {
    const backend = this.#backend
    const groups = [...new Map([...this.#groups.values()].map((group) => [JSON.stringify(group), group])).values()]
    const wanted = groups.length === 0 ? '' : JSON.stringify(groups)
    if (backend === undefined || wanted === this.#applied) return
    if (groups.length === 0) {
      await backend.revert(this.#device)
      this.#state.forget(this.#change)
      this.#log.write('info', 'dns', `name servers taken back (${backend.name})`)
    } else {
      this.#state.note(this.#change)
      // Also when it fails half way: then all of it is to be taken back.
      this.#applied = 'unknown'
      await backend.apply(this.#device, groups)
      this.#log.write('info', 'dns', `${groups.map(inWords).join('; ')} (${backend.name})`)
    }
    this.#applied = wanted
  }
}

const inWords = ({ servers, domains, tls = [] }: DnsGroup) => {
  const asked = tls.length === 0 ? servers : tls.map(({ address, name }) => `${address} (${name}, over TLS)`)
  return `${domains.length === 0 ? 'all names' : domains.join(', ')} asked of ${asked.join(', ')}`
}
