import { formatIp, type IpAddress } from '../../ip/address.ts'
import type { IpCommand } from '../ip-command.ts'
import type { Log } from '../log.ts'
import { Serial } from './serial.ts'

/**
 * Addresses that peers gave us, on the TUN device for as long as an IKE_SA has them. While one IKE_SA takes the place of another, both have the
 * same address: it stays without a gap, and so do the connections that use it.
 */
export class VirtualAddresses {
  readonly #device: string
  readonly #ip: IpCommand
  readonly #log: Log
  readonly #ofSa = new Map<number, readonly string[]>()
  readonly #present = new Set<string>()
  readonly #own = new Set<string>()
  readonly #serial: Serial

  /** `own`: addresses that the device has anyhow, and keeps. */
  constructor(world: { device: string; ip: IpCommand; log: Log; own?: readonly IpAddress[] }) {
    for (const address of world.own ?? []) this.#own.add(formatIp(address))
    this.#device = world.device
    this.#ip = world.ip
    this.#log = world.log
    this.#serial = new Serial((error) =>
      this.#log.write('error', 'network', error instanceof Error ? error.message : String(error)),
    )
  }

  /** The IKE_SA `sa` has these addresses and no others. Returns at once. */
  assign(sa: number, addresses: readonly IpAddress[]): void {
    this.#ofSa.set(sa, addresses.map(formatIp))
    this.#serial.add(() => this.#reconcile())
  }

  /** The IKE_SA is gone. Returns at once. */
  release(sa: number): void {
    if (this.#ofSa.delete(sa)) this.#serial.add(() => this.#reconcile())
  }

  /** Resolves when the device has what was asked for so far. */
  settled(): Promise<void> {
    return this.#serial.settled()
  }

  async close(): Promise<void> {
    this.#ofSa.clear()
    this.#serial.add(() => this.#reconcile())
    await this.settled()
  }

  async #reconcile(): Promise<void> {
    const wanted = new Set([...this.#ofSa.values()].flat())
    for (const address of wanted) {
      if (!this.#present.has(address) && !this.#own.has(address)) await this.#add(address)
    }
    for (const address of [...this.#present]) if (!wanted.has(address)) await this.#remove(address)
  }

  async #add(address: string): Promise<void> {
    // An address that an operator, or a killed endpoint on a device of its own name, put there: `replace` takes it over.
    await this.#ip([...this.#words('replace', address), ...(address.includes(':') ? ['nodad'] : [])])
    this.#present.add(address)
    this.#log.write('info', 'network', `${address} is ours on ${this.#device}`)
  }

  async #remove(address: string): Promise<void> {
    this.#present.delete(address)
    // The device may be gone, and its addresses with it.
    await this.#ip(this.#words('del', address)).catch(() => '')
    this.#log.write('info', 'network', `${address} is no longer ours`)
  }

  #words(verb: string, address: string): string[] {
    const bits = address.includes(':') ? 128 : 32
    return [bits === 128 ? '-6' : '-4', 'address', verb, `${address}/${bits}`, 'dev', this.#device]
  }
}
