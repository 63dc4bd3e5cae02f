import type { WorkerWish } from '../child/child-agreement.ts'
import type { ChildSa } from '../child/child-sa.ts'
import { commonChild, workerChildren } from '../child/worker-children.ts'
import type { ChildConfig, ConnectionConfig } from '../config.ts'
import type { IkeEvent } from '../events.ts'
import type { IkeSas } from '../ike-sas.ts'
import type { IkeRuntime } from '../runtime.ts'
import { ChildCreate } from '../tasks/child-create.ts'

/** CHILD_SAs of one IKE_SA for the same traffic. */
interface Group {
  readonly wanted: Set<number>
  isAsking: boolean
  /** So many of workers the peer takes, as far as it has said. */
  most: number
}

/**
 * Asks for CHILD_SAs for one worker each, one after the other, beside the one for all: with the first packet of a worker, or all
 * of them when that stands. What the peer does not take is not asked for again, until one of those that it took is gone.
 * RFC 9611 §4.
 */
export class Workers {
  readonly #runtime: IkeRuntime
  readonly #sas: IkeSas
  /** By the id of the IKE_SA, which outlasts its rekeying, and the reqid. */
  readonly #groups = new Map<number, Map<number, Group>>()

  constructor(runtime: IkeRuntime, sas: IkeSas) {
    this.#runtime = runtime
    this.#sas = sas
  }

  notice(event: IkeEvent): void {
    if (event.kind === 'ike-closed') this.#groups.delete(event.sa.id)
    if (event.kind !== 'child-established' || event.child.worker !== undefined) return
    const child = this.#runtime.children.ofInbound(event.child.spiIn)
    const workers = child?.config?.workers
    if (child === undefined || workers?.startAction !== 'start' || child.agreement?.forWorkers !== true) return
    const { wanted } = this.#groupOf(child)
    for (let worker = 0; worker < workers.count; worker++) wanted.add(worker)
    this.#askNext(child)
  }

  /** A packet of a worker went through the one for all. */
  want(reqid: number, worker: number): void {
    const common = this.#common(reqid)
    const workers = common?.config?.workers
    if (common?.agreement?.forWorkers !== true || workers === undefined || worker >= workers.count) return
    this.#groupOf(common).wanted.add(worker)
    this.#askNext(common)
  }

  /** What the one for all comes of, when only those of workers are left of this reqid. */
  withoutCommon(reqid: number): { readonly connection: ConnectionConfig; readonly child: ChildConfig } | undefined {
    if (this.#common(reqid) !== undefined) return undefined
    for (const sa of this.#sas.all()) {
      const [child] = workerChildren(sa, reqid)
      if (child?.config !== undefined) return { connection: sa.connection, child: child.config }
    }
    return undefined
  }

  #common(reqid: number): ChildSa | undefined {
    return this.#sas
      .all()
      .map((sa) => commonChild(sa, reqid))
      .findLast((child) => child !== undefined)
  }

  #askNext(common: ChildSa): void {
    const { sa, reqid } = common
    const group = this.#groupOf(common)
    if (group.isAsking) return
    const stand = workerChildren(sa, reqid)
    for (const child of stand) group.wanted.delete(child.worker!)
    const [worker] = group.wanted
    if (worker === undefined) return
    if (stand.length >= group.most) return group.wanted.clear()
    group.wanted.delete(worker)
    group.isAsking = true
    const settled: WorkerWish['settled'] = (outcome) => this.#settled(group, reqid, outcome)
    sa.enqueue(new ChildCreate(sa, common.config!, { wish: { worker, like: common.agreement!, settled } }))
    this.#runtime.noteReady(sa)
  }

  #settled(group: Group, reqid: number, outcome: Parameters<WorkerWish['settled']>[0]): void {
    if (!group.isAsking) return
    group.isAsking = false
    if (outcome === 'dropped') return
    const common = this.#common(reqid)
    if (outcome === 'refused') group.most = 0
    else if (outcome === 'full' && common !== undefined) group.most = workerChildren(common.sa, reqid).length
    if (common !== undefined) this.#askNext(common)
  }

  #groupOf({ sa, reqid }: ChildSa): Group {
    const groups = this.#groups.get(sa.id) ?? new Map<number, Group>()
    this.#groups.set(sa.id, groups)
    const group = groups.get(reqid) ?? { wanted: new Set(), isAsking: false, most: Number.POSITIVE_INFINITY }
    groups.set(reqid, group)
    return group
  }
}
