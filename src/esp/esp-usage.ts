import { type UsageLimits, usageLimits } from './usage-limits.ts'

/** How much the key of one SA in one direction was used, and whether it may be used once more. */
export class EspUsage {
  readonly limits: UsageLimits
  packets = 0
  octets = 0
  forgeries = 0

  constructor(encr: number, esn: boolean) {
    this.limits = usageLimits(encr, esn)
  }

  /** True while a packet with `textBytes` octets of text is within the limits. */
  allows(textBytes: number): boolean {
    const { packets, octets, forgeries } = this.limits
    return this.packets < packets && this.octets + textBytes <= octets && this.forgeries < forgeries
  }

  /** True from when on the key should be replaced. */
  get isNearLimit(): boolean {
    const { packets, octets, forgeries, soft } = this.limits
    return this.packets >= packets * soft || this.octets >= octets * soft || this.forgeries >= forgeries * soft
  }

  count(textBytes: number): void {
    this.packets++
    this.octets += textBytes
  }
}
