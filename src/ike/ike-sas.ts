import { toHex } from '../bytes/index.ts'
import { UsageError } from '../errors.ts'
import type { ChildConfig, ConnectionConfig } from './config.ts'
import type { IkeSa } from './ike-sa.ts'

/** The IKE_SAs of one endpoint by our own SPI, oldest first. */
export class IkeSas {
  readonly #byOwnSpi = new Map<string, IkeSa>()

  get size(): number {
    return this.#byOwnSpi.size
  }

  /** A copy: what is done to them may add and remove some. */
  all(): IkeSa[] {
    return [...this.#byOwnSpi.values()]
  }

  /** Again does no harm. */
  add(sa: IkeSa): void {
    this.#byOwnSpi.set(toHex(sa.ownSpi), sa)
  }

  delete(sa: IkeSa): void {
    this.#byOwnSpi.delete(toHex(sa.ownSpi))
  }

  /** `ownSpi`: 8 octets. */
  find(ownSpi: Uint8Array): IkeSa | undefined {
    return this.#byOwnSpi.get(toHex(ownSpi))
  }

  /** The one to use among those that rekeying gave the same id. Throws `UsageError` when there is none. */
  withId(id: number): IkeSa {
    const known = this.all().filter((sa) => sa.id === id)
    const sa = known.find(({ state, successor }) => state !== 'undecided' && successor === undefined) ?? known[0]
    if (sa !== undefined) return sa
    throw new UsageError('ikeSaId', `there is no IKE_SA ${id}`)
  }

  /** The one of a connection that has a child, or is making it; else one that can carry it. `child` left out: the latter. */
  carrierOf(connection: ConnectionConfig, child: ChildConfig | undefined): IkeSa | undefined {
    const own = this.all().filter((sa) => sa.connection === connection && canCarry(sa))
    return own.find((sa) => child !== undefined && sa.hasOrMakes(child)) ?? own[0]
  }
}

/** A further CHILD_SA goes on an IKE_SA that stands, or waits for the one that we are setting up. */
export const canCarry = (sa: IkeSa): boolean =>
  (sa.state === 'established' && sa.replacement === undefined) || (sa.state === 'connecting' && sa.role === 'initiator')
