import { isIP } from 'node:net'
import type { Lease, LeaseStore } from '../credentials/pool.ts'
import { isRecord, LinesFile, type LinesFormat } from './host/lines-file.ts'
import type { Log } from './log.ts'

const leaseLines: LinesFormat<Lease> = {
  content: 'leases',
  version: 1,
  read: (value) => {
    if (!isRecord(value)) return undefined
    const { pool, address, identity } = value
    const isLease = typeof pool === 'string' && typeof address === 'string' && typeof identity === 'string'
    return isLease && isIP(address) !== 0 ? { pool, address, identity } : undefined
  },
}

/** Leases in a file, for as long as the endpoint has it open. */
export class LeaseFile implements LeaseStore {
  readonly #file: LinesFile<Lease>
  readonly #leases: readonly Lease[]

  /** Throws `PlatformError` when the file cannot be used: who starts without it may give one peer's address to another. */
  constructor(path: string, log: Log) {
    this.#file = new LinesFile(path, leaseLines, log)
    this.#leases = this.#file.load()
  }

  load(): readonly Lease[] {
    return this.#leases
  }

  save(leases: () => Iterable<Lease>): void {
    this.#file.schedule(leases)
  }

  /** Writes what waits. */
  close(): Promise<void> {
    return this.#file.close()
  }
}
