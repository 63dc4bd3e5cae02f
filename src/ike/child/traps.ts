import type { ChildConfig, ConnectionConfig } from '../config.ts'
import { selectorsOfTrap } from '../config-payload/dynamic-selectors.ts'
import type { IkeRuntime } from '../runtime.ts'

interface Trap {
  readonly connection: ConnectionConfig
  readonly child: ChildConfig
}

/** The children of one endpoint that wait for a packet, by the reqid of their policies. */
export class Traps {
  readonly #runtime: IkeRuntime
  readonly #byReqid = new Map<number, Trap>()

  constructor(runtime: IkeRuntime) {
    this.#runtime = runtime
  }

  /** Installs those of all children that are to begin so. Again does no harm. */
  installAll(): void {
    for (const connection of this.#runtime.connections) {
      for (const child of connection.children) {
        if (child.startAction === 'trap') this.install(connection, child)
      }
    }
  }

  /** Nothing happens while one of the two addresses is not known. Again does no harm. */
  install(connection: ConnectionConfig, child: ChildConfig): void {
    const remote = connection.remote.address
    const local = this.#runtime.localFor(connection)
    if (remote === undefined || local === undefined) return
    const { localTs, remoteTs } = selectorsOfTrap(child, connection.local.virtualIps ?? [], { local, remote })
    const subject = { connection: connection.name, child: child.name, localTs, remoteTs, mode: child.mode }
    const reqid = this.#runtime.policies.installTrap(subject, { local, remote })
    this.#byReqid.set(reqid, { connection, child })
  }

  /** What a packet that met the policies of this reqid asks for; undefined when they are not a trap of ours. */
  find(reqid: number): Trap | undefined {
    return this.#byReqid.get(reqid)
  }
}
